//! What an objective must keep to (`subject_to`), and what happens where nobody does.
//!
//! A bound on money is kept unless the operator says that it may be relaxed. Bounds on speed and
//! errors are guesses about the future; where no endpoint keeps them all, they are relaxed one
//! after the other. Compliance is no bound: it is decided elsewhere and never relaxed.

use std::fmt;

use isthmus_inference::money::Rate;

use crate::offer::Pricing;
use crate::terms::Terms;

/// Limits that an endpoint should keep to; those that are not given bind nobody.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Bounds {
    /// Seconds to the first token, at the p95 for a prompt of this size.
    pub p95_ttft: Option<f64>,
    /// Seconds to the last token.
    pub latency: Option<f64>,
    /// The probability that an attempt fails.
    pub error_rate: Option<f64>,
    /// Output tokens per second of one answer, at least.
    pub min_tps: Option<f64>,
    /// The price of a token of input.
    pub max_price_in: Option<Rate>,
    /// The price of a token of output.
    pub max_price_out: Option<Rate>,
}

/// One of the bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bound {
    /// On the time to the first token.
    P95Ttft,
    /// On the time to the last token.
    Latency,
    /// On failures.
    ErrorRate,
    /// On the pace.
    MinTps,
    /// On the price of input.
    MaxPriceIn,
    /// On the price of output.
    MaxPriceOut,
}

/// Some of the bounds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct BoundSet(u8);

/// What happens where no endpoint keeps to all bounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WhenInfeasible {
    /// Bounds that are given up, one after the other, until some endpoint keeps to the rest.
    pub relax: Vec<Bound>,
    /// What happens if none does even then.
    pub then: Then,
}

/// The last resort.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// The request is refused.
    Reject,
    /// The endpoint that is best by the objective serves it, bounds or no bounds.
    Best,
}

// === impl Bounds ===

impl Bounds {
    /// Whether there are any.
    pub(crate) fn are_any(&self) -> bool {
        *self != Self::default()
    }

    /// The bounds that an endpoint breaks. An unknown price breaks every bound on it; a lease is
    /// held to its price at full capacity.
    pub fn broken(&self, terms: &Terms, pricing: &Pricing) -> BoundSet {
        let above = |bound: Option<f64>, value: f64| bound.is_some_and(|bound| value > bound);
        let mut broken = BoundSet::default()
            .with_if(Bound::P95Ttft, above(self.p95_ttft, terms.ttft.p95 + terms.queue))
            .with_if(Bound::Latency, above(self.latency, terms.latency))
            .with_if(Bound::ErrorRate, above(self.error_rate, terms.failure))
            .with_if(Bound::MinTps, self.min_tps.is_some_and(|least| terms.tps < least));
        if self.max_price_in.is_some() || self.max_price_out.is_some() {
            let (input, output) = pricing.rates().unzip();
            let dearer = |bound: Option<Rate>, rate: Option<i128>| {
                bound.is_some_and(|bound| {
                    rate.is_none_or(|rate| rate > bound.pico_dollars_per_token())
                })
            };
            broken = broken
                .with_if(Bound::MaxPriceIn, dearer(self.max_price_in, input))
                .with_if(Bound::MaxPriceOut, dearer(self.max_price_out, output));
        }
        broken
    }

    /// Whether an endpoint may keep the bound on the first token after all: whether it would usually do
    /// if its level were at the quick end of what is thought of it. Of a stranger little is known and
    /// much may be hoped; of one that is known to be slow, nothing, until that was long ago.
    pub(crate) fn are_hoped_for(&self, terms: &Terms) -> bool {
        let spread = (terms.ttft.p95 / terms.ttft.p50).ln() / 1.645;
        let unsure = (spread * spread - USUAL_NOISE * USUAL_NOISE).max(0.0).sqrt();
        let quick = terms.ttft.p50 * (USUAL_NOISE - 1.645 * unsure).exp() + terms.queue;
        self.p95_ttft.is_none_or(|bound| quick <= bound)
    }

    /// The probability that an endpoint's first token comes after the bound on it.
    pub(crate) fn late(&self, terms: &Terms) -> f64 {
        self.p95_ttft.map_or(0.0, |bound| terms.ttft.beyond(bound - terms.queue))
    }

    /// By how many seconds an endpoint is slower than the bounds on time, together.
    pub fn seconds_over(&self, terms: &Terms) -> f64 {
        self.first_token_over(terms) + over(self.latency, terms.latency)
    }

