//! How much longer a first token takes on a machine of one's own for each prompt that waits there
//! already.
//!
//! A vendor's machines are so many that one house's prompts do not wait for each other. A leased
//! one's do: it reads them in turn, or all the slower together. What a gateway knows of that is how
//! many first tokens it waits for there. The share by which each of them delays the next is learnt.

/// What was learnt of one machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct Crowding {
    /// Sums of `ahead × delay` and of `ahead²`, delays as shares of an undisturbed first token.
    delays: f64,
    squares: f64,
}

/// Before anything is seen, each prompt ahead delays by half of a first token,
const ASSUMED: f64 = 0.5;
/// and that counts like so many observations with one ahead.
const PRIOR: f64 = 5.0;
/// What the past counts after each further observation.
const FADING: f64 = 0.99;
/// No prompt delays by more than it takes itself, and a little.
const MOST: f64 = 1.5;

impl Crowding {
    /// A first token took so many times as long as it would have undisturbed.
    pub fn observe(&mut self, ahead: u32, times: f64) {
        if ahead > 0 {
            let ahead = f64::from(ahead);
            self.delays = self.delays * FADING + ahead * (times - 1.0).clamp(0.0, MOST * ahead);
            self.squares = self.squares * FADING + ahead * ahead;
        }
    }

    /// By which share of a first token each prompt ahead delays it.
    pub fn share(&self) -> f64 {
        ((self.delays + PRIOR * ASSUMED) / (self.squares + PRIOR)).clamp(0.0, MOST)
    }

    /// How many times as long a first token takes with so many ahead.
    pub fn times(&self, ahead: u32) -> f64 {
        1.0 + self.share() * f64::from(ahead)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_of_each_prompt_ahead_is_learnt() {
        for share in [0.0, 0.3, 1.0] {
            let mut crowding = Crowding::default();
            for index in 0..200 {
                let ahead = index % 4;
                crowding.observe(ahead, 1.0 + share * f64::from(ahead));
            }
            assert!((crowding.share() - share).abs() < 0.02, "{} for {share}", crowding.share());
        }
    }

    #[test]
    fn a_stranger_delays_a_little_and_nobody_without_measure() {
        let mut crowding = Crowding::default();
        assert_eq!(crowding.times(2), 2.0);
        for _ in 0..1000 {
            crowding.observe(1, 1e9);
        }
        assert!(crowding.share() <= MOST);
    }
}
