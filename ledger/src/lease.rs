//! Machines that are paid by the hour: what their hours cost, shared over the work that was done in them,
//! with what stood idle as a line of its own.
//!
//! An hour is cut into equal pieces of whole pico-dollars, and pieces are given out by largest remainder:
//! so shares are exact in dollars and in hours, and dollars are always hours × the price of an hour.

use isthmus_inference::money::Money;
use isthmus_inference::usage::Usage;

use crate::books::{Bucket, Hours};
use crate::sheet::number::divide;
use crate::sheet::{Cell, Column, Kind, Number, Sheet};

/// A lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The endpoint that the machine serves.
    pub endpoint: String,
    /// What an hour costs, to a millionth of a dollar.
    per_hour: Money,
    /// The hours that are paid.
    pub hours: Hours,
    /// What work is measured in.
    pub work: Work,
}

/// What work is measured in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Work {
    /// The time that attempts took. What is left of the hour, if they never overlapped, was idle.
    #[default]
    Time,
    /// Tokens of output, with ten of input for one, against what the machine makes in a second.
    Tokens(u32),
}

/// What one bucket has of an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// Part of the hour.
    pub hours: Number,
    /// Its dollars: exactly that part of what the hour costs.
    pub cost: Money,
}

/// One hour of a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedHour<'b> {
    /// Which.
    pub hour: i64,
    /// Who has which share of it.
    pub shares: Vec<(&'b Bucket, Share)>,
    /// What stood idle.
    pub idle: Share,
}

const ONE: i128 = 1_000_000_000_000;
/// An hour is priced to a millionth of a dollar, so that it has at least a million pieces.
const FINEST: i128 = 1_000_000;
const MILLISECONDS_AN_HOUR: u128 = 3_600_000;
const INPUT_PER_OUTPUT: u64 = 10;

// === impl Lease ===

impl Lease {
    /// A lease of an endpoint; the price of an hour is rounded to a millionth of a dollar.
    pub fn new(endpoint: impl Into<String>, per_hour: Money, hours: Hours, work: Work) -> Self {
        let rounded = divide(per_hour.pico_dollars(), FINEST) * FINEST;
        let per_hour = Money::from_pico_dollars(rounded.max(0));
        Self { endpoint: endpoint.into(), per_hour, hours, work }
    }

    /// What an hour costs.
    pub fn per_hour(&self) -> Money {
        self.per_hour
    }

    /// Its hours within a period, each shared over the buckets of its endpoint.
    pub fn shared<'b>(&self, buckets: &'b [Bucket], period: Hours) -> Vec<SharedHour<'b>> {
        let mine: Vec<_> = buckets
            .iter()
            .filter(|bucket| *bucket.of.endpoint == *self.endpoint && !bucket.of.correction)
            .collect();
        let (from, to) = (self.hours.from.max(period.from), self.hours.to.min(period.to));
        let mut by_hour = std::collections::BTreeMap::<i64, Vec<&Bucket>>::new();
        for bucket in mine {
            by_hour.entry(bucket.hour).or_default().push(bucket);
        }
        (from..to).map(|hour| self.share(hour, by_hour.remove(&hour).unwrap_or_default())).collect()
    }

    fn share<'b>(&self, hour: i64, buckets: Vec<&'b Bucket>) -> SharedHour<'b> {
        let mut work: Vec<_> = buckets.iter().map(|bucket| self.work.of(bucket)).collect();
        let done: u128 = work.iter().sum();
        // Work beyond the hour (attempts side by side) means that nothing of it was idle.
        work.push(self.work.of_an_hour().saturating_sub(done));
        let pieces = gcd(self.per_hour.pico_dollars(), ONE);
        let mut shares = largest_remainder(pieces, &work).into_iter().map(|count| Share {
            hours: Number::from_units(ONE / pieces * count),
            cost: Money::from_pico_dollars(self.per_hour.pico_dollars() / pieces * count),
        });
        let mut used: Vec<_> = buckets.into_iter().zip(&mut shares).collect();
        used.retain(|(_, share)| share.hours != Number::ZERO);
        let idle = shares.next().unwrap_or(Share { hours: Number::ZERO, cost: Money::ZERO });
        SharedHour { hour, shares: used, idle }
    }
}

