//! What the operator prefers among the endpoints that policy permits: an aim, and bounds to it.
//!
//! An aim turns the terms of an endpoint into one number, lower being better. Each has its own file
//! under `objectives/` and one line in [`OBJECTIVES`].

use std::fmt;

use crate::bounds::{Bounds, WhenInfeasible};
use crate::objectives::{balanced, cheapest, fastest, minimise, ordered};
use crate::terms::Terms;

/// Every aim that can be written.
pub static OBJECTIVES: &[&Aim] = &[
    &ordered::ORDERED,
    &cheapest::CHEAPEST,
    &fastest::FASTEST,
    &balanced::BALANCED,
    &minimise::MINIMISE,
];

/// An aim with its weights, and the bounds that it is subject to.
#[derive(Debug, Clone, PartialEq)]
pub struct Objective {
    /// What is sought.
    pub aim: &'static Aim,
    /// What counts how much; only [`minimise`] asks.
    pub weights: Weights,
    /// What must be kept to.
    pub bounds: Bounds,
    /// What happens where no endpoint does.
    pub when_infeasible: WhenInfeasible,
}

/// A way to judge an endpoint.
pub struct Aim {
    /// The word for it in configurations and in `x-isthmus-objective`.
    pub word: &'static str,
    /// What it does, in a sentence.
    pub about: &'static str,
    /// In what the score is.
    pub unit: Unit,
    /// How it judges.
    pub(crate) score: fn(&Terms, &Weights, &Tuning) -> Score,
}

/// In what a score is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// The place in the written order. Nothing is measured, so nothing is explored or spread.
    Place,
    /// Pico-dollars. Whoever has no known price comes last, and a saturated lease before those.
    PicoDollars,
    /// Seconds.
    Seconds,
}

/// How good an endpoint is; lower is better.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Score {
    /// All of it.
    pub total: f64,
    /// The part that rests on measurements, and so is never quite certain. Only this part is allowed
    /// for when two are called nearly equal, or one not worth a change: a price is what it is.
    pub measured: f64,
}

/// What counts how much, in US dollars for each unit.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Weights {
    /// Per dollar of expected cost.
    pub expected_cost: f64,
    /// Per millisecond to the first token, at the p95.
    pub p95_ttft_ms: f64,
    /// Per millisecond to the last token.
    pub latency_ms: f64,
    /// Per millisecond between two tokens.
    pub ms_per_token: f64,
    /// Per certain failure.
    pub error_rate: f64,
}

/// The constants of judging. The defaults are documented in `docs/routing.md`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tuning {
    /// Two endpoints are nearly equal if their scores differ by no more than this share of what is
    /// measured.
    pub near: f64,
    /// The last choice stays unless another is better by this share of what is measured.
    pub hysteresis: f64,
    /// The share of requests that go to an endpoint that was seldom seen and might be better; five
    /// times as many while nothing is known of it.
    pub exploration: f64,
    /// An endpoint is seldom seen with fewer first tokens than this, older ones counting less.
    pub seldom: u32,
    /// Whether the one with less pending work is taken of two that are nearly equal.
    pub two_choices: bool,
    /// What a second of waiting is worth, in pico-dollars (λ_T).
    pub second: f64,
    /// What a second beyond a bound is worth, in pico-dollars (λ_L).
    pub second_over: f64,
    /// How much the cost of a failed attempt counts (λ_E).
    pub failure: f64,
    /// How many exchanges a first token weighs that comes after the bound on it (λ_S).
    pub late: f64,
}

const PICO_DOLLARS: f64 = 1e12;

// === impl Objective ===

impl Objective {
    /// An aim without bounds.
    pub fn only(aim: &'static Aim) -> Self {
        let (bounds, when_infeasible) = (Bounds::default(), WhenInfeasible::default());
        Self { aim, weights: Weights::default(), bounds, when_infeasible }
    }

    /// The cheapest, within bounds: what `minimise: cost, subject_to: …` means.
    pub fn cheapest_within(bounds: Bounds) -> Self {
        Self { bounds, ..Self::only(&cheapest::CHEAPEST) }
    }
}

/// In the order in which the operator wrote them.
impl Default for Objective {
    fn default() -> Self {
        Self::only(&ordered::ORDERED)
    }
}

// === impl Aim ===

impl Aim {
    /// The aim that this word alone stands for; [`minimise`] needs more than a word.
    pub fn of(word: &str) -> Option<&'static Self> {
        let worded = OBJECTIVES.iter().filter(|aim| aim.word != minimise::MINIMISE.word);
        worded.copied().find(|aim| aim.word == word)
    }

    /// Whether an endpoint's price matters to it.
    pub fn counts_money(&self, weights: &Weights) -> bool {
        let weighs_it = *self != minimise::MINIMISE || weights.expected_cost > 0.0;
        self.unit == Unit::PicoDollars && weighs_it
    }
}

impl fmt::Debug for Aim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word)
    }
}

impl PartialEq for Aim {
    fn eq(&self, other: &Self) -> bool {
        self.word == other.word
    }
}

// === impl Score ===

impl Score {
    /// A certain part and a measured one.
    pub(crate) const fn new(certain: f64, measured: f64) -> Self {
        Self { total: certain + measured, measured }
    }
}

// === impl Tuning ===

impl Tuning {
    /// What failing and being too slow cost, in pico-dollars: λ_L·(seconds over the bounds) +
    /// λ_E·P(fail)·(cost of the attempt + value of the time that it takes).
    pub(crate) fn risk(&self, terms: &Terms) -> f64 {
        let attempt = terms.pico_dollars() + self.second * (terms.ttft.p95 + terms.queue);
        self.lateness(terms) + self.failure * terms.failure * attempt
    }
}

impl Tuning {
    /// What being too slow weighs: λ_S·P(late)·(cost of an exchange) + λ_L·(seconds over the bounds).
    pub(crate) fn lateness(&self, terms: &Terms) -> f64 {
        terms.fine + self.second_over * terms.over
    }
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            near: 0.02,
            hysteresis: 0.10,
            exploration: 0.01,
            seldom: 100,
            two_choices: true,
            second: 0.001 * PICO_DOLLARS,
            second_over: 0.01 * PICO_DOLLARS,
            failure: 1.0,
            late: 15.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn words_are_distinct_and_found() {
        let words: BTreeSet<_> = OBJECTIVES.iter().map(|aim| aim.word).collect();
        assert_eq!(words.len(), OBJECTIVES.len());
        assert_eq!(Aim::of("cheapest"), Some(&cheapest::CHEAPEST));
        assert_eq!(Aim::of("minimise"), None);
        assert_eq!(Aim::of("Cheapest"), None);
    }
}
