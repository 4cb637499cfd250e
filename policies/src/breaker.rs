//! Whether an endpoint is well enough to be asked: a circuit breaker.
//!
//! Closed while it is well. Open after too many failures in a row or too large a share of them; each
//! time it opens again it stays so for twice as long. Then half-open: one attempt at a time shows
//! whether it has recovered. Being asked to wait (429) is no sickness, and is kept apart
//! ([`crate::monitor`]).

use std::time::Duration;

use crate::moment::Moment;

/// Health of one endpoint.
#[derive(Debug, Clone, Copy)]
pub struct Breaker {
    state: State,
    /// Failures without a success between.
    in_a_row: u32,
    /// How often it opened without having been well for a while since.
    openings: u32,
    /// When it last closed.
    closed_at: Moment,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed,
    Open {
        until: Moment,
    },
    /// Half-open; until this moment a probe is waited for.
    Probing {
        until: Moment,
    },
}

/// The state in a word, for metrics and pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    /// Well.
    Closed,
    /// Left alone.
    Open,
    /// May be tried, by one at a time.
    HalfOpen,
}

/// Failures in a row that open it (Envoy's default for outliers).
const IN_A_ROW: u32 = 5;
/// The share of failures that opens it,
const SHARE: f64 = 0.5;
/// once so many attempts back it.
const ENOUGH: f64 = 20.0;
/// How long it stays open the first time.
const FIRST_OPEN: Duration = Duration::from_secs(5);
/// How long it stays open at most.
const LONGEST_OPEN: Duration = Duration::from_mins(1);
/// A probe that is not heard of for so long is taken for lost, and another may be sent.
const PROBE: Duration = Duration::from_secs(30);
/// Well for so long, its past is forgiven.
const FORGIVEN: Duration = Duration::from_mins(5);

// === impl Breaker ===

impl Breaker {
    /// An endpoint that never failed.
    pub const fn new() -> Self {
        Self { state: State::Closed, in_a_row: 0, openings: 0, closed_at: Moment::START }
    }

    /// When it lets somebody pass: in the past if it does so now.
    pub const fn opens_at(&self) -> Moment {
        match self.state {
            State::Closed => Moment::START,
            State::Open { until } | State::Probing { until } => until,
        }
    }

    /// What state it is in.
    pub fn state(&self, now: Moment) -> BreakerState {
        match self.state {
            State::Closed => BreakerState::Closed,
            State::Open { until } if until > now => BreakerState::Open,
            State::Open { .. } | State::Probing { .. } => BreakerState::HalfOpen,
        }
    }

    /// Somebody passes, having seen that he may. Says whether he is the probe.
    pub fn pass(&mut self, now: Moment) -> bool {
        let probe = self.state != State::Closed;
        if probe {
            self.state = State::Probing { until: now + PROBE };
        }
        probe
    }

    /// An attempt showed that the endpoint is well. Once it is open, only a probe closes it: whoever
    /// was under way before brings old news.
    pub fn succeeded(&mut self, now: Moment, probe: bool) {
        self.in_a_row = 0;
        match self.state {
            State::Closed if now.since(self.closed_at) >= FORGIVEN => self.openings = 0,
            State::Open { .. } | State::Probing { .. } if probe => {
                self.state = State::Closed;
                self.closed_at = now;
            }
            State::Closed | State::Open { .. } | State::Probing { .. } => {}
        }
    }

    /// An attempt showed that it is not. `attempts` and `failures` are those of the last minute or
    /// so, this one included.
    pub fn failed(&mut self, now: Moment, probe: bool, attempts: f64, failures: f64) {
        self.in_a_row = self.in_a_row.saturating_add(1);
        let too_many = attempts >= ENOUGH && failures >= attempts * SHARE;
        match self.state {
            State::Closed if self.in_a_row >= IN_A_ROW || too_many => self.open(now),
            State::Probing { .. } if probe => self.open(now),
            State::Closed | State::Open { .. } | State::Probing { .. } => {}
        }
    }