// === impl Work ===

impl Work {
    fn of(self, bucket: &Bucket) -> u128 {
        match self {
            Self::Time => bucket.sums.took_ms.into(),
            Self::Tokens(_) => weighted(&bucket.sums.usage),
        }
    }

    fn of_an_hour(self) -> u128 {
        match self {
            Self::Time => MILLISECONDS_AN_HOUR,
            Self::Tokens(a_second) => u128::from(a_second) * 3600 * u128::from(INPUT_PER_OUTPUT),
        }
    }
}

/// Tokens in tenths of one of output.
fn weighted(usage: &Usage) -> u128 {
    u128::from(usage.input()) + u128::from(usage.output()) * u128::from(INPUT_PER_OUTPUT)
}

/// Gives out pieces in proportion to weights, each share at most one piece off; all of them, if any weight
/// is above nothing.
pub fn largest_remainder(pieces: i128, weights: &[u128]) -> Vec<i128> {
    let sum: u128 = weights.iter().sum();
    if sum == 0 {
        return vec![0; weights.len()];
    }
    // Weights of more than 64 bits would not multiply; their last bits do not matter.
    let shift = (128 - sum.leading_zeros()).saturating_sub(64);
    let weights: Vec<_> = weights.iter().map(|weight| weight >> shift).collect();
    let sum: u128 = weights.iter().sum::<u128>().max(1);
    let product = |weight: u128| pieces.unsigned_abs() * weight;
    let mut shares: Vec<_> = weights.iter().map(|it| (product(*it) / sum) as i128).collect();
    let mut order: Vec<_> = (0..weights.len()).collect();
    // Of equal remainders the first wins, so that the same books always tell the same.
    order.sort_by_key(|at| std::cmp::Reverse(product(weights[*at]) % sum));
    let left = pieces - shares.iter().sum::<i128>();
    order.into_iter().take(usize::try_from(left).unwrap_or(0)).for_each(|at| shares[at] += 1);
    shares
}

fn gcd(one: i128, other: i128) -> i128 {
    if other == 0 { one.max(1) } else { gcd(other, one % other) }
}

