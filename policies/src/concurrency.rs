//! How many attempts an endpoint can bear at once: the operator's number, or one that is found out.
//!
//! Found out as TCP does it (additive increase, multiplicative decrease; Chiu and Jain, 1989): a
//! little more while all goes well and the room is used, a fifth less when the endpoint says that it
//! is overloaded. Latency is a signal only on a machine of one's own, where all that is under way is
//! known: a first token that is far later than prompts and noise explain has waited for a place, so
//! there are no more places than were taken then.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::moment::Moment;

/// How many attempts may be under way.
#[derive(Debug, Clone, Copy)]
pub enum Concurrency {
    /// As many as the operator says.
    Given(NonZeroU32),
    /// As many as it has been found to bear.
    Found(Found),
}

/// A limit that is found out.
#[derive(Debug, Clone, Copy)]
pub struct Found {
    limit: f64,
    lowered_at: Option<Moment>,
    /// Whether the places are counted: more are then tried more seldom.
    counted: bool,
}

/// What a stranger is believed to bear.
const FIRST: f64 = 64.0;
/// Even the weakest gets this many.
const LEAST: f64 = 2.0;
/// Nobody needs more from one process.
const MOST: f64 = 4096.0;
/// What is left of the limit after an overload.
const DECREASE: f64 = 0.8;
/// How much slower a limit grows that was counted.
const SELDOM: f64 = 0.1;
/// How far it moves towards a smaller count: one that waited may have had another reason.
const TOWARDS: f64 = 0.5;
/// The refusals of one crowded moment count once.
const PAUSE: Duration = Duration::from_secs(1);

impl Concurrency {
    /// The operator's number, or one to be found out.
    pub fn new(given: Option<NonZeroU32>) -> Self {
        given.map_or(
            Self::Found(Found { limit: FIRST, lowered_at: None, counted: false }),
            Self::Given,
        )
    }

    /// How many attempts may be under way.
    pub const fn limit(&self) -> u32 {
        match self {
            Self::Given(limit) => limit.get(),
            Self::Found(found) => found.limit as u32,
        }
    }

    /// An attempt went well while so many were under way.
    pub fn went_well(&mut self, pending: u32) {
        if let Self::Found(found) = self
            && f64::from(pending) * 2.0 >= found.limit
        {
            // One more for each round of a full house.
            let growth = if found.counted { SELDOM } else { 1.0 };
            found.limit = (found.limit + growth / found.limit).min(MOST);
        }
    }

    /// An attempt waited for a place while so many others were under way.
    pub fn was_full(&mut self, others: u32) {
        if let Self::Found(found) = self
            && f64::from(others) < found.limit
        {
            let gap = if found.counted { TOWARDS } else { 1.0 };
            found.limit = (found.limit - (found.limit - f64::from(others)) * gap).max(LEAST);
            found.counted = true;
        }
    }

    /// The endpoint said that it is overloaded, or showed it by silence.
    pub fn was_too_much(&mut self, now: Moment) {
        if let Self::Found(found) = self
            && found.lowered_at.is_none_or(|lowered_at| now.since(lowered_at) >= PAUSE)
        {
            found.limit = (found.limit * DECREASE).max(LEAST);
            found.lowered_at = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> Moment {
        Moment::after_start(Duration::from_millis(milliseconds))
    }

    #[test]
    fn the_operators_number_stays() {
        let mut given = Concurrency::new(NonZeroU32::new(7));
        given.was_too_much(at(0));
        given.went_well(7);
        assert_eq!(given.limit(), 7);
    }

    #[test]
    fn an_overload_lowers_the_limit_once_and_use_raises_it() {
        let mut found = Concurrency::new(None);
        found.was_too_much(at(0));
        found.was_too_much(at(500));
        assert_eq!(found.limit(), 51);
        found.was_too_much(at(1000));
        assert_eq!(found.limit(), 40);
        for _ in 0..100 {
            found.went_well(3);
        }
        assert_eq!(found.limit(), 40, "room that nobody uses proves nothing");
        for _ in 0..50 {
            found.went_well(40);
        }
        assert_eq!(found.limit(), 42);
        for second in 2..100 {
            found.was_too_much(at(second * 1000));
        }
        assert_eq!(found.limit(), 2);
    }

    #[test]
    fn places_are_counted_where_somebody_waited_for_one() {
        let mut found = Concurrency::new(None);
        found.was_full(12);
        assert_eq!(found.limit(), 12);
        found.was_full(20);
        assert_eq!(found.limit(), 12, "there are that many at least");
        found.was_full(8);
        assert_eq!(found.limit(), 10, "it may have had another reason");
        for _ in 0..50 {
            found.went_well(10);
        }
        assert_eq!(found.limit(), 10, "more are tried seldom");
        let mut given = Concurrency::new(NonZeroU32::new(7));
        given.was_full(1);
        assert_eq!(given.limit(), 7);
    }
}
