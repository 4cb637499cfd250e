//! Which endpoint serves a request, which ones follow if it fails, and when a second copy is sent.
//!
//! Permit comes first: nothing else is asked about an endpoint that policy does not allow. Then what
//! the caller narrowed, then whether it may be asked at all at this moment, then the operator's
//! bounds, and only among those who are left does preference decide.

mod choose;
mod rank;

use std::time::Duration;

use isthmus_inference::date::Date;
use isthmus_inference::money::Money;

use crate::bounds::{Bound, BoundSet};
use crate::chance::Chance;
use crate::endpoint_set::EndpointSet;
use crate::explain::{Explanation, Recorder};
use crate::hedge::{Hedge, HedgeRules};
use crate::live::LiveView;
use crate::moment::Moment;
use crate::narrow::Narrowing;
use crate::objective::{Aim, Objective, Tuning, Unit};
use crate::offer::{Offer, Pricing};
use crate::retry::RetryRules;
use crate::terms::{Demand, approximate};

pub use choose::Picked;

/// How a pool is routed: what the operator wrote of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Strategy {
    /// What is preferred.
    pub objective: Objective,
    /// Whether another endpoint is tried after one failed.
    pub fallback: bool,
    /// When a second copy is sent; `None` for never.
    pub hedge: Option<HedgeRules>,
    /// How often one endpoint is tried.
    pub retry: RetryRules,
    /// Whether a stream that broke may be continued elsewhere.
    pub splice: bool,
    /// The constants of judging.
    pub tuning: Tuning,
}

/// All that one decision rests on. The same situation gives the same plan.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// When it is made.
    pub now: Moment,
    /// On which day, for claims that lapse.
    pub today: Date,
    /// What is left of the caller's deadline.
    pub time_left: Duration,
    /// What is asked.
    pub demand: &'a Demand,
    /// The pool's endpoints that can do it, in the order in which they are written.
    pub candidates: &'a [Candidate<'a>],
    /// What policy permits.
    pub permits: Permits<'a>,
    /// What the caller narrows that to.
    pub narrowing: Option<&'a Narrowing>,
    /// The endpoint that [`RoutePlan::reference`] of this pool's last plan named.
    pub incumbent: Option<usize>,
    /// The dice.
    pub chance: Chance,
}

/// An endpoint that could serve.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// Its number in the catalogue, below 2^32.
    pub number: usize,
    /// What it offers.
    pub offer: &'a Offer,
    /// How it fares, for [`Demand::prompt`].
    pub live: LiveView,
}

/// The endpoints that policy permits, for each way of contacting them.
#[derive(Debug, Clone, Copy)]
pub struct Permits<'a> {
    /// As the first choice.
    pub route: &'a EndpointSet,
    /// After a failure, and to continue a stream that broke.
    pub fallback: &'a EndpointSet,
    /// For a second copy.
    pub hedge: &'a EndpointSet,
}

/// Whom to ask.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RoutePlan {
    choices: [u32; MOST_CHOICES],
    count: usize,
    /// When a second copy is sent, and where.
    pub hedge: Option<Hedge>,
    /// Why the first choice is the first.
    pub picked: Picked,
    /// What to hand to the next plan of this pool as its incumbent.
    pub reference: usize,
    /// What the first choice is expected to add to the bill, if its price is known.
    pub expected_cost: Option<Money>,
    /// When the caller's time is up.
    pub deadline: Moment,
}

/// Why there is no plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoRoute {
    /// There is nobody who could do it.
    #[error("no endpoint can do what the request needs")]
    Nobody,
    /// Policy permits none.
    #[error("policy permits no endpoint for this request")]
    Denied,
    /// Policy permits some, and the caller has ruled out each of them.
    #[error("no permitted endpoint is left after the request's own narrowing (last by `{by}`)")]
    Narrowed {
        /// What ruled out the last of them, as the request names it.
        by: &'static str,
    },
    /// None may be asked at this moment.
    #[error("no permitted endpoint is available at the moment")]
    Unavailable {
        /// How long until the first of them may be, where that is known.
        retry_after: Option<Duration>,
    },
    /// None keeps to the bounds.
    #[error("no available endpoint keeps to the objective's bounds: {broken}")]
    Infeasible {
        /// The bounds that were broken, by one or another.
        broken: BoundSet,
    },
    /// The caller's time is up.
    #[error("no time is left for the request")]
    TooLate,
}

/// The most endpoints of one plan. Whoever has tried so many has a problem of another kind.
pub const MOST_CHOICES: usize = 16;

// === impl Strategy ===

impl Strategy {
    /// Makes the plan.
    pub fn plan(&self, situation: &Situation<'_>) -> Result<RoutePlan, NoRoute> {
        self.decide(situation, &mut ())
    }

