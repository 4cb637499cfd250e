//! What a call's plan rested on, kept until the call is over; then it is logged with what came of it.

use std::sync::Arc;
use std::time::Duration;

use isthmus_inference::date::Date;
use isthmus_inference::money::Money;
use isthmus_inference::usage::Usage;
use isthmus_ledger::decision::Decided;
use isthmus_policies::live::LiveView;
use isthmus_policies::moment::Moment;
use isthmus_policies::plan::{NoRoute, RoutePlan};
use isthmus_policies::question::{Context, Principal};
use isthmus_policies::recorded::{About, Narrowed, Recorded, Seen, Who};
use isthmus_policies::terms::Demand;

use crate::decision_log::DecisionSink;
use crate::permits::{Edition, Permitted};
use crate::pool::Pool;

/// What a plan rested on.
#[derive(Debug)]
pub struct Considered {
    /// Where it is logged.
    pub sink: DecisionSink,
    /// The endpoints that it was about.
    pub pool: Arc<Pool>,
    /// The policies that decided,
    pub edition: Arc<Edition>,
    /// and what they said.
    pub permitted: Arc<Permitted>,
    /// Who asked.
    pub principal: Arc<Principal>,
    /// What policy knew of the request.
    pub context: Arc<Context>,
    /// When it was made.
    pub now: Moment,
    /// On which day.
    pub today: Date,
    /// What was left of the caller's deadline.
    pub time_left: Duration,
    /// What was expected of the request.
    pub demand: Demand,
    /// What the caller narrowed it to.
    pub narrowed: Narrowed,
    /// The endpoint that the plan before was measured by.
    pub incumbent: Option<usize>,
    /// The dice.
    pub chance: u64,
    /// How the endpoints fared that could do it, by their numbers.
    pub lives: Vec<(usize, LiveView)>,
    /// The plan.
    pub plan: Result<RoutePlan, NoRoute>,
}

/// What came of a call.
pub(super) struct Came {
    /// When it arrived: Unix milliseconds.
    pub(super) at: i64,
    /// Its id.
    pub(super) request_id: String,
    /// The model that was asked for.
    pub(super) model: String,
    /// Who answered, or was tried last.
    pub(super) endpoint: Option<String>,
    /// How it ended.
    pub(super) outcome: &'static str,
    /// What was used, if anything was.
    pub(super) usage: Option<Usage>,
    /// What they cost.
    pub(super) cost: Option<Money>,
}

impl Considered {
    /// The row of the log.
    pub(super) fn decided(&self, came: Came) -> Decided {
        let Principal { organisation, team, app } = (*self.principal).clone();
        let recorded = self.recorded();
        Decided {
            at: came.at,
            request_id: came.request_id,
            organisation,
            team,
            app,
            model: came.model,
            policy: self.edition.version().to_owned(),
            endpoint: came.endpoint,
            outcome: came.outcome.to_owned(),
            usage: came.usage,
            cost: came.cost,
            // Names, numbers and words: nothing in it can fail to be written.
            features: serde_json::to_string(&recorded).unwrap_or_default(),
        }
    }

    /// The same, as it is logged.
    pub fn recorded(&self) -> Recorded {
        Recorded {
            now: self.now,
            today: self.today.to_string(),
            time_left: u64::try_from(self.time_left.as_nanos()).unwrap_or(u64::MAX),
            who: Who::from(&*self.principal),
            request: About::from(&*self.context),
            demand: self.demand,
            narrowed: self.narrowed.clone(),
            incumbent: self.incumbent,
            chance: self.chance,
            endpoints: (0..self.pool.endpoints.len()).map(|number| self.seen(number)).collect(),
            plan: match &self.plan {
                Ok(plan) => Ok(plan.choices().collect()),
                Err(none) => Err(none.to_string()),
            },
        }
    }

    fn seen(&self, number: usize) -> Seen {
        let Permitted { route, fallback, hedge, .. } = &*self.permitted;
        let rules = self.edition.bundle().rules();
        let decided = &route.verdicts[number].rules;
        let decided = decided.iter().filter_map(|rule| rules.get(usize::from(*rule)));
        Seen {
            name: self.pool.endpoints[number].name.clone(),
            may: [route, fallback, hedge].map(|way| way.allowed.has(number)),
            rules: decided.map(|rule| rule.id.clone()).collect(),
            live: self.lives.iter().find(|(of, _)| *of == number).map(|(_, live)| *live),
        }
    }
}
