//! Chance, as an argument: one number from the keeper's dice stands for a whole row of throws, so
//! that the same number makes the same decision again.

/// A row of throws that follows from its beginning (SplitMix64: Steele, Lea and Flood, 2014).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chance(u64);

impl Chance {
    /// The row that begins with this number.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next throw: any number.
    pub const fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// The next throw as a fraction, `0.0..1.0`.
    pub fn fraction(&mut self) -> f64 {
        (self.throw() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// The next throw as a number below `count`, which is not 0.
    pub fn below(&mut self, count: usize) -> usize {
        // The high half of the product: without a division, and biased by less than count/2^64.
        ((u128::from(self.throw()) * count as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_beginning_gives_the_same_row() {
        let row = |seed| {
            let mut chance = Chance::new(seed);
            [chance.throw(), chance.throw(), chance.throw()]
        };
        assert_eq!(row(7), row(7));
        assert_ne!(row(7), row(8));
    }

    #[test]
    fn throws_are_even() {
        let mut chance = Chance::new(1);
        let mut counts = [0_u32; 5];
        for _ in 0..50_000 {
            counts[chance.below(5)] += 1;
        }
        assert!(counts.iter().all(|count| (9_500..10_500).contains(count)), "{counts:?}");
        let mean = (0..50_000).map(|_| chance.fraction()).sum::<f64>() / 50_000.0;
        assert!((mean - 0.5).abs() < 0.01, "{mean}");
    }
}
