//! A machine that is paid by the hour: its next token costs nothing until it is saturated, and from
//! there on requests spill to whoever is paid by the token.

use std::num::NonZeroU32;
use std::time::Duration;

use isthmus_inference::money::Money;
use isthmus_inference::usage::Usage;

use crate::moment::Moment;

/// What is paid, and what it is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// What an hour costs.
    pub per_hour: Money,
    /// How many tokens of output the machine makes in a second, all requests together.
    pub tokens_per_second: NonZeroU32,
}

/// The work that lies before a leased machine, as a fluid that drains at the stated capacity.
#[derive(Debug, Clone, Copy, Default)]
pub struct Backlog {
    /// When all of it will be done.
    empty_at: Moment,
}

/// With more seconds of work than this before it, a machine counts as saturated.
const SATURATED: f64 = 2.0;

/// Tokens of prompt that are as much work as one of output: a prompt is computed in bulk.
const INPUT_PER_OUTPUT: u64 = 10;

const SECONDS_PER_HOUR: i128 = 3600;

// === impl Lease ===

impl Lease {
    /// Whether so many seconds of work are more than the machine should have before it.
    pub fn is_saturated(&self, queue: f64) -> bool {
        queue > SATURATED
    }

    /// The share of the lease that these tokens use up at full capacity, rounded up.
    pub fn share(&self, usage: &Usage) -> Money {
        let hour = i128::from(self.tokens_per_second.get()) * SECONDS_PER_HOUR;
        let work = i128::from(work(usage.input(), usage.output()));
        let product = self.per_hour.pico_dollars().saturating_mul(work);
        Money::from_pico_dollars(product / hour + i128::from(product % hour > 0))
    }

    /// How long the machine needs for these tokens if it does nothing else.
    pub(crate) fn time_for(&self, input_tokens: u64, output_tokens: u64) -> Duration {
        let seconds =
            work(input_tokens, output_tokens) as f64 / f64::from(self.tokens_per_second.get());
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
    }
}

/// Work in tokens of output.
const fn work(input_tokens: u64, output_tokens: u64) -> u64 {
    output_tokens.saturating_add(input_tokens.div_ceil(INPUT_PER_OUTPUT))
}

/// How long a first token waits behind so many seconds of work. A machine works on many answers at
/// once, so what it has under way until it is saturated delays nobody; and what delay there is with
/// that, measured first tokens show.
pub(crate) fn waiting(queue: f64) -> f64 {
    (queue - SATURATED).max(0.0)
}

// === impl Backlog ===

impl Backlog {
    /// Work arrives.
    pub fn add(&mut self, now: Moment, time: Duration) {
        self.empty_at = self.empty_at.max(now) + time;
    }

    /// Work was less or more than was thought.
    pub fn correct(&mut self, now: Moment, thought: Duration, was: Duration) {
        let nanos = self.empty_at.nanos();
        let change = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let corrected =
            nanos.saturating_sub(change(thought)).saturating_add(change(was)).max(now.nanos());
        self.empty_at = Moment::from_nanos(corrected);
    }

    /// When all of it will be done.
    pub const fn empty_at(&self) -> Moment {
        self.empty_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease() -> Lease {
        Lease {
            per_hour: Money::from_pico_dollars(1_800_000_000_000),
            tokens_per_second: NonZeroU32::new(1000).unwrap(),
        }
    }

    #[test]
    fn a_share_is_the_hour_divided_by_what_it_makes() {
        let usage = Usage { uncached_input: 1000, text_output: 900, ..Usage::default() };
        // 1000 tokens of work, a second of the machine, the 3600th part of 1.80 USD.
        assert_eq!(lease().share(&usage).to_string(), "0.0005");
        let tiny = Usage { text_output: 1, ..Usage::default() };
        assert_eq!(lease().share(&tiny).pico_dollars(), 500_000);
    }

    #[test]
    fn work_drains_at_the_stated_capacity() {
        let mut backlog = Backlog::default();
        let start = Moment::after_start(Duration::from_secs(10));
        for _ in 0..3 {
            backlog.add(start, lease().time_for(0, 1000));
        }
        assert_eq!(backlog.empty_at().since(start), Duration::from_secs(3));
        assert!(lease().is_saturated(backlog.empty_at().seconds_since(start)));
        let later = start + Duration::from_secs(1);
        assert!(!lease().is_saturated(backlog.empty_at().seconds_since(later)));
        backlog.correct(start, Duration::from_secs(1), Duration::from_millis(500));
        assert_eq!(backlog.empty_at().since(start), Duration::from_millis(2500));
        backlog.correct(start, Duration::from_secs(60), Duration::ZERO);
        assert_eq!(backlog.empty_at(), start, "no work is owed back");
    }
}
