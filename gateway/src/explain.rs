//! A decision, told: every endpoint with what policy says of it and which rules said so, then what
//! spoke for and against each, and by how much it lost.
//!
//! What is told is the decision itself, made by the same code on the same figures; nothing here
//! decides.

pub mod subject;
mod text;

use isthmus_inference::ident::EndpointName;
use isthmus_inference::money::Money;
use isthmus_ledger::decision::Decided;
use isthmus_policies::explain::{Explanation, Fate, Verdict};
use isthmus_policies::objective::Unit;
use isthmus_policies::offer::Offer;
use isthmus_policies::permit::Rule;
use isthmus_policies::plan::{NoRoute, RoutePlan, Strategy};
use isthmus_policies::recorded::{About, Recorded, Seen, Unclear, Who};
use serde::Serialize;

/// A decision, told.
#[derive(Debug, Serialize)]
pub struct Explained {
    /// The request's id, if it was answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The model that was asked for.
    pub model: String,
    /// The version of the policies that decided.
    pub policy: String,
    /// Who asked.
    pub who: Who,
    /// What policy knew of the request.
    pub request: About,
    /// What was expected of it, in tokens.
    pub expected: Expected,
    /// What was preferred.
    pub objective: &'static str,
    /// In what scores are counted.
    pub unit: &'static str,
    /// Where the figures of the endpoints come from.
    pub figures: Figures,
    /// Every endpoint of the pool, in its order.
    pub endpoints: Vec<EndpointTold>,
    /// Whom to ask, the first choice first.
    pub plan: Vec<EndpointName>,
    /// Why the first choice is the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub picked: Option<&'static str>,
    /// When a second copy is sent, and where.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hedge: Option<HedgeTold>,
    /// Why there is no plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// What came of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<OutcomeTold>,
}

/// Tokens that were expected.
#[derive(Debug, Serialize)]
pub struct Expected {
    /// Of the prompt.
    pub input_tokens: u64,
    /// Of the answer.
    pub output_tokens: u64,
}

/// Where the figures of the endpoints come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Figures {
    /// They were measured when the request came.
    Recorded,
    /// They are measured now.
    Live,
    /// Nobody measured anything: what is usual for such endpoints.
    Assumed,
}

/// What is told of one endpoint.
#[derive(Debug, Serialize)]
pub struct EndpointTold {
    /// Its name.
    pub name: EndpointName,
    /// Whether policy permits it as the first choice,
    pub may_route: bool,
    /// after another failed,
    pub may_fallback: bool,
    /// and for a second copy.
    pub may_hedge: bool,
    /// The rules that decided about the first choice.
    pub rules: Vec<RuleTold>,
    /// Its place in the plan, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<usize>,
    /// Why it is not in the plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub out: Option<String>,
    /// What spoke for and against it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terms: Option<TermsTold>,
}

/// A rule, by its `@id`.
#[derive(Debug, Clone, Serialize)]
pub struct RuleTold {
    /// The id.
    pub id: String,
    /// `permit` or `forbid`; `None` if the policies at hand have no such rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effect: Option<&'static str>,
    /// Its reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The law behind it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub law: Option<String>,
}

/// What spoke for and against an endpoint.
#[derive(Debug, Serialize)]
pub struct TermsTold {
    /// What the exchange was expected to add to the bill.
    pub cost_usd: Option<Money>,
    /// Tokens of the prompt that its cache was expected to hold.
    pub cached_tokens: u64,
    /// Milliseconds to the first token, at the p95.
    pub p95_ttft_ms: f64,
    /// Milliseconds to the last token.
    pub latency_ms: f64,
    /// Output tokens per second.
    pub tokens_per_second: f64,
    /// The probability that an attempt fails.
    pub failure: f64,
    /// The bounds that were relaxed for it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub relaxed: String,
    /// Its score; lower is better.
    pub score: f64,
    /// By how much that is worse than the first choice's.
    pub margin: f64,
}

/// A second copy.
#[derive(Debug, Serialize)]
pub struct HedgeTold {
    /// After so many milliseconds without a first token.
    pub after_ms: u64,
    /// To this endpoint.
    pub partner: EndpointName,
}

/// What came of a request.
#[derive(Debug, Serialize)]
pub struct OutcomeTold {
    /// When it arrived: Unix milliseconds.
    pub at: i64,
    /// `answered`, `abandoned`, or the kind of failure.
    pub outcome: String,
    /// Who answered, or was tried last.
    pub endpoint: Option<String>,
    /// Tokens in and out.
    pub tokens: Option<(u64, u64)>,
    /// What they cost.
    pub cost_usd: Option<Money>,
}

/// What a decision is told from.
pub struct Told<'a> {
    /// The model that was asked for.
    pub model: &'a str,
    /// The version of the policies that decided.
    pub policy: &'a str,
    /// The rules that are known.
    pub rules: &'a [Rule],
    /// How the pool is routed.
    pub strategy: &'a Strategy,
    /// What the endpoints of the record offer, as far as they still exist.
    pub offers: &'a [Option<&'a Offer>],
    /// Where the figures come from.
    pub figures: Figures,
}

