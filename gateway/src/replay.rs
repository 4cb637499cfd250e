//! Logged decisions, made anew under other policies or objectives: who would be denied or allowed,
//! who would answer, and what that would cost.
//!
//! Costs are exact on the tokens that were recorded: each side's price times the same tokens. Tokens
//! that a provider's cache held count as cached only where the endpoint stays the same. Latency is
//! *modelled*: nobody knows how an endpoint that was not asked would have fared, so the figures that
//! were put up at the time stand for it.

mod report;

use std::collections::HashMap;
use std::sync::Arc;

use isthmus_config::settings::Settings;
use isthmus_inference::date::Date;
use isthmus_inference::ident::ModelName;
use isthmus_inference::money::Money;
use isthmus_inference::usage::Usage;
use isthmus_ledger::decision::Decided;
use isthmus_policies::endpoint_set::EndpointSet;
use isthmus_policies::live::LiveView;
use isthmus_policies::offer::{Offer, Pricing};
use isthmus_policies::permit::{Bundle, Permit};
use isthmus_policies::plan::NoRoute;
use isthmus_policies::question::{Action, Context, Principal};
use isthmus_policies::recorded::{Recorded, Seen};

use crate::explain::subject::Subject;

pub use report::{Report, Shift};

/// Decides anew.
pub struct Replay<'a> {
    /// What the endpoints and objectives are.
    settings: &'a Settings,
    bundle: Arc<Bundle>,
    subjects: HashMap<String, Option<Subject>>,
    /// Permits by model and day: facts lapse.
    permits: HashMap<(String, String), Option<Permit>>,
    /// Answers by question; emptied when there are too many.
    answers: HashMap<(String, String, Principal, Context), [EndpointSet; 3]>,
    report: Report,
}

/// How a decision came out, then or now.
#[derive(Debug, Clone, Copy)]
pub enum Way<'a> {
    /// With this first choice.
    To(&'a Seen, Option<&'a Offer>),
    /// Denied by policy.
    Denied,
    /// Without a plan for another reason.
    Nowhere,
}

/// Why a decision cannot be judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Unjudged {
    /// It was logged by a program that wrote other features, or cannot be read.
    Unreadable,
    /// The configuration no longer has the model.
    NoModel,
    /// The configuration no longer has the endpoint that was chosen.
    NoEndpoint,
    /// The policies cannot be laid over the model's endpoints.
    NoPermit,
}

/// Answers that are remembered at once.
const MOST_ANSWERS: usize = 65_536;

// === impl Replay ===

impl<'a> Replay<'a> {
    /// Under these policies, and the endpoints and objectives of these settings.
    pub fn new(settings: &'a Settings, bundle: Arc<Bundle>) -> Self {
        Self {
            settings,
            bundle,
            subjects: HashMap::new(),
            permits: HashMap::new(),
            answers: HashMap::new(),
            report: Report::default(),
        }
    }

    /// Decides one anew, and counts what changes.
    pub fn take(&mut self, decided: &Decided) {
        self.report.decisions += 1;
        if let Err(why) = self.judge(decided) {
            *self.report.unjudged.entry(why.as_str()).or_default() += 1;
        }
    }

    /// What was found.
    pub fn report(self) -> Report {
        self.report
    }

    fn judge(&mut self, decided: &Decided) -> Result<(), Unjudged> {
        let unreadable = |_| Unjudged::Unreadable;
        let recorded: Recorded = serde_json::from_str(&decided.features).map_err(unreadable)?;
        let permits = self.permits(decided, &recorded)?;
        let Self { subjects, report, .. } = self;
        let subject = subjects.get(&decided.model).and_then(Option::as_ref);
        let subject = subject.ok_or(Unjudged::NoModel)?;
        let offers = subject.offers(&recorded.endpoints);
        let anew = recorded.decide(&subject.strategy, &offers, Some(permits));
        let (plan, _) = anew.map_err(|_| Unjudged::Unreadable)?;
        let at = |number: usize| Way::To(&recorded.endpoints[number], offers[number]);
        let now = match &plan {
            Ok(plan) => at(plan.first()),
            Err(NoRoute::Denied) => Way::Denied,
            Err(_) => Way::Nowhere,
        };
        let then = match &recorded.plan {
            Ok(choices) => choices.first().map_or(Way::Nowhere, |first| at(*first)),
            Err(why) if *why == NoRoute::Denied.to_string() => Way::Denied,
            Err(_) => Way::Nowhere,
        };
        if let Way::To(_, None) = then {
            return Err(Unjudged::NoEndpoint);
        }
        report.count(&decided.team, decided.usage.as_ref(), then, now);
        Ok(())
    }

