//! When a second copy of a request is sent because the first is slow (Dean and Barroso, "The tail at
//! scale", 2013), and how much of that is affordable: the loser's prompt is paid for too.

use std::time::Duration;

use isthmus_inference::money::Money;

use crate::allowance::{Allowance, Share};
use crate::lease;
use crate::live::{LiveView, Quantile};
use crate::moment::Moment;

/// When second copies are sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HedgeRules {
    /// How long the first copy is waited for.
    pub after: HedgeAfter,
    /// How much second copies may cost, as a share of what all requests are expected to cost, in
    /// percent.
    pub max_extra_cost_percent: f64,
}

/// How long the first copy is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HedgeAfter {
    /// As long as this share of its endpoint's first tokens take, for prompts of this size.
    Quantile(Quantile),
    /// Always so long.
    Fixed(Duration),
}

/// A second copy that may be sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hedge {
    /// How long after the first copy, unless its first token has come.
    pub after: Duration,
    /// To which endpoint; policy permits it for a hedge.
    pub partner: usize,
    /// What the loser is expected to cost.
    pub extra_cost: Money,
}

/// What may still be spent on second copies of one pool's requests.
#[derive(Debug, Clone)]
pub struct HedgeBudget {
    /// In thousandths of a pico-dollar, so that a share of a small cost is not lost.
    balance: i128,
    /// Second copies may not become a second load either, however cheap they are.
    copies: Allowance,
}

/// Where nothing else is written.
pub const DEFAULT_MAX_EXTRA_COST_PERCENT: f64 = 2.0;

/// At most the earnings of so many requests like the last one are kept.
const KEPT: i128 = 1000;

/// One request in ten may have a second copy, and a few in any case.
const COPIES: Share = Share { of_requests: 0.1, at_least: 2 };

// === impl HedgeAfter ===

impl HedgeAfter {
    /// How long that is for an endpoint that fares so.
    pub fn delay(self, live: &LiveView) -> Duration {
        match self {
            Self::Fixed(delay) => delay,
            Self::Quantile(quantile) => {
                let seconds = live.ttft.at(quantile) + lease::waiting(live.queue);
                Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
            }
        }
    }
}

// === impl HedgeBudget ===

impl HedgeBudget {
    /// Nothing saved yet.
    pub fn new() -> Self {
        Self { balance: 0, copies: Allowance::new(COPIES) }
    }

    /// A request is sent that is expected to cost so much.
    pub fn earn(&mut self, now: Moment, rules: &HedgeRules, expected_cost: Option<Money>) {
        self.copies.request(now);
        let cost = expected_cost.unwrap_or(Money::ZERO).pico_dollars();
        // Percent in hundredths, so that the product is whole: 1/10,000 of it, times 1000.
        let share = (rules.max_extra_cost_percent * 100.0).round() as i128;
        let earned = cost.saturating_mul(share) / 10;
        self.balance =
            self.balance.saturating_add(earned).min(earned.saturating_mul(KEPT).max(self.balance));
    }

    /// Whether this second copy may be sent; if so, it is paid for.
    pub fn spend(&mut self, now: Moment, hedge: &Hedge) -> bool {
        let cost = hedge.extra_cost.pico_dollars().saturating_mul(1000);
        let affordable = cost <= self.balance && self.copies.take(now);
        if affordable {
            self.balance -= cost;
        }
        affordable
    }
}

impl Default for HedgeBudget {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hedge(extra_cost: i128) -> Hedge {
        let extra_cost = Money::from_pico_dollars(extra_cost);
        Hedge { after: Duration::ZERO, partner: 0, extra_cost }
    }

    const RULES: HedgeRules = HedgeRules {
        after: HedgeAfter::Quantile(Quantile::P95),
        max_extra_cost_percent: DEFAULT_MAX_EXTRA_COST_PERCENT,
    };

    #[test]
    fn the_fiftieth_request_pays_for_a_second_copy() {
        let mut budget = HedgeBudget::new();
        let now = Moment::START;
        for _ in 0..49 {
            budget.earn(now, &RULES, Some(Money::from_pico_dollars(1000)));
            assert!(!budget.spend(now, &hedge(1000)));
        }
        budget.earn(now, &RULES, Some(Money::from_pico_dollars(1000)));
        assert!(budget.spend(now, &hedge(1000)));
        assert!(!budget.spend(now, &hedge(1)));
    }

    #[test]
    fn what_costs_nothing_is_bounded_too() {
        let mut budget = HedgeBudget::new();
        let mut sent = 0;
        for _ in 0..1000 {
            budget.earn(Moment::START, &RULES, None);
            sent += usize::from(budget.spend(Moment::START, &hedge(0)));
        }
        assert!((90..=102).contains(&sent), "{sent}");
    }

    proptest! {
        #[test]
        fn second_copies_never_cost_more_than_their_share(
            requests in proptest::collection::vec((0i128..1_000_000_000, 0i128..1_000_000_000), 1..300),
        ) {
            let mut budget = HedgeBudget::new();
            let (mut all, mut extra) = (0, 0);
            for (second, (cost, more)) in requests.into_iter().enumerate() {
                let now = Moment::after_start(Duration::from_secs(second as u64));
                budget.earn(now, &RULES, Some(Money::from_pico_dollars(cost)));
                all += cost;
                extra += if budget.spend(now, &hedge(more)) { more } else { 0 };
                prop_assert!(extra * 100 <= all * 2);
            }
        }
    }
}