// === impl Explained ===

impl Explained {
    /// Tells a decision.
    pub fn of(recorded: &Recorded, told: &Told<'_>) -> Result<Self, Unclear> {
        let (plan, explanation) = recorded.decide(told.strategy, told.offers, None)?;
        let name = |number: usize| recorded.endpoints[number].name.clone();
        let endpoints = recorded.endpoints.iter().enumerate().map(|(number, seen)| {
            let gone = told.offers[number].is_none();
            EndpointTold::of(number, seen, gone, &explanation, told.rules)
        });
        let aim = explanation.aim.unwrap_or(told.strategy.objective.aim);
        let planned: Option<&RoutePlan> = plan.as_ref().ok();
        Ok(Self {
            request_id: None,
            model: told.model.to_owned(),
            policy: told.policy.to_owned(),
            who: recorded.who.clone(),
            request: recorded.request.clone(),
            expected: Expected {
                input_tokens: recorded.demand.input_tokens,
                output_tokens: recorded.demand.output_tokens,
            },
            objective: aim.word,
            unit: match aim.unit {
                Unit::Place => "place",
                Unit::PicoDollars => "pico-dollars",
                Unit::Seconds => "seconds",
            },
            figures: told.figures,
            endpoints: endpoints.collect(),
            plan: planned.into_iter().flat_map(RoutePlan::choices).map(name).collect(),
            picked: planned.map(|plan| plan.picked.as_str()),
            hedge: planned.and_then(|plan| plan.hedge).map(|hedge| HedgeTold {
                after_ms: u64::try_from(hedge.after.as_millis()).unwrap_or(u64::MAX),
                partner: name(hedge.partner),
            }),
            refused: plan.as_ref().err().map(NoRoute::to_string),
            outcome: None,
        })
    }

    /// With what came of it.
    #[must_use]
    pub fn came(mut self, decided: &Decided) -> Self {
        self.request_id = Some(decided.request_id.clone());
        self.outcome = Some(OutcomeTold {
            at: decided.at,
            outcome: decided.outcome.clone(),
            endpoint: decided.endpoint.clone(),
            tokens: decided.usage.map(|usage| (usage.input(), usage.output())),
            cost_usd: decided.cost,
        });
        self
    }
}

// === impl EndpointTold ===

impl EndpointTold {
    fn of(
        number: usize,
        seen: &Seen,
        gone: bool,
        explanation: &Explanation,
        rules: &[Rule],
    ) -> Self {
        let [may_route, may_fallback, may_hedge] = seen.may;
        let considered = explanation.considered.iter().find(|one| one.number == number);
        let (mut place, mut terms) = (None, None);
        let out = match considered.map(|one| one.verdict) {
            Some(Verdict::Ranked(rank)) => {
                place = rank.choice.map(|choice| choice + 1);
                terms = Some(TermsTold {
                    cost_usd: rank.terms.cost,
                    cached_tokens: rank.terms.cached_tokens,
                    p95_ttft_ms: (rank.terms.ttft.p95 + rank.terms.queue) * 1e3,
                    latency_ms: rank.terms.latency * 1e3,
                    tokens_per_second: rank.terms.tps,
                    failure: rank.terms.failure,
                    relaxed: rank.broken.to_string(),
                    score: rank.score.total,
                    margin: rank.margin,
                });
                let spare = if may_fallback { "not needed" } else { "not permitted as a fallback" };
                place.is_none().then(|| spare.to_owned())
            }
            Some(Verdict::Out(fate)) => Some(why(fate)),
            None if gone => Some("it is no longer in the configuration".to_owned()),
            None if seen.live.is_none() => {
                Some("it lacks a capability that the request needs".to_owned())
            }
            None => Some("not considered: the decision ended before it".to_owned()),
        };
        let rules = seen.rules.iter().map(|id| RuleTold::of(id, rules)).collect();
        let name = seen.name.clone();
        Self { name, may_route, may_fallback, may_hedge, rules, place, out, terms }
    }
}

/// Why an endpoint could not serve.
fn why(fate: Fate) -> String {
    match fate {
        Fate::Denied => "policy does not permit it".to_owned(),
        Fate::Narrowed { by } => format!("the request's own `{by}` rules it out"),
        Fate::Closed { gate } => format!("it may not be asked at the moment: {}", gate.as_str()),
        Fate::OutOfBounds { broken } => format!("it breaks the objective's bounds: {broken}"),
    }
}

// === impl RuleTold ===

impl RuleTold {
    fn of(id: &str, rules: &[Rule]) -> Self {
        let known = rules.iter().find(|rule| rule.id == id);
        Self {
            id: id.to_owned(),
            effect: known.map(|rule| rule.effect.as_str()),
            reason: known.and_then(|rule| rule.reason.clone()),
            law: known.and_then(|rule| rule.law.clone()),
        }
    }
}
