//! How the mock behaves: how long it thinks, how much it says, how often it fails.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Deserialize;

/// The mock's part. Times are whole milliseconds, because tokio's timers are.
#[derive(Debug, Clone, PartialEq, Deserialize, clap::Args)]
#[serde(deny_unknown_fields, default)]
pub struct Script {
    /// Milliseconds before the first token, or before a whole answer.
    #[arg(long, default_value_t = 0)]
    pub first_token_ms: u64,
    /// Milliseconds between two tokens of a stream.
    #[arg(long, default_value_t = 20)]
    pub token_interval_ms: u64,
    /// Each wait is longer by a random part of so many milliseconds.
    #[arg(long, default_value_t = 0)]
    pub jitter_ms: u64,
    /// Tokens of a stream, one delta each.
    #[arg(long, default_value_t = 64)]
    pub tokens: usize,
    /// Bytes of a whole answer's body.
    #[arg(long, default_value_t = 1024)]
    pub answer_bytes: usize,
    /// The share of requests, 0 to 1, that are answered with status 500.
    #[arg(long, default_value_t = 0.0)]
    pub failure_rate: f64,
    /// The share of streams, 0 to 1, whose connection breaks half-way.
    #[arg(long, default_value_t = 0.0)]
    pub cut_rate: f64,
}

/// Random numbers that are the same in each run (SplitMix64, by Steele, Lea and Flood).
#[derive(Debug, Default)]
pub(crate) struct Dice(AtomicU64);

// === impl Script ===

impl Default for Script {
    fn default() -> Self {
        Self {
            first_token_ms: 0,
            token_interval_ms: 20,
            jitter_ms: 0,
            tokens: 64,
            answer_bytes: 1024,
            failure_rate: 0.0,
            cut_rate: 0.0,
        }
    }
}

impl Script {
    pub(crate) fn first_token(&self, dice: &Dice) -> Duration {
        self.wait(self.first_token_ms, dice)
    }

    /// A wait of so many milliseconds and a random part of the jitter.
    pub(crate) fn wait(&self, milliseconds: u64, dice: &Dice) -> Duration {
        let jitter = dice.share() * self.jitter_ms as f64;
        Duration::from_millis(milliseconds) + Duration::from_secs_f64(jitter / 1000.0)
    }
}

// === impl Dice ===

impl Dice {
    /// The next number, from 0 up to but not including 1.
    pub(crate) fn share(&self) -> f64 {
        const STEP: u64 = 0x9E37_79B9_7F4A_7C15;
        let mut mixed = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        // A double holds 53 bits exactly.
        (mixed >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// True for the given share of the throws.
    pub(crate) fn falls_within(&self, share: f64) -> bool {
        share > 0.0 && self.share() < share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dice_are_fair_and_never_fall_within_nothing() {
        let dice = Dice::default();
        let hits = (0..10_000).filter(|_| dice.falls_within(0.25)).count();
        assert!((2300..2700).contains(&hits), "{hits}");
        assert!((0..10_000).all(|_| !dice.falls_within(0.0)));
        assert!((0..10_000).all(|_| dice.falls_within(1.0)));
    }

    #[test]
    fn jitter_only_ever_lengthens_a_wait() {
        let script = Script { jitter_ms: 5, ..Script::default() };
        let dice = Dice::default();
        for _ in 0..1000 {
            let wait = script.wait(20, &dice);
            assert!(wait >= Duration::from_millis(20) && wait < Duration::from_millis(25));
        }
    }
}
