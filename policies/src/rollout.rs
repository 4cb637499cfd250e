//! A new policy's way from a few keys to all of them, or back.
//!
//! While a candidate is on trial, every question is put to both sides; a key always falls on the
//! same one, by its hash. What counts against the candidate is a request that it would leave
//! without any endpoint and the policy in force would not, whichever side the request fell on, so
//! that a trial with one key in a hundred still sees all of the traffic.

use std::time::Duration;

/// How a change of policy comes into force.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RolloutRules {
    /// The share of keys that the candidate decides for while it is on trial, in percent, 0 to 100.
    pub percent: u8,
    /// How long the trial lasts.
    pub hold: Duration,
    /// The most requests in a hundred that the candidate alone may leave without an endpoint.
    pub most_newly_denied_percent: f64,
    /// How many requests must have been judged before that share means anything.
    pub least_requests: u64,
}

/// Who decides for a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The policy in force.
    Live,
    /// The one on trial.
    Candidate,
}

/// What the trial has seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Requests that both sides judged.
    pub judged: u64,
    /// Those that the candidate alone leaves without an endpoint.
    pub newly_denied: u64,
    /// Those that the policy in force alone leaves without an endpoint.
    pub newly_allowed: u64,
    /// Those for which the two permit different endpoints.
    pub changed: u64,
}

/// What becomes of the trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It goes on.
    Hold,
    /// The candidate comes into force for everyone.
    Promote,
    /// The candidate is withdrawn.
    RollBack,
}

/// How two answers to one question differ, for the endpoints that the request could use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Comparison {
    /// Whether the policy in force permits any endpoint.
    pub live_permits: bool,
    /// Whether the candidate does.
    pub candidate_permits: bool,
    /// Whether they permit the same ones.
    pub same: bool,
}

// === impl RolloutRules ===

impl RolloutRules {
    /// Who decides for the key with this hash.
    pub fn side(&self, key_hash: u64) -> Side {
        if key_hash % 100 < u64::from(self.percent) { Side::Candidate } else { Side::Live }
    }

    /// Decides, after the trial has lasted so long. The guard speaks first: a candidate that denies
    /// too much is withdrawn even in its last moment.
    pub fn step(&self, tally: &Tally, lasted: Duration) -> Step {
        let meaningful = tally.judged >= self.least_requests.max(1);
        if meaningful && tally.newly_denied_percent() > self.most_newly_denied_percent {
            Step::RollBack
        } else if lasted >= self.hold {
            Step::Promote
        } else {
            Step::Hold
        }
    }
}

impl Default for RolloutRules {
    /// At once for everyone: a tightening that waits would leave open what it closes. The guard
    /// still has a moment in which to speak if `hold` is set.
    fn default() -> Self {
        Self {
            percent: 100,
            hold: Duration::ZERO,
            most_newly_denied_percent: 5.0,
            least_requests: 100,
        }
    }
}

// === impl Tally ===

impl Tally {
    /// Counts one request.
    pub fn count(&mut self, comparison: Comparison) {
        let Comparison { live_permits, candidate_permits, same } = comparison;
        self.judged += 1;
        self.newly_denied += u64::from(live_permits && !candidate_permits);
        self.newly_allowed += u64::from(!live_permits && candidate_permits);
        self.changed += u64::from(!same);
    }

    /// In a hundred of those judged; 0 before the first.
    pub fn newly_denied_percent(&self) -> f64 {
        self.newly_denied as f64 * 100.0 / self.judged.max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RULES: RolloutRules = RolloutRules {
        percent: 10,
        hold: Duration::from_mins(10),
        most_newly_denied_percent: 1.0,
        least_requests: 100,
    };

    fn tally(judged: u64, newly_denied: u64) -> Tally {
        Tally { judged, newly_denied, ..Tally::default() }
    }

    #[test]
    fn a_quiet_trial_ends_in_force() {
        assert_eq!(RULES.step(&tally(1000, 10), Duration::from_mins(9)), Step::Hold);
        assert_eq!(RULES.step(&tally(1000, 10), RULES.hold), Step::Promote);
        assert_eq!(RULES.step(&Tally::default(), RULES.hold), Step::Promote, "without traffic too");
    }

    #[test]
    fn one_that_denies_too_much_is_withdrawn_even_at_its_end() {
        assert_eq!(RULES.step(&tally(1000, 11), Duration::ZERO), Step::RollBack);
        assert_eq!(RULES.step(&tally(1000, 11), RULES.hold), Step::RollBack);
    }

    #[test]
    fn few_requests_mean_nothing_yet() {
        assert_eq!(RULES.step(&tally(99, 99), Duration::ZERO), Step::Hold);
    }

    #[test]
    fn what_differs_is_counted_by_what_the_caller_would_feel() {
        let mut tally = Tally::default();
        for (live_permits, candidate_permits, same) in
            [(true, false, false), (false, true, false), (true, true, false), (true, true, true)]
        {
            tally.count(Comparison { live_permits, candidate_permits, same });
        }
        assert_eq!(tally, Tally { judged: 4, newly_denied: 1, newly_allowed: 1, changed: 3 });
        assert!((tally.newly_denied_percent() - 25.0).abs() < f64::EPSILON);
    }

    proptest! {
        #[test]
        fn a_larger_share_keeps_the_keys_that_it_had(hash: u64, less in 0u8..=100, more in 0u8..=100) {
            let (less, more) = (less.min(more), less.max(more));
            let with = |percent| RolloutRules { percent, ..RULES }.side(hash);
            prop_assert!(with(less) == Side::Live || with(more) == Side::Candidate);
            prop_assert_eq!(with(0), Side::Live);
            prop_assert_eq!(with(100), Side::Candidate);
        }
    }
}
