//! One decision with all that it rested on, as it is logged: no prompt and no answer, and still enough
//! to explain it and to make it anew, by the same rules or by others.

use std::collections::BTreeSet;
use std::time::Duration;

use isthmus_inference::date::Date;
use isthmus_inference::ident::EndpointName;
use serde::{Deserialize, Serialize};

use crate::chance::Chance;
use crate::class::{Class, DataClass};
use crate::endpoint_set::EndpointSet;
use crate::explain::Explanation;
use crate::live::LiveView;
use crate::moment::Moment;
use crate::narrow::{NarrowError, Narrowing};
use crate::offer::Offer;
use crate::plan::{Candidate, NoRoute, Permits, RoutePlan, Situation, Strategy};
use crate::question::{Context, Principal};
use crate::terms::Demand;

/// What one decision rested on, and what it was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    /// When it was made.
    pub now: Moment,
    /// On which day: `2026-11-28`.
    pub today: String,
    /// What was left of the caller's deadline, in nanoseconds.
    pub time_left: u64,
    /// Who asked.
    pub who: Who,
    /// What policy knew of the request.
    pub request: About,
    /// What was expected of it.
    pub demand: Demand,
    /// What the caller narrowed it to.
    pub narrowed: Narrowed,
    /// The endpoint that the plan before was measured by, by its place in `endpoints`.
    pub incumbent: Option<usize>,
    /// The dice.
    pub chance: u64,
    /// The pool's endpoints, in its order.
    pub endpoints: Vec<Seen>,
    /// The plan, by places in `endpoints`; or why there was none.
    pub plan: Result<Vec<usize>, String>,
}

/// Who asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Who {
    /// The organisation.
    pub organisation: String,
    /// The team.
    pub team: String,
    /// The app.
    pub app: String,
}

/// What policy knew of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// Every class of data that applies.
    pub classes: Vec<String>,
    /// Whether anyone said so.
    pub declared: bool,
    /// Where the people live whom the data is of.
    pub subject_regions: BTreeSet<String>,
    /// Where it may be processed and stored; `None` for anywhere.
    pub allowed_regions: Option<BTreeSet<String>>,
    /// What the data is used for.
    pub purpose: String,
}

/// A caller's narrowing, as it was written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Narrowed {
    /// OpenRouter's `provider` object.
    pub provider: Option<String>,
    /// `x-isthmus-objective`.
    pub objective: Option<String>,
}

/// What was known of one endpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// Its name.
    pub name: EndpointName,
    /// Whether policy permitted it as the first choice, after a failure, and for a second copy.
    pub may: [bool; 3],
    /// The rules that decided about the first choice.
    pub rules: Vec<String>,
    /// How it fared; `None` if it could not do what the request needed.
    pub live: Option<LiveView>,
}

/// Why a decision cannot be made anew.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unclear {
    /// The day is none.
    #[error("`{0}` is not a day")]
    Day(String),
    /// A class that this program does not know.
    #[error("the class of data `{0}` is not known")]
    Class(String),
    /// The narrowing cannot be read.
    #[error(transparent)]
    Narrowing(#[from] NarrowError),
}

// === impl Recorded ===

impl Recorded {
    /// Makes the decision anew. `offers` are those of `endpoints`, as far as they still exist;
    /// `permits` are what other policies say of them, or else what was permitted.
    pub fn decide(
        &self,
        strategy: &Strategy,
        offers: &[Option<&Offer>],
        permits: Option<[EndpointSet; 3]>,
    ) -> Result<(Result<RoutePlan, NoRoute>, Explanation), Unclear> {
        let day = || Unclear::Day(self.today.clone());
        let today: Date = self.today.parse().map_err(|_| day())?;
        let narrowing = self.narrowed.read()?;
        let candidates: Vec<Candidate<'_>> = (self.endpoints.iter().zip(offers).enumerate())
            .filter_map(|(number, (seen, offer))| {
                Some(Candidate { number, offer: (*offer)?, live: seen.live? })
            })
            .collect();
        let [route, fallback, hedge] = permits.unwrap_or_else(|| self.permitted());
        Ok(strategy.explain(&Situation {
            now: self.now,
            today,
            time_left: Duration::from_nanos(self.time_left),
            demand: &self.demand,
            candidates: &candidates,
            permits: Permits { route: &route, fallback: &fallback, hedge: &hedge },
            narrowing: Some(&narrowing).filter(|narrowing| !narrowing.is_none()),
            incumbent: self.incumbent,
            chance: Chance::new(self.chance),
        }))
    }

    /// What was permitted, for each way of contacting an endpoint.
    pub fn permitted(&self) -> [EndpointSet; 3] {
        [0, 1, 2].map(|way| {
            let permitted = self.endpoints.iter().enumerate().filter(|(_, seen)| seen.may[way]);
            permitted.map(|(number, _)| number).collect()
        })
    }

    /// Who asked, as policy sees it.
    pub fn principal(&self) -> Principal {
        let Who { organisation, team, app } = self.who.clone();
        Principal { organisation, team, app }
    }

    /// What was known of the request, as policy sees it.
    pub fn context(&self) -> Result<Context, Unclear> {
        let About { classes, declared, subject_regions, allowed_regions, purpose } =
            self.request.clone();
        let class = |word: &String| {
            DataClass::of(word).map(Class::only).ok_or_else(|| Unclear::Class(word.clone()))
        };
        let classes = classes.iter().map(class).collect::<Result<Vec<_>, _>>()?;
        let class = classes.into_iter().reduce(Class::and);
        let class = class.ok_or_else(|| Unclear::Class(String::new()))?;
        Ok(Context { class, declared, subject_regions, allowed_regions, purpose })
    }
}

// === impl About ===

impl From<&Context> for About {
    fn from(context: &Context) -> Self {
        Self {
            classes: context.class.labels().map(|class| class.to_string()).collect(),
            declared: context.declared,
            subject_regions: context.subject_regions.clone(),
            allowed_regions: context.allowed_regions.clone(),
            purpose: context.purpose.clone(),
        }
    }
}

// === impl Who ===

impl From<&Principal> for Who {
    fn from(principal: &Principal) -> Self {
        let Principal { organisation, team, app } = principal.clone();
        Self { organisation, team, app }
    }
}

// === impl Narrowed ===

impl Narrowed {
    /// What it means.
    pub fn read(&self) -> Result<Narrowing, NarrowError> {
        let narrowing = match &self.provider {
            Some(object) => Narrowing::of_provider_object(object.as_bytes())?,
            None => Narrowing::none(),
        };
        match &self.objective {
            Some(word) => narrowing.with_objective(word),
            None => Ok(narrowing),
        }
    }
}

#[cfg(test)]
mod tests;
