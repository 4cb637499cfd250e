//! Why a day cost what it did, against the average of others. Cost is requests × tokens a request × what
//! tokens these are × what each costs; one after another is set from usual to actual, and what each step
//! changes is its part. The steps end at the actual cost, so the parts add up exactly.

use std::collections::BTreeMap;

use isthmus_inference::meter::Meter;
use isthmus_inference::money::Money;

use super::PriceOf;
use crate::books::Bucket;
use crate::sheet::number::divide;

/// What a day, or several, amounted to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Day {
    /// How many days these are; one, unless said otherwise.
    pub days: u64,
    /// Exchanges.
    pub requests: u64,
    /// What they cost.
    pub cost: Money,
    /// Tokens and their cost, by endpoint and kind of token.
    kinds: BTreeMap<(String, Option<Meter>), (u64, Money)>,
}

/// The parts of a difference.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Parts {
    /// More requests, or fewer.
    pub volume: Money,
    /// Longer ones.
    pub tokens: Money,
    /// Other endpoints, other kinds of tokens.
    pub mix: Money,
    /// Other prices of the same.
    pub price: Money,
}

// === impl Day ===

impl Day {
    /// Adds a bucket. Where the price is known, its cost is told by the kind of token.
    pub fn add(&mut self, bucket: &Bucket, price_of: PriceOf<'_>) {
        let sums = &bucket.sums;
        self.requests += sums.requests;
        self.cost += sums.cost;
        let mut rest = (sums.usage.total(), sums.cost);
        if let Some(price) = price_of(&bucket.of.price) {
            for charge in price.charges(&sums.usage) {
                if charge.meter == Meter::Request {
                    continue;
                }
                self.count(bucket, Some(charge.meter), charge.quantity, charge.cost);
                rest = (rest.0 - charge.quantity, rest.1 - charge.cost);
            }
        }
        if rest != (0, Money::ZERO) {
            self.count(bucket, None, rest.0, rest.1);
        }
    }

    fn count(&mut self, bucket: &Bucket, meter: Option<Meter>, tokens: u64, cost: Money) {
        let kind = self.kinds.entry((bucket.of.endpoint.to_string(), meter)).or_default();
        kind.0 += tokens;
        kind.1 += cost;
    }

    fn tokens(&self) -> u64 {
        self.kinds.values().map(|(tokens, _)| tokens).sum()
    }
}

impl std::ops::AddAssign<&Self> for Day {
    fn add_assign(&mut self, other: &Self) {
        self.days += other.days;
        self.requests += other.requests;
        self.cost += other.cost;
        for (kind, (tokens, cost)) in &other.kinds {
            let sum = self.kinds.entry(kind.clone()).or_default();
            sum.0 += tokens;
            sum.1 += *cost;
        }
    }
}

// === impl Parts ===

impl Parts {
    /// The parts of the difference between a day and the average of usual ones.
    pub fn between(usual: &Day, day: &Day) -> Self {
        let days = i128::from(usual.days.max(1));
        let average = scaled(usual.cost, 1, days);
        // The usual cost of a request, times these requests; where there was none, nothing is known.
        let volume = match usual.requests {
            0 => average,
            requests => scaled(usual.cost, day.requests.into(), requests.into()),
        };
        let tokens = match usual.tokens() {
            0 => volume,
            tokens => scaled(usual.cost, day.tokens().into(), tokens.into()),
        };
        let mix = day.kinds.iter().map(|(kind, (count, cost))| match usual.kinds.get(kind) {
            Some((before, paid)) if *before > 0 && *count > 0 => {
                scaled(*paid, (*count).into(), (*before).into())
            }
            // What was not there before has no other price.
            _ => *cost,
        });
        let mix: Money = mix.sum();
        Self {
            volume: volume - average,
            tokens: tokens - volume,
            mix: mix - tokens,
            price: day.cost - mix,
        }
    }

    /// All of them together.
    pub fn difference(&self) -> Money {
        self.volume + self.tokens + self.mix + self.price
    }
}

fn scaled(cost: Money, times: i128, by: i128) -> Money {
    Money::from_pico_dollars(divide(cost.pico_dollars().saturating_mul(times), by))
}

#[cfg(test)]
mod tests {
    use isthmus_inference::usage::Usage;
    use proptest::prelude::*;

    use super::*;
    use crate::books::{Dimensions, Sums};

    fn bucket(endpoint: &str, requests: u64, tokens: u64, cost: i128) -> Bucket {
        let usage = Usage { text_output: tokens, ..Usage::default() };
        Bucket {
            hour: 0,
            of: Dimensions { endpoint: endpoint.into(), ..Dimensions::default() },
            sums: Sums { requests, usage, cost: Money::from_pico_dollars(cost), ..Sums::default() },
        }
    }

    fn day(days: u64, buckets: &[Bucket]) -> Day {
        let mut day = Day { days, ..Day::default() };
        buckets.iter().for_each(|bucket| day.add(bucket, &|_| None));
        day
    }

    #[test]
    fn each_part_is_what_it_says() {
        let usual = day(2, &[bucket("a", 20, 2000, 4_000_000)]);
        let parts = |buckets: &[Bucket]| {
            let Parts { volume, tokens, mix, price } = Parts::between(&usual, &day(1, buckets));
            [volume, tokens, mix, price].map(Money::pico_dollars)
        };
        assert_eq!(parts(&[bucket("a", 15, 1500, 3_000_000)]), [1_000_000, 0, 0, 0]);
        assert_eq!(parts(&[bucket("a", 10, 1500, 3_000_000)]), [0, 1_000_000, 0, 0]);
        assert_eq!(parts(&[bucket("a", 10, 1000, 3_000_000)]), [0, 0, 0, 1_000_000]);
        assert_eq!(parts(&[bucket("b", 10, 1000, 3_000_000)]), [0, 0, 1_000_000, 0]);
    }

    proptest! {
        #[test]
        fn parts_add_up_to_the_difference(
            usual in prop::collection::vec((0..3_u8, 0_u64..1000, 0_u64..100_000, 0_i128..1 << 60), 0..9),
            actual in prop::collection::vec((0..3_u8, 0_u64..1000, 0_u64..100_000, 0_i128..1 << 60), 0..9),
            days in 1_u64..9,
        ) {
            let of = |days, rows: &[(u8, u64, u64, i128)]| {
                let buckets: Vec<_> =
                    rows.iter().map(|(endpoint, r, t, c)| bucket(&endpoint.to_string(), *r, *t, *c)).collect();
                day(days, &buckets)
            };
            let (usual, actual) = (of(days, &usual), of(1, &actual));
            let average = scaled(usual.cost, 1, days.into());
            prop_assert_eq!(Parts::between(&usual, &actual).difference(), actual.cost - average);
        }
    }
}