    /// By how many seconds its p95 is slower than the bound on the first token.
    pub(crate) fn first_token_over(&self, terms: &Terms) -> f64 {
        over(self.p95_ttft, terms.ttft.p95 + terms.queue)
    }
}

/// How far off single first tokens usually are, as a logarithm: what is wider than that is not known.
const USUAL_NOISE: f64 = 0.3;

fn over(bound: Option<f64>, value: f64) -> f64 {
    bound.map_or(0.0, |bound| (value - bound).max(0.0))
}

// === impl Bound ===

impl Bound {
    /// Every bound with the word for it in configurations.
    pub const WORDS: &'static [(&'static str, Self)] = &[
        ("p95_ttft_ms", Self::P95Ttft),
        ("latency_ms", Self::Latency),
        ("error_rate", Self::ErrorRate),
        ("min_tps", Self::MinTps),
        ("max_price_in_per_m", Self::MaxPriceIn),
        ("max_price_out_per_m", Self::MaxPriceOut),
    ];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        Self::WORDS[self as usize].0
    }
}

// === impl BoundSet ===

impl BoundSet {
    /// This set and one more.
    #[must_use]
    pub const fn with(self, bound: Bound) -> Self {
        Self(self.0 | 1 << bound as u8)
    }

    /// This set without one.
    #[must_use]
    pub const fn without(self, bound: Bound) -> Self {
        Self(self.0 & !(1 << bound as u8))
    }

    /// What is in either.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether nothing is in it.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// What is in it.
    pub fn iter(self) -> impl Iterator<Item = Bound> {
        Bound::WORDS.iter().map(|(_, bound)| *bound).filter(move |it| self.0 & 1 << *it as u8 != 0)
    }

    const fn with_if(self, bound: Bound, is: bool) -> Self {
        if is { self.with(bound) } else { self }
    }
}

/// The words with commas between.
impl fmt::Display for BoundSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, bound) in self.iter().enumerate() {
            write!(f, "{}`{}`", if index == 0 { "" } else { ", " }, bound.as_str())?;
        }
        Ok(())
    }
}

// === impl WhenInfeasible ===

impl WhenInfeasible {
    /// Whether this bound may be given up at all.
    pub fn relaxes(&self, bound: Bound) -> bool {
        self.then == Then::Best || self.relax.contains(&bound)
    }

    /// How many steps must be taken until an endpoint that breaks these bounds may serve: 0 for one
    /// that breaks none, `None` for one that may never.
    pub fn steps(&self, broken: BoundSet) -> Option<u8> {
        let mut left = broken;
        let mut steps = 0;
        for bound in &self.relax {
            if left.is_empty() {
                return Some(steps);
            }
            left = left.without(*bound);
            steps += 1;
        }
        match self.then {
            _ if left.is_empty() => Some(steps),
            Then::Best => Some(steps + 1),
            Then::Reject => None,
        }
    }
}

/// Speed and errors are relaxed, the most hopeful guess first; money is not.
impl Default for WhenInfeasible {
    fn default() -> Self {
        let relax = vec![Bound::P95Ttft, Bound::Latency, Bound::MinTps, Bound::ErrorRate];
        Self { relax, then: Then::Reject }
    }
}

impl Then {
    /// Each resort with the word for it.
    pub const WORDS: &'static [(&'static str, Self)] =
        &[("reject", Self::Reject), ("best", Self::Best)];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bound_has_its_own_word() {
        for (word, bound) in Bound::WORDS {
            assert_eq!(bound.as_str(), *word);
        }
    }

    #[test]
    fn bounds_are_relaxed_in_the_stated_order() {
        let rules =
            WhenInfeasible { relax: vec![Bound::Latency, Bound::P95Ttft], then: Then::Reject };
        let only = |bound| BoundSet::default().with(bound);
        assert_eq!(rules.steps(BoundSet::default()), Some(0));
        assert_eq!(rules.steps(only(Bound::Latency)), Some(1));
        assert_eq!(rules.steps(only(Bound::P95Ttft)), Some(2));
        assert_eq!(rules.steps(only(Bound::MaxPriceIn)), None);
        let best = WhenInfeasible { then: Then::Best, ..rules };
        assert_eq!(best.steps(only(Bound::MaxPriceIn)), Some(3));
    }

    #[test]
    fn by_default_money_is_not_relaxed() {
        let rules = WhenInfeasible::default();
        for (_, bound) in Bound::WORDS {
            let relaxable = rules.steps(BoundSet::default().with(*bound)).is_some();
            assert_eq!(relaxable, !matches!(bound, Bound::MaxPriceIn | Bound::MaxPriceOut));
        }
    }
}