/// The report: what leases cost, how much of it was used, and what a million tokens come to, as things
/// are and at 70 % use, which is what compares with a price by the token.
pub fn leases(leases: &[Lease], buckets: &[Bucket], period: Hours) -> Sheet {
    let row = |lease: &Lease| {
        let hours = lease.shared(buckets, period);
        let cost: Money = hours.iter().map(|_| lease.per_hour()).sum();
        let idle: Money = hours.iter().map(|hour| hour.idle.cost).sum();
        let used = cost - idle;
        let worked = hours.iter().flat_map(|hour| &hour.shares);
        let tokens: u64 = worked.map(|(bucket, _)| bucket.sums.usage.total()).sum();
        let per_million = |cost: i128, tokens: i128| {
            (tokens > 0).then(|| Number::from_units(divide(cost * 1_000_000, tokens)))
        };
        vec![
            lease.endpoint.as_str().into(),
            Cell::Money(lease.per_hour()),
            Cell::Count(hours.len() as u64),
            Cell::Money(cost),
            Cell::Money(idle),
            Cell::number(Number::percent(used, cost)),
            Cell::Count(tokens),
            Cell::number(per_million(cost.pico_dollars(), tokens.into())),
            Cell::number(per_million(used.pico_dollars() * 10, i128::from(tokens) * 7)),
        ]
    };
    Sheet {
        title: "Leases".into(),
        columns: vec![
            Column::new("endpoint", "Endpoint", Kind::Text),
            Column::new("usd_per_hour", "$ / hour", Kind::Money),
            Column::new("hours", "Hours", Kind::Count),
            Column::new("cost_usd", "Cost $", Kind::Money),
            Column::new("idle_usd", "Idle $", Kind::Money),
            Column::new("used_percent", "Used %", Kind::Number(1)),
            Column::new("tokens", "Tokens", Kind::Count),
            Column::new("usd_per_1m_tokens", "$ / 1M", Kind::Number(4)),
            Column::new("usd_per_1m_tokens_at_70_percent", "at 70 %", Kind::Number(4)),
        ],
        rows: leases.iter().map(row).collect(),
        total: None,
        notes: vec![
            "An hour is shared over its work by largest remainder; what no work took was idle."
                .into(),
        ],
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::books::{Dimensions, Sums};
    use crate::sheet::json;

    fn bucket(hour: i64, took_ms: u64, tokens: u64) -> Bucket {
        let usage = Usage { text_output: tokens, ..Usage::default() };
        Bucket {
            hour,
            of: Dimensions { endpoint: "gpu".into(), ..Dimensions::default() },
            sums: Sums { took_ms, usage, attempts: 1, ..Sums::default() },
        }
    }

    const HOURS: Hours = Hours { from: 10, to: 12 };

    fn lease(per_hour: Money) -> Lease {
        Lease::new("gpu", per_hour, HOURS, Work::Time)
    }

    #[test]
    fn what_nobody_used_was_idle() {
        let buckets = [bucket(10, 900_000, 1000), bucket(10, 900_000, 1000), bucket(99, 1, 1)];
        let all = Hours { from: 0, to: 100 };
        let lease = lease("2".parse().unwrap());
        let hours = lease.shared(&buckets, all);
        assert_eq!(hours.len(), 2);
        assert_eq!(hours[0].shares[0].1.cost.to_string(), "0.50");
        assert_eq!(hours[0].idle.hours.to_string(), "0.5");
        assert_eq!((hours[1].shares.len(), hours[1].idle.cost.to_string()), (0, "2.00".into()));
        let row = &json::value(&leases(&[lease], &buckets, all))["rows"][0];
        assert_eq!((&row["idle_usd"], &row["used_percent"]), (&"3.00".into(), &"25.0".into()));
        assert_eq!(row["usd_per_1m_tokens"], "2000.0");
        assert_eq!(row["usd_per_1m_tokens_at_70_percent"], "714.285714285714");
    }

    proptest! {
        #[test]
        fn shares_are_exact(
            per_hour in 0_i128..1 << 70,
            work in prop::collection::vec(0_u64..10_000_000, 0..20),
        ) {
            let lease = lease(Money::from_pico_dollars(per_hour));
            let buckets: Vec<_> = work.iter().map(|took| bucket(10, *took, 5)).collect();
            let hours = lease.shared(&buckets, Hours { from: 10, to: 11 });
            let shares: Vec<_> = hours[0].shares.iter().map(|(_, share)| *share).chain([hours[0].idle]).collect();
            let sum: Money = shares.iter().map(|share| share.cost).sum();
            prop_assert_eq!(sum, lease.per_hour());
            if per_hour >= FINEST {
                prop_assert_eq!(shares.iter().map(|share| share.hours.units()).sum::<i128>(), ONE);
            }
            for share in shares {
                let product = share.hours.units() * lease.per_hour().pico_dollars();
                prop_assert_eq!(product, share.cost.pico_dollars() * ONE);
            }
        }

        #[test]
        fn pieces_follow_weights(pieces in 0_i128..1 << 60, weights in prop::collection::vec(0_u128..1 << 80, 1..20)) {
            let shares = largest_remainder(pieces, &weights);
            let sum: u128 = weights.iter().sum();
            prop_assert_eq!(shares.iter().sum::<i128>(), if sum == 0 { 0 } else { pieces });
            for (share, weight) in shares.iter().zip(&weights) {
                if *weight == 0 { prop_assert!(*share <= 1); }
            }
        }
    }
}
