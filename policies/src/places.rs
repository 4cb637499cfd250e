//! How many answers a machine of one's own makes at once: counted by who waited for a place.
//!
//! Each first token is a sign. With `n` others under way it came as soon as was to be expected, or far
//! later. Where there are more than `n` places, it is seldom late, for some reason of its own; where
//! there are not, it mostly is, unless a place was just given back. The number of places that explains
//! all signs best is taken: the maximum of their likelihood, older signs counting less.

/// The signs so far.
#[derive(Debug, Clone)]
pub struct Places {
    /// For so many others under way, what the signs say against there being room: the logarithm of how
    /// much more probable they are without it. The last one stands for all beyond.
    against: Box<[f32; MOST]>,
    count: Option<u32>,
}

/// No more than this are counted.
const MOST: usize = 256;
/// How often a first token is late although there was room,
const LATE_WITH_ROOM: f32 = 0.05;
/// and how often it is where there was none.
const LATE_WITHOUT: f32 = 0.6;
/// What earlier signs of one number count after each further one: the last ten or so tell.
const FADING: f32 = 0.9;

// === impl Places ===

impl Places {
    /// A first token came with so many others under way, and had waited for a place or not.
    pub fn observe(&mut self, others: u32, waited: bool) {
        let others = others as usize;
        if waited && others >= MOST {
            return;
        }
        let place = &mut self.against[others.min(MOST - 1)];
        *place = *place * FADING + if waited { late() } else { in_time() };
        self.count = self.most_likely();
    }

    /// How many there are; `None` while nothing speaks against any number.
    pub const fn count(&self) -> Option<u32> {
        self.count
    }

    /// If there are `n` places, all signs from `n` others on came without room. One sign alone is none.
    fn most_likely(&self) -> Option<u32> {
        let (mut sum, mut most, mut count) = (0.0, late(), None);
        for (others, against) in self.against.iter().enumerate().rev() {
            sum += against;
            if sum > most {
                (most, count) = (sum, Some(others as u32));
            }
        }
        count
    }
}

/// How much a late first token speaks against there having been room,
fn late() -> f32 {
    (LATE_WITHOUT / LATE_WITH_ROOM).ln()
}

/// and one in time, which speaks for it.
fn in_time() -> f32 {
    ((1.0 - LATE_WITHOUT) / (1.0 - LATE_WITH_ROOM)).ln()
}

impl Default for Places {
    fn default() -> Self {
        Self { against: Box::new([0.0; MOST]), count: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance::Chance;

    /// A machine with so many places under a changing load, whose signs are as uncertain as they are
    /// assumed to be.
    fn seen(places: &mut Places, truth: u32, signs: u32, chance: &mut Chance) {
        for _ in 0..signs {
            let others = chance.below(2 * truth as usize) as u32;
            let late = if others < truth { LATE_WITH_ROOM } else { LATE_WITHOUT };
            places.observe(others, chance.fraction() < f64::from(late));
        }
    }

    #[test]
    fn places_are_counted_from_uncertain_signs() {
        for truth in [4, 12, 40] {
            let (mut places, mut chance) = (Places::default(), Chance::new(u64::from(truth)));
            seen(&mut places, truth, 300, &mut chance);
            let count = places.count().unwrap();
            assert!(count.abs_diff(truth) <= 1 + truth / 10, "{count} for {truth}");
        }
    }

    #[test]
    fn nothing_is_counted_while_nobody_waits_and_one_who_does_alone_proves_little() {
        let mut places = Places::default();
        (0..50).for_each(|_| places.observe(10, false));
        assert_eq!(places.count(), None);
        places.observe(4, true);
        assert_eq!(places.count(), None, "more were served at once");
        places.observe(400, true);
        assert_eq!(places.count(), None, "beyond what is counted");
        let mut new = Places::default();
        new.observe(5, true);
        assert_eq!(new.count(), None, "one sign is none");
        new.observe(5, true);
        assert_eq!(new.count(), Some(5));
    }

    #[test]
    fn a_light_load_makes_nobody_forget() {
        let mut places = Places::default();
        (0..5).for_each(|_| places.observe(12, true));
        (0..5000).for_each(|sign| places.observe(3 + sign % 8, sign % 30 == 0));
        assert_eq!(places.count(), Some(12));
    }

    #[test]
    fn a_machine_that_was_enlarged_is_counted_anew() {
        let (mut places, mut chance) = (Places::default(), Chance::new(7));
        seen(&mut places, 8, 300, &mut chance);
        seen(&mut places, 24, 600, &mut chance);
        assert!(places.count().unwrap().abs_diff(24) <= 3, "{:?}", places.count());
    }
}
