//! How much longer a first token takes on a machine of one's own for the prompts that are read there
//! before it.
//!
//! A vendor's machines are so many that one house's prompts do not wait for each other. A leased
//! one's do: it reads them in turn, or all the slower together. What a gateway knows of that is which
//! first tokens it waits for there, and how long each would take by itself: a [`Line`], as long as if
//! they were read one after the other. The share of it by which the next one is delayed is learnt.

use std::time::Duration;

use crate::moment::Moment;

/// What was learnt of one machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct Crowding {
    /// Sums of `ahead × delay` and of `ahead²`, both as shares of the own, undisturbed first token.
    delays: f64,
    squares: f64,
}

/// The prompts whose first tokens are waited for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Line {
    prompts: u32,
    empty_at: Moment,
}

/// A prompt's place in it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Place {
    /// Seconds that those before it would take, by themselves.
    pub ahead: f64,
    /// Seconds that it takes by itself,
    own: f64,
    /// and when it would be read.
    due: Moment,
}

/// Before anything is seen, what is ahead delays by half of its length,
const ASSUMED: f64 = 0.5;
/// and that counts like so many observations with as much ahead as one is long oneself.
const PRIOR: f64 = 5.0;
/// What the past counts after each further observation.
const FADING: f64 = 0.99;
/// No prompt delays by more than it takes itself, and a little.
const MOST: f64 = 1.5;

// === impl Crowding ===

impl Crowding {
    /// With so much ahead, a first token took so many times as long as it would have undisturbed.
    pub fn observe(&mut self, ahead: f64, times: f64) {
        if ahead > 0.0 {
            self.delays = self.delays * FADING + ahead * (times - 1.0).clamp(0.0, MOST * ahead);
            self.squares = self.squares * FADING + ahead * ahead;
        }
    }

    /// By which share of its length what is ahead delays.
    pub fn share(&self) -> f64 {
        ((self.delays + PRIOR * ASSUMED) / (self.squares + PRIOR)).clamp(0.0, MOST)
    }

    /// How many times as long a first token takes with so much ahead.
    pub fn times(&self, ahead: f64) -> f64 {
        1.0 + self.share() * ahead
    }
}

// === impl Line ===

impl Line {
    /// A prompt comes that takes so many seconds by itself.
    pub fn join(&mut self, now: Moment, seconds: f64) -> Place {
        let ahead = self.empty_at.seconds_since(now);
        self.empty_at = self.empty_at.max(now) + duration(seconds);
        self.prompts = self.prompts.saturating_add(1);
        Place { ahead, own: seconds, due: self.empty_at }
    }

    /// It was read: sooner than was thought, or later, and so will be those behind it.
    pub fn read(&mut self, now: Moment, place: Place) {
        let (late, early) = (now.since(place.due), place.due.since(now));
        self.shorten(now, early);
        self.empty_at = self.empty_at + if self.prompts > 0 { late } else { Duration::ZERO };
    }

    /// It will not be read.
    pub fn leave(&mut self, now: Moment, place: Place) {
        self.shorten(now, duration(place.own));
    }

    /// When everybody in it would be read.
    pub const fn empty_at(&self) -> Moment {
        self.empty_at
    }

    fn shorten(&mut self, now: Moment, by: Duration) {
        self.prompts = self.prompts.saturating_sub(1);
        let left = self.empty_at.since(now).saturating_sub(by);
        self.empty_at = if self.prompts > 0 { now + left } else { now };
    }
}

fn duration(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::after_start(Duration::from_millis(millis))
    }

    #[test]
    fn the_delay_by_each_second_ahead_is_learnt() {
        for share in [0.0, 0.3, 1.0] {
            let mut crowding = Crowding::default();
            for index in 0..200 {
                let ahead = f64::from(index % 4) * 0.7;
                crowding.observe(ahead, 1.0 + share * ahead);
            }
            assert!((crowding.share() - share).abs() < 0.02, "{} for {share}", crowding.share());
        }
    }

    #[test]
    fn a_stranger_delays_a_little_and_nobody_without_measure() {
        let mut crowding = Crowding::default();
        assert_eq!(crowding.times(2.0), 2.0);
        for _ in 0..1000 {
            crowding.observe(1.0, 1e9);
        }
        assert!(crowding.share() <= MOST);
    }

    #[test]
    fn a_line_is_as_long_as_what_is_read_in_it() {
        let mut line = Line::default();
        let first = line.join(at(0), 0.4);
        let second = line.join(at(100), 0.2);
        assert_eq!((first.ahead, second.ahead), (0.0, 0.3));
        assert_eq!(line.empty_at(), at(600));
        // The first was slower than it was thought to be.
        line.read(at(500), first);
        assert_eq!(line.empty_at(), at(700));
        line.leave(at(500), second);
        assert_eq!(line.empty_at(), at(500), "nobody is left in it");
    }
}
