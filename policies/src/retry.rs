//! After a failure: try the same endpoint again, go elsewhere, or give up.
//!
//! This decides; `gateway/src/pipeline/dispatch.rs` does.

use std::time::Duration;

use isthmus_inference::failure::{Failure, Retry};

use crate::allowance::Allowance;
use crate::moment::Moment;

/// How patient the house is with one endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryRules {
    /// The most tries at one endpoint, the first included; at least 1.
    pub attempts: u32,
    /// The wait before the second try; doubles with each further one.
    pub base: Duration,
    /// The longest wait; an endpoint that asks for more is left alone.
    pub longest: Duration,
}

/// Where an exchange stands after a failed attempt.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Attempts made at this endpoint so far, the failed one included.
    pub attempts_here: u32,
    /// Whether the plan has another endpoint.
    pub has_alternative: bool,
    /// What is left of the caller's deadline.
    pub time_left: Duration,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The same endpoint, after a wait.
    Again {
        /// How long to wait.
        after: Duration,
    },
    /// The next endpoint of the plan, at once.
    Elsewhere,
    /// Tell the caller.
    GiveUp,
}

/// A wait this short is cheaper than moving to the second choice.
const WORTH_WAITING: Duration = Duration::from_millis(250);

impl Default for RetryRules {
    fn default() -> Self {
        Self { attempts: 3, base: Duration::from_millis(100), longest: Duration::from_secs(10) }
    }
}

impl RetryRules {
    /// Decides. `dice` is uniform in `0.0..1.0` and spreads the retries of callers that failed
    /// together ("full jitter" over the upper half of the back-off).
    pub fn next(&self, progress: Progress, failure: &Failure, dice: f64) -> Next {
        if progress.time_left.is_zero() {
            return Next::GiveUp;
        }
        let elsewhere = if progress.has_alternative { Next::Elsewhere } else { Next::GiveUp };
        match failure.retry {
            Retry::Never => Next::GiveUp,
            Retry::Elsewhere => elsewhere,
            Retry::Later => {
                let after = self.wait(progress.attempts_here, failure.retry_after, dice);
                let hopeless = progress.attempts_here >= self.attempts
                    || after > self.longest
                    || after >= progress.time_left;
                let better_elsewhere = progress.has_alternative && after > WORTH_WAITING;
                if hopeless || better_elsewhere { elsewhere } else { Next::Again { after } }
            }
        }
    }

    /// The same within what all requests of a pool may have in retries together, which keeps a sick
    /// upstream from being asked several times as often as a healthy one. Going elsewhere is no
    /// retry: it burdens somebody who is well.
    pub fn next_within(
        &self,
        allowance: &mut Allowance,
        now: Moment,
        progress: Progress,
        failure: &Failure,
        dice: f64,
    ) -> Next {
        match self.next(progress, failure, dice) {
            Next::Again { .. } if !allowance.take(now) => {
                if progress.has_alternative {
                    Next::Elsewhere
                } else {
                    Next::GiveUp
                }
            }
            next => next,
        }
    }

    /// What the endpoint asked for, or else the back-off; never less than was asked for.
    fn wait(&self, attempts_here: u32, asked: Option<Duration>, dice: f64) -> Duration {
        let doubled = self.base.saturating_mul(1 << attempts_here.saturating_sub(1).min(16));
        let jittered = doubled.min(self.longest).mul_f64(0.5 + dice.clamp(0.0, 1.0) / 2.0);
        asked.map_or(jittered, |asked| asked.max(jittered))
    }
}

#[cfg(test)]
mod tests {
    use isthmus_inference::failure::Kind;
    use proptest::prelude::*;

    use super::*;
    use crate::allowance::Share;

    const AMPLE: Duration = Duration::from_secs(60);

    fn next(failure: &Failure, attempts_here: u32, has_alternative: bool) -> Next {
        let progress = Progress { attempts_here, has_alternative, time_left: AMPLE };
        RetryRules::default().next(progress, failure, 0.5)
    }

    #[test]
    fn the_callers_mistake_is_not_tried_again() {
        let failure = Failure::invalid("messages", "wrong");
        assert_eq!(next(&failure, 1, true), Next::GiveUp);
    }

    #[test]
    fn a_refused_credential_is_tried_elsewhere_or_not_at_all() {
        let failure = Failure::new(Kind::UpstreamAuth, "no");
        assert_eq!(next(&failure, 1, true), Next::Elsewhere);
        assert_eq!(next(&failure, 1, false), Next::GiveUp);
    }

    #[test]
    fn a_sick_endpoint_gets_its_tries_then_the_next_one_its_turn() {
        let failure = Failure::new(Kind::ProviderError, "500");
        assert!(matches!(next(&failure, 1, true), Next::Again { .. }));
        assert!(matches!(next(&failure, 2, true), Next::Again { .. }));
        assert_eq!(next(&failure, 3, true), Next::Elsewhere);
        assert_eq!(next(&failure, 3, false), Next::GiveUp);
    }

    #[test]
    fn retry_after_is_honoured_or_the_endpoint_left_alone() {
        let failure = |seconds| {
            Failure::new(Kind::RateLimited, "429").with_retry_after(Duration::from_secs(seconds))
        };
        assert_eq!(next(&failure(2), 1, false), Next::Again { after: Duration::from_secs(2) });
        assert_eq!(next(&failure(2), 1, true), Next::Elsewhere, "do not wait when another is free");
        assert_eq!(next(&failure(11), 1, false), Next::GiveUp);
    }

    #[test]
    fn nobody_waits_beyond_the_deadline() {
        let failure =
            Failure::new(Kind::RateLimited, "429").with_retry_after(Duration::from_secs(2));
        let time_left = Duration::from_secs(1);
        let progress = Progress { attempts_here: 1, has_alternative: false, time_left };
        assert_eq!(RetryRules::default().next(progress, &failure, 0.5), Next::GiveUp);
    }

    #[test]
    fn without_allowance_nobody_is_tried_again_and_others_still_are() {
        let failure = Failure::new(Kind::ProviderError, "500");
        for (has_alternative, instead) in [(true, Next::Elsewhere), (false, Next::GiveUp)] {
            let mut allowance = Allowance::new(Share { of_requests: 0.0, at_least: 2 });
            let progress = Progress { attempts_here: 1, has_alternative, time_left: AMPLE };
            let mut next = || {
                let rules = RetryRules::default();
                rules.next_within(&mut allowance, Moment::START, progress, &failure, 0.5)
            };
            assert!(matches!([next(), next()], [Next::Again { .. }, Next::Again { .. }]));
            assert_eq!(next(), instead);
        }
    }

    proptest! {
        #[test]
        fn a_wait_is_within_bounds(attempts_here in 1u32..40, dice in 0.0f64..1.0, asked in proptest::option::of(0u64..20)) {
            let rules = RetryRules { attempts: 50, ..RetryRules::default() };
            let mut failure = Failure::new(Kind::ProviderError, "500");
            failure.retry_after = asked.map(Duration::from_secs);
            let progress = Progress { attempts_here, has_alternative: false, time_left: AMPLE };
            if let Next::Again { after } = rules.next(progress, &failure, dice) {
                prop_assert!(after <= rules.longest);
                prop_assert!(after >= failure.retry_after.unwrap_or_default());
            } else {
                prop_assert!(asked.is_some_and(|asked| Duration::from_secs(asked) > rules.longest));
            }
        }
    }
}