    /// Makes the same plan in the same way, and tells all that was considered.
    pub fn explain(&self, situation: &Situation<'_>) -> (Result<RoutePlan, NoRoute>, Explanation) {
        let mut explanation = Explanation::default();
        let plan = self.decide(situation, &mut explanation);
        explanation.conclude(plan.as_ref().ok());
        (plan, explanation)
    }

    fn decide(
        &self,
        situation: &Situation<'_>,
        recorder: &mut impl Recorder,
    ) -> Result<RoutePlan, NoRoute> {
        let aim = situation.narrowing.and_then(Narrowing::aim);
        let (aim, weights) = aim.unwrap_or((self.objective.aim, self.objective.weights));
        recorder.aim(aim);
        if situation.time_left.is_zero() {
            return Err(NoRoute::TooLate);
        }
        let fine = self.fine(situation, aim);
        let is_bounded = self.objective.bounds.are_any();
        let most_late = situation.demand.usual.most_late();
        let judge =
            rank::Judge { strategy: self, situation, aim, weights, is_bounded, fine, most_late };
        let mut ranked = rank::Ranked::new();
        judge.rank(&mut ranked, recorder)?;
        let mut chance = situation.chance;
        let choice = choose::first(&judge, &ranked, &mut chance).ok_or(NoRoute::Denied)?;
        let first = &ranked[choice.first];
        let mut plan = RoutePlan {
            choices: [0; MOST_CHOICES],
            count: 0,
            hedge: None,
            picked: choice.picked,
            reference: ranked[choice.reference].number as usize,
            expected_cost: judge.terms_of(first).cost,
            deadline: situation.now + situation.time_left,
        };
        plan.push(first.number);
        if self.fallback && situation.narrowing.is_none_or(Narrowing::allows_fallbacks) {
            let others = ranked.iter().filter(|other| other.number != first.number);
            others.filter(|other| other.may.fallback).for_each(|other| plan.push(other.number));
        }
        plan.hedge = self.hedge.as_ref().and_then(|rules| {
            judge.hedge(rules, &ranked, first, choice.picked == Picked::Explored)
        });
        Ok(plan)
    }
}

impl Strategy {
    /// What a late first token weighs, in pico-dollars: as much as some exchanges, at the mean price
    /// of those that may be asked. Nothing where the bound on it is absent, is no matter of money, or
    /// may not be relaxed.
    fn fine(&self, situation: &Situation<'_>, aim: &Aim) -> f64 {
        let objective = &self.objective;
        let is_bound = objective.bounds.p95_ttft.is_some();
        let weighed =
            aim.unit == Unit::PicoDollars && objective.when_infeasible.relaxes(Bound::P95Ttft);
        if !is_bound || !weighed {
            return 0.0;
        }
        let (mut input, mut output, mut count) = (0, 0, 0.0);
        for candidate in situation.candidates {
            if let Pricing::Tokens(price) = &candidate.offer.pricing
                && situation.permits.route.has(candidate.number)
            {
                input += price.input.pico_dollars_per_token();
                output += price.output.pico_dollars_per_token();
                count += 1.0;
            }
        }
        let usual = &situation.demand.usual;
        let sum =
            approximate(input) * usual.input_tokens + approximate(output) * usual.output_tokens;
        if count > 0.0 { self.tuning.late * sum / count } else { 0.0 }
    }
}

/// In the written order, with fallback, without anything else.
impl Default for Strategy {
    fn default() -> Self {
        Self {
            objective: Objective::default(),
            fallback: true,
            hedge: None,
            retry: RetryRules::default(),
            splice: false,
            tuning: Tuning::default(),
        }
    }
}

// === impl RoutePlan ===

impl RoutePlan {
    /// Whom to ask, the first choice first; the rest after failures. Never empty, each one once.
    pub fn choices(&self) -> impl ExactSizeIterator<Item = usize> {
        self.choices[..self.count].iter().map(|number| *number as usize)
    }

    /// The first choice.
    pub const fn first(&self) -> usize {
        self.choices[0] as usize
    }

    /// The same without those that may not be asked after all; `None` where nobody is left.
    #[must_use]
    pub fn only(mut self, may: impl Fn(usize) -> bool) -> Option<Self> {
        let (choices, count) = (self.choices, self.count);
        self.count = 0;
        let left = choices[..count].iter().filter(|number| may(**number as usize));
        left.for_each(|number| self.push(*number));
        // A second copy stands beside a certain first choice.
        let stays = self.first() == choices[0] as usize;
        self.hedge = self.hedge.filter(|hedge| stays && may(hedge.partner));
        (self.count > 0).then_some(self)
    }

    /// Adds a choice, unless there are too many.
    fn push(&mut self, number: u32) {
        if let Some(place) = self.choices.get_mut(self.count) {
            *place = number;
            self.count += 1;
        }
    }
}

#[cfg(test)]
mod tests;
