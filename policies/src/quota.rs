//! What the operator lets an endpoint have per minute, in requests and in tokens.
//!
//! The generic cell rate algorithm (ITU-T I.371): a leaky bucket kept as one moment, the one at
//! which all that was taken will have been earned.

use std::num::NonZeroU64;
use std::time::Duration;

use crate::moment::Moment;

/// So many units per minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PerMinute {
    limit: NonZeroU64,
    /// When what was taken will have been earned.
    earned_at: Moment,
}

/// How far ahead of what is earned one may take. Within any minute 5 % more than the limit can
/// pass then; an upstream's own window is no more exact.
const AHEAD: Duration = Duration::from_secs(3);

const NANOS_PER_MINUTE: u128 = 60_000_000_000;

impl PerMinute {
    /// A full bucket.
    pub const fn new(limit: NonZeroU64) -> Self {
        Self { limit, earned_at: Moment::START }
    }

    /// When something may be taken again. One may take more than has been earned, once: else a
    /// request larger than the bucket would never pass.
    pub const fn free_at(&self) -> Moment {
        Moment::from_nanos(self.earned_at.nanos().saturating_sub(AHEAD.as_nanos() as u64))
    }

    /// Takes so many units. Ask [`Self::free_at`] before.
    pub fn take(&mut self, now: Moment, units: u64) {
        self.earned_at = self.earned_at.max(now) + self.time_for(units);
    }

    /// Corrects what was taken, once the true number is known.
    pub fn correct(&mut self, taken: u64, true_number: u64) {
        let nanos = |units| u64::try_from(self.time_for(units).as_nanos()).unwrap_or(u64::MAX);
        let earned_at =
            self.earned_at.nanos().saturating_sub(nanos(taken)).saturating_add(nanos(true_number));
        self.earned_at = Moment::from_nanos(earned_at);
    }

    /// How long it takes to earn so many units.
    fn time_for(&self, units: u64) -> Duration {
        let nanos = u128::from(units) * NANOS_PER_MINUTE / u128::from(self.limit.get());
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_request_larger_than_the_bucket_passes_once() {
        let mut tokens = PerMinute::new(NonZeroU64::new(60_000).unwrap());
        let now = Moment::after_start(Duration::from_secs(100));
        assert!(tokens.free_at() <= now);
        tokens.take(now, 100_000);
        assert_eq!(tokens.free_at().since(now), Duration::from_secs(97));
        tokens.correct(100_000, 10_000);
        assert_eq!(tokens.free_at().since(now), Duration::from_secs(7));
    }

    proptest! {
        #[test]
        fn no_minute_passes_much_more_than_the_limit(
            limit in 20u64..5_000,
            gaps in proptest::collection::vec(0u64..2_000, 1..2_000),
        ) {
            let mut requests = PerMinute::new(NonZeroU64::new(limit).unwrap());
            let mut now = Moment::after_start(Duration::from_secs(60));
            let mut passed = vec![];
            for gap in gaps {
                now = now + Duration::from_millis(gap);
                if requests.free_at() <= now {
                    requests.take(now, 1);
                    passed.push(now);
                }
            }
            for (first, start) in passed.iter().enumerate() {
                let within = passed[first..].iter().take_while(|at| at.since(*start) < Duration::from_secs(60));
                prop_assert!(within.count() as f64 <= limit as f64 * 1.05 + 2.0);
            }
        }
    }
}
