//! A small generator of our own, so that a seed means the same draw in every build.
//!
//! xoshiro256++ 1.0 by David Blackman and Sebastiano Vigna, seeded by their SplitMix64
//! (<https://prng.di.unimi.it/>, public domain). Good for sampling, worthless for secrets.

use std::hash::{BuildHasher, RandomState};

/// A stream of random numbers.
#[derive(Debug, Clone)]
pub(crate) struct Random {
    state: [u64; 4],
}

impl Random {
    /// The stream that belongs to a seed.
    pub(crate) fn seeded(seed: u64) -> Self {
        let mut seeds = SplitMix(seed);
        Self { state: std::array::from_fn(|_| seeds.next()) }
    }

    /// A stream that nobody chose: the standard library keys its hash maps with random numbers,
    /// no two of them alike.
    pub(crate) fn arbitrary() -> Self {
        Self::seeded(RandomState::new().hash_one(0_u8))
    }

    /// The next 64 random bits.
    pub(crate) fn next(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.state;
        let result = a.wrapping_add(*d).rotate_left(23).wrapping_add(*a);
        let shifted = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= shifted;
        *d = d.rotate_left(45);
        result
    }

    /// A number from 0 up to, but not including, 1.
    pub(crate) fn unit(&mut self) -> f64 {
        // The top 53 bits fill the significand of a double exactly.
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// This many letters and digits.
    pub(crate) fn letters(&mut self, count: usize) -> String {
        const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        (0..count).map(|_| LETTERS[(self.next() % LETTERS.len() as u64) as usize] as char).collect()
    }
}

/// Spreads one seed over many.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_spread_as_published() {
        let mut seeds = SplitMix(1_234_567);
        let published = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
            4_593_380_528_125_082_431,
            16_408_922_859_458_223_821,
        ];
        assert_eq!(published.map(|_| seeds.next()), published);
    }

    #[test]
    fn a_seed_names_a_stream() {
        let draw = |seed| {
            let mut random = Random::seeded(seed);
            [random.next(), random.next(), random.next()]
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        assert_ne!(Random::arbitrary().next(), Random::arbitrary().next());
    }

    #[test]
    fn the_unit_interval_is_filled_evenly() {
        let mut random = Random::seeded(1);
        let mut counts = [0; 10];
        for _ in 0..10_000 {
            counts[(random.unit() * 10.0) as usize] += 1;
        }
        assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
    }
}
