//! Chance that can be asked again: a number drawn from *where* it is needed, not from *when*.
//!
//! A draw is a hash of the seed and of what is drawn (which request, which endpoint, which try). So
//! every policy meets the same luck at the same place, whatever it did before, and differences
//! between policies are differences between policies (common random numbers).

/// A place in the tree of draws that hangs on one seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chance(u64);

/// The golden ratio's fraction in 64 bits: the step of SplitMix64.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

// === impl Chance ===

impl Chance {
    /// The root of a seed's draws.
    pub fn of(seed: u64) -> Self {
        Self(mix(seed.wrapping_add(STEP)))
    }

    /// The branch for this number: a request, an endpoint, a purpose.
    #[must_use]
    pub fn at(self, branch: u64) -> Self {
        Self(mix(self.0 ^ mix(branch.wrapping_add(STEP))))
    }

    /// Uniform in `0.0..1.0`.
    pub fn uniform(self) -> f64 {
        // The upper 53 bits are what a double holds.
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Standard normal, by Box and Muller's transform of two branches.
    pub fn normal(self) -> f64 {
        let (radius, angle) = (1.0 - self.at(1).uniform(), self.at(2).uniform());
        (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
    }

    /// Log-normal with median 1.
    pub fn log_normal(self, sigma: f64) -> f64 {
        if sigma == 0.0 { 1.0 } else { (sigma * self.normal()).exp() }
    }

    /// Exponential with mean 1: the gaps of a Poisson process.
    pub fn exponential(self) -> f64 {
        -(1.0 - self.uniform()).ln()
    }
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood 2014).
fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(draw: impl Fn(Chance) -> f64) -> (f64, f64) {
        let root = Chance::of(7);
        let draws: Vec<f64> = (0..50_000).map(|index| draw(root.at(index))).collect();
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        let variance = draws.iter().map(|draw| (draw - mean).powi(2)).sum::<f64>();
        (mean, variance / draws.len() as f64)
    }

    #[test]
    fn the_same_place_gives_the_same_draw_and_others_differ() {
        let root = Chance::of(1);
        assert_eq!(root.at(3).at(4), root.at(3).at(4));
        assert_ne!(root.at(3).at(4), root.at(4).at(3));
        assert_ne!(root.at(3), Chance::of(2).at(3));
    }

    #[test]
    fn draws_have_the_moments_of_their_laws() {
        let (mean, variance) = moments(Chance::uniform);
        assert!((mean - 0.5).abs() < 0.01 && (variance - 1.0 / 12.0).abs() < 0.01);
        let (mean, variance) = moments(Chance::normal);
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03, "{mean} {variance}");
        let (mean, _) = moments(Chance::exponential);
        assert!((mean - 1.0).abs() < 0.02, "{mean}");
    }
}
