//! How many attempts an endpoint can bear at once: the operator's number, or one that is found out.
//!
//! Found out as TCP does it (additive increase, multiplicative decrease; Chiu and Jain, 1989): a
//! little more while all goes well and the room is used, a fifth less when the endpoint says that it
//! is overloaded. Latency is a signal only on a machine of one's own, where all that is under way is
//! known: a first token that is far later than prompts and noise explain has waited for a place, and so
//! its [`Places`] are counted.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::moment::Moment;
use crate::places::Places;

/// How many attempts may be under way.
#[derive(Debug, Clone)]
pub enum Concurrency {
    /// As many as the operator says.
    Given(NonZeroU32),
    /// As many as it has been found to bear.
    Found(Found),
}

/// A limit that is found out.
#[derive(Debug, Clone)]
pub struct Found {
    limit: f64,
    lowered_at: Option<Moment>,
    /// The places of a machine of one's own.
    places: Option<Places>,
    /// How much of one more than are counted has been earned by full houses, `0.0..=1.0`: a whole one is
    /// tried.
    more: f64,
}

/// What a stranger is believed to bear.
const FIRST: f64 = 64.0;
/// Even the weakest gets this many.
const LEAST: f64 = 2.0;
/// Nobody needs more from one process.
const MOST: f64 = 4096.0;
/// What is left of the limit after an overload.
const DECREASE: f64 = 0.8;
/// How much slower a number grows that was counted.
const SELDOM: f64 = 0.05;
/// The refusals of one crowded moment count once.
const PAUSE: Duration = Duration::from_secs(1);

impl Concurrency {
    /// The operator's number, or one to be found out; `is_own` is a machine of one's own.
    pub fn new(given: Option<NonZeroU32>, is_own: bool) -> Self {
        let places = || is_own.then(Places::default);
        let found = || Found { limit: FIRST, lowered_at: None, places: places(), more: 0.0 };
        given.map_or_else(|| Self::Found(found()), Self::Given)
    }

    /// How many attempts may be under way.
    pub fn limit(&self) -> u32 {
        match self {
            Self::Given(limit) => limit.get(),
            Self::Found(found) => found.limit(),
        }
    }

    /// An attempt went well while so many were under way.
    pub fn went_well(&mut self, pending: u32) {
        if let Self::Found(found) = self
            && pending.saturating_mul(2) >= found.limit()
        {
            // One more for each round of a full house.
            match found.counted().filter(|places| found.limit as u32 > *places) {
                Some(places) => {
                    found.more = (found.more + SELDOM / f64::from(places)).min(1.0);
                }
                None => found.limit = (found.limit + 1.0 / found.limit).min(MOST),
            }
        }
    }

    /// On a machine of one's own, an attempt waited for a place while so many others were under way, or
    /// did not.
    pub fn sign(&mut self, others: u32, waited: bool) {
        if let Self::Found(Found { places: Some(places), more, limit, .. }) = self {
            if waited && places.count().is_some_and(|count| others >= count) {
                *more = 0.0;
            }
            places.observe(others, waited);
            if let Some(count) = places.count() {
                // Should the count be forgotten, more are tried from here on, one after the other.
                *limit = limit.min(f64::from(count) + 1.0).max(LEAST);
            }
        }
    }

    /// The endpoint said that it is overloaded, or showed it by silence.
    pub fn was_too_much(&mut self, now: Moment) {
        if let Self::Found(found) = self
            && found.lowered_at.is_none_or(|lowered_at| now.since(lowered_at) >= PAUSE)
        {
            found.limit = (f64::from(found.limit()) * DECREASE).max(LEAST);
            found.more = 0.0;
            found.lowered_at = Some(now);
        }
    }
}

// === impl Found ===

impl Found {
    fn limit(&self) -> u32 {
        let borne = self.limit as u32;
        self.counted().map_or(borne, |places| borne.min(places + self.more as u32))
    }

    fn counted(&self) -> Option<u32> {
        self.places.as_ref()?.count().map(|count| count.max(LEAST as u32))
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
        let mut given = Concurrency::new(NonZeroU32::new(7), true);
        given.was_too_much(at(0));
        given.went_well(7);
        assert_eq!(given.limit(), 7);
    }

    #[test]
    fn an_overload_lowers_the_limit_once_and_use_raises_it() {
        let mut found = Concurrency::new(None, false);
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
    fn places_are_counted_and_one_more_is_tried_seldom() {
        let mut found = Concurrency::new(None, true);
        (0..3).for_each(|_| found.sign(12, true));
        assert_eq!(found.limit(), 12);
        (0..239).for_each(|_| found.went_well(12));
        assert_eq!(found.limit(), 12);
        (0..1000).for_each(|_| found.went_well(12));
        assert_eq!(found.limit(), 13, "no more than one");
        found.sign(12, true);
        assert_eq!(found.limit(), 12, "it was tried, and waited");
        (1..20).for_each(|second| found.was_too_much(at(second * 1000)));
        assert_eq!(found.limit(), 2);
        (0..100).for_each(|_| found.went_well(12));
        assert_eq!(found.limit(), 12, "an overload that is over lowers nothing for good");
        (0..200).for_each(|_| found.went_well(5));
        assert_eq!(found.limit(), 12, "room that nobody uses proves nothing");
        (0..20).for_each(|_| found.sign(12, false));
        assert!(found.limit() > 12);
    }

    #[test]
    fn signs_change_no_number_that_is_given_and_none_of_a_vendor() {
        for mut limit in
            [Concurrency::new(NonZeroU32::new(64), true), Concurrency::new(None, false)]
        {
            (0..20).for_each(|_| limit.sign(3, true));
            assert_eq!(limit.limit(), 64);
        }
    }
}
