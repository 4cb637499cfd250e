//! An endpoint's facts as Cedar's attributes. What is not known on the day has its worst value.

use std::collections::{BTreeSet, HashMap, HashSet};

use cedar_policy::{Entity, EntityAttrEvaluationError, EntityUid, RestrictedExpression};
use isthmus_inference::date::Date;
use isthmus_inference::ident::{EndpointName, ProviderName, UpstreamModel};

use crate::facts::{Fact, Facts, Network, Quantisation, Status, Tee, Trust};
use crate::permit::words::{TYPES, text, texts, uid, word};

/// An endpoint, and what is claimed of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// Its name.
    pub name: EndpointName,
    /// The account.
    pub provider: ProviderName,
    /// The upstream's own name for the model.
    pub model: UpstreamModel,
    /// What the operator claims.
    pub facts: Facts,
    /// Whether it is the engine in the house's own process. Then what it is sent moves nowhere, and
    /// some facts are the house's to know: the network, that nothing is kept and nothing trained.
    pub in_process: bool,
}

/// What stands for the operator or the law that nobody wrote.
const UNKNOWN: &str = "unknown";

impl Described {
    /// Itself as a thing of the schema.
    pub(super) fn uid(&self) -> EntityUid {
        uid(&TYPES.endpoint, self.name.as_str())
    }

    /// Its account as a thing of the schema.
    pub(super) fn provider_uid(&self) -> EntityUid {
        uid(&TYPES.provider, self.provider.as_str())
    }

    /// It with all attributes, as they count on this day.
    pub(super) fn entity(&self, day: Date) -> Result<Entity, Box<EntityAttrEvaluationError>> {
        let attributes = self.whereabouts(day).chain(self.promises(day)).chain(self.machine(day));
        let attributes: HashMap<_, _> =
            attributes.map(|(name, value)| (name.to_owned(), value)).collect();
        let provider = HashSet::from([self.provider_uid()]);
        Entity::new(self.uid(), attributes, provider).map_err(Box::new)
    }

    /// Who runs it, where, and under whose law.
    fn whereabouts(&self, day: Date) -> impl Iterator<Item = (&'static str, RestrictedExpression)> {
        let facts = &self.facts;
        let unwritten = if self.in_process { Network::Local } else { Network::Decentralised };
        let network = known(&facts.network, day).copied().unwrap_or(unwritten);
        let name = |fact| text(known(fact, day).map_or(UNKNOWN, String::as_str));
        let places =
            |fact: &Option<Fact<BTreeSet<String>>>| texts(known(fact, day).into_iter().flatten());
        [
            ("network", word(&TYPES.network, network.as_str())),
            ("in_process", RestrictedExpression::new_bool(self.in_process)),
            ("operator", name(&facts.operator)),
            ("jurisdiction", name(&facts.jurisdiction)),
            ("parent_jurisdiction", name(&facts.parent_jurisdiction)),
            ("processing_regions", places(&facts.processing_regions)),
            ("storage_regions", places(&facts.storage_regions)),
        ]
        .into_iter()
    }

    /// What its operator promises.
    fn promises(&self, day: Date) -> impl Iterator<Item = (&'static str, RestrictedExpression)> {
        let facts = &self.facts;
        let in_date = facts.certifications.iter().filter_map(|held| held.on(day));
        let in_process = self.in_process;
        let days = known(&facts.retention_days, day).map(|days| i64::from(*days));
        let days = days.unwrap_or(if in_process { 0 } else { i64::MAX });
        let holds = |fact, unwritten| {
            RestrictedExpression::new_bool(known(fact, day).copied().unwrap_or(unwritten))
        };
        [
            ("certifications", texts(in_date)),
            ("retention_days", RestrictedExpression::new_long(days)),
            ("zero_data_retention", holds(&facts.zero_data_retention, in_process)),
            ("trains_on_data", holds(&facts.trains_on_data, !in_process)),
            ("baa", holds(&facts.baa, false)),
            ("export_cleared", holds(&facts.export_cleared, false)),
        ]
        .into_iter()
    }

    /// What computes, and how far it can be believed.
    fn machine(&self, day: Date) -> impl Iterator<Item = (&'static str, RestrictedExpression)> {
        let facts = &self.facts;
        let trust = known(&facts.trust, day).copied().unwrap_or(Trust::Unverified);
        let tee = known(&facts.tee, day).copied().unwrap_or(Tee::None);
        let status = known(&facts.status, day).copied().unwrap_or(Status::Deprecated);
        let bits = known(&facts.quantisation, day).copied().map_or(0, Quantisation::bits);
        [
            ("model", text(self.model.as_str())),
            ("trust", word(&TYPES.trust, trust.as_str())),
            ("trust_rank", RestrictedExpression::new_long(trust as i64)),
            ("tee", word(&TYPES.tee, tee.as_str())),
            ("quantisation_bits", RestrictedExpression::new_long(i64::from(bits))),
            ("status", word(&TYPES.status, status.as_str())),
        ]
        .into_iter()
    }
}

/// What is claimed and counts on this day.
fn known<T>(fact: &Option<Fact<T>>, day: Date) -> Option<&T> {
    fact.as_ref()?.on(day)
}
