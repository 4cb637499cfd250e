//! The places of an endpoint: so many answers at once, first come, first served.

/// When each place is free again.
#[derive(Debug)]
pub struct Places {
    free_at: Vec<u64>,
}

/// The place that is free first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Its number.
    pub index: usize,
    /// When it is free.
    pub free_at: u64,
}

// === impl Places ===

impl Places {
    /// So many places, all free.
    pub fn new(count: usize) -> Self {
        Self { free_at: vec![0; count] }
    }

    /// The first place that is free by now, else the one that will be soonest.
    pub fn first(&self, now: u64) -> Place {
        let mut best = Place { index: 0, free_at: u64::MAX };
        for (index, &free_at) in self.free_at.iter().enumerate() {
            if free_at <= now {
                return Place { index, free_at };
            }
            if free_at < best.free_at {
                best = Place { index, free_at };
            }
        }
        best
    }

    /// Takes a place until then.
    pub fn take(&mut self, index: usize, until: u64) {
        self.free_at[index] = until;
    }

    /// Frees a place that was taken until `until`, unless another was promised it since.
    pub fn give_back(&mut self, index: usize, until: u64, now: u64) {
        if self.free_at[index] == until {
            self.free_at[index] = now;
        }
    }

    /// The share of places that are taken.
    pub fn share_taken(&self, now: u64) -> f64 {
        let taken = self.free_at.iter().filter(|free_at| **free_at > now).count();
        taken as f64 / self.free_at.len() as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_third_of_two_places_waits_for_the_first_to_leave() {
        let mut places = Places::new(2);
        for until in [50, 30] {
            let place = places.first(0);
            assert_eq!(place.free_at, 0);
            places.take(place.index, until);
        }
        let third = places.first(0);
        assert_eq!(third, Place { index: 1, free_at: 30 });
        assert_eq!((places.share_taken(0), places.share_taken(40)), (1.0, 0.5));
    }

    #[test]
    fn a_place_is_given_back_once_and_not_from_under_another() {
        let mut places = Places::new(1);
        places.take(0, 50);
        places.give_back(0, 50, 20);
        assert_eq!(places.first(0).free_at, 20);
        places.take(0, 90);
        places.give_back(0, 50, 30);
        assert_eq!(places.first(0).free_at, 90);
    }
}