    fn subject(&mut self, model: &str) -> Result<&Subject, Unjudged> {
        let settings = self.settings;
        let subject = self.subjects.entry(model.to_owned());
        let subject = subject.or_insert_with(|| Subject::of(settings, &ModelName::from(model)));
        subject.as_ref().ok_or(Unjudged::NoModel)
    }

    /// What the policies say of the recorded endpoints.
    fn permits(
        &mut self,
        decided: &Decided,
        recorded: &Recorded,
    ) -> Result<[EndpointSet; 3], Unjudged> {
        let context = recorded.context().map_err(|_| Unjudged::Unreadable)?;
        let (model, day) = (decided.model.clone(), recorded.today.clone());
        let question = (model, day, recorded.principal(), context);
        if !self.answers.contains_key(&question) {
            let answer = self.answer(&question)?;
            if self.answers.len() >= MOST_ANSWERS {
                self.answers.clear();
            }
            self.answers.insert(question.clone(), answer);
        }
        let subject = self.subject(&decided.model)?;
        // By the numbers of the record, whose pool may have had other endpoints.
        let place = |seen: &Seen| {
            subject.endpoints.iter().position(|endpoint| endpoint.offer.name == seen.name)
        };
        let places: Vec<Option<usize>> = recorded.endpoints.iter().map(place).collect();
        let answer = &self.answers[&question];
        Ok([0, 1, 2].map(|way| {
            let permitted = places
                .iter()
                .enumerate()
                .filter(|(_, place)| place.is_some_and(|place| answer[way].has(place)));
            permitted.map(|(number, _)| number).collect()
        }))
    }

    fn answer(
        &mut self,
        (model, day, principal, context): &(String, String, Principal, Context),
    ) -> Result<[EndpointSet; 3], Unjudged> {
        let catalogue = self.subject(model)?.catalogue();
        let bundle = &self.bundle;
        let permit = self.permits.entry((model.clone(), day.clone())).or_insert_with(|| {
            let day: Date = day.parse().ok()?;
            Permit::new(Arc::clone(bundle), &catalogue, day).ok()
        });
        let permit = permit.as_ref().ok_or(Unjudged::NoPermit)?;
        let ways = [Action::Route, Action::Fallback, Action::Hedge];
        Ok(ways.map(|way| permit.decide(principal, way, context).allowed))
    }
}

// === impl Unjudged ===

impl Unjudged {
    /// In words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unreadable => "its features cannot be read",
            Self::NoModel => "the configuration no longer has its model",
            Self::NoEndpoint => "the configuration no longer has its endpoint",
            Self::NoPermit => "the policies cannot be laid over its model's endpoints",
        }
    }
}

// === impl Way ===

impl<'a> Way<'a> {
    fn endpoint(self) -> Option<&'a Seen> {
        match self {
            Self::To(seen, _) => Some(seen),
            Self::Denied | Self::Nowhere => None,
        }
    }

    /// What the recorded tokens cost there; a lease's hour is paid whoever uses it.
    fn cost(self, usage: &Usage) -> Option<Money> {
        match self {
            Self::To(_, offer) => match offer?.pricing {
                Pricing::Tokens(price) => Some(price.cost(usage)),
                Pricing::Lease(_) => Some(Money::ZERO),
                Pricing::Unknown => None,
            },
            Self::Denied | Self::Nowhere => Some(Money::ZERO),
        }
    }

    fn live(self) -> Option<&'a LiveView> {
        self.endpoint()?.live.as_ref()
    }
}