    /// A probe ended without showing anything; the next one may come at once.
    pub fn learnt_nothing(&mut self, now: Moment) {
        if let State::Probing { .. } = self.state {
            self.state = State::Open { until: now };
        }
    }

    fn open(&mut self, now: Moment) {
        let doubled = FIRST_OPEN.saturating_mul(1 << self.openings.min(16));
        self.state = State::Open { until: now + doubled.min(LONGEST_OPEN) };
        self.openings = self.openings.saturating_add(1);
        self.in_a_row = 0;
    }
}

impl Default for Breaker {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::after_start(Duration::from_secs(seconds))
    }

    /// A breaker that just opened for the first time, at second 100.
    fn opened() -> Breaker {
        let mut breaker = Breaker::new();
        for _ in 0..IN_A_ROW {
            assert_eq!(breaker.state(at(100)), BreakerState::Closed);
            breaker.failed(at(100), false, 0.0, 0.0);
        }
        breaker
    }

    #[test]
    fn failures_in_a_row_open_it_and_a_success_between_does_not() {
        assert_eq!(opened().opens_at(), at(105));
        let mut breaker = Breaker::new();
        for _ in 0..10 * IN_A_ROW {
            breaker.failed(at(1), false, 0.0, 0.0);
            breaker.succeeded(at(1), false);
        }
        assert_eq!(breaker.state(at(1)), BreakerState::Closed);
    }

    #[test]
    fn a_large_share_of_failures_opens_it_once_there_are_enough() {
        let mut breaker = Breaker::new();
        breaker.failed(at(1), false, 19.0, 19.0);
        breaker.failed(at(1), false, 20.0, 9.0);
        assert_eq!(breaker.state(at(1)), BreakerState::Closed);
        breaker.failed(at(1), false, 20.0, 10.0);
        assert_eq!(breaker.state(at(1)), BreakerState::Open);
    }

    #[test]
    fn one_probe_at_a_time_shows_whether_it_is_well() {
        let mut breaker = opened();
        assert_eq!(breaker.state(at(105)), BreakerState::HalfOpen);
        assert!(breaker.pass(at(105)));
        assert!(breaker.opens_at() > at(105), "the second has to wait for the first");
        breaker.succeeded(at(106), false);
        breaker.failed(at(106), false, 0.0, 0.0);
        assert_eq!(breaker.opens_at(), at(135), "others bring old news");
        breaker.succeeded(at(106), true);
        assert_eq!(breaker.opens_at(), Moment::START);
        assert!(!breaker.pass(at(106)));
    }

    #[test]
    fn each_opening_is_twice_as_long_until_it_was_well_for_a_while() {
        let mut breaker = opened();
        for (probe_at, next) in [(105, 115), (115, 135), (135, 175)] {
            assert!(breaker.pass(at(probe_at)));
            breaker.failed(at(probe_at), true, 0.0, 0.0);
            assert_eq!(breaker.opens_at(), at(next));
        }
        breaker.pass(at(175));
        breaker.succeeded(at(175), true);
        breaker.succeeded(at(175 + 300), false);
        for _ in 0..IN_A_ROW {
            breaker.failed(at(500), false, 0.0, 0.0);
        }
        assert_eq!(breaker.opens_at(), at(505));
    }

    #[test]
    fn old_news_neither_prolongs_nor_doubles() {
        let mut breaker = opened();
        for _ in 0..100 {
            breaker.failed(at(101), false, 100.0, 100.0);
            breaker.succeeded(at(101), false);
        }
        assert_eq!(breaker.opens_at(), at(105));
    }

    #[test]
    fn a_lost_probe_does_not_close_the_door_for_ever() {
        let mut breaker = opened();
        breaker.pass(at(105));
        assert_eq!(breaker.opens_at(), at(135));
        let mut breaker = opened();
        breaker.pass(at(105));
        breaker.learnt_nothing(at(107));
        assert_eq!(breaker.opens_at(), at(107));
    }
}
