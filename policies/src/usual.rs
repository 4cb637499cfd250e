//! What is usual of a pool's exchanges: how large they are, and how many first tokens are late.
//!
//! A bound on a p95 leaves one first token in twenty to be late. What each of them weighs is counted in
//! exchanges of the usual size; and as more of the twenty are late, fewer are left to be.

use serde::{Deserialize, Serialize};

use crate::exact;

/// What is usual.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usual {
    /// Tokens of a prompt.
    #[serde(with = "exact")]
    pub input_tokens: f64,
    /// Tokens of an answer.
    #[serde(with = "exact")]
    pub output_tokens: f64,
    /// The share of first tokens that came after the bound on them, `0.0..=1.0`.
    #[serde(with = "exact")]
    pub late: f64,
}

/// What a new exchange counts,
const GAIN: f64 = 0.02;
/// and a first token: about the last two hundred tell.
const GAIN_OF_LATE: f64 = 0.005;
/// The share of first tokens that a bound on the p95 leaves to be late.
const ALLOWED: f64 = 0.05;

// === impl Usual ===

impl Usual {
    /// An exchange of so many tokens is over.
    pub fn exchanged(&mut self, input_tokens: u64, output_tokens: u64) {
        self.input_tokens += GAIN * (input_tokens as f64 - self.input_tokens);
        self.output_tokens += GAIN * (output_tokens as f64 - self.output_tokens);
    }

    /// A caller had his first token, in time or late.
    pub fn had_first_token(&mut self, late: bool) {
        self.late += GAIN_OF_LATE * (f64::from(u8::from(late)) - self.late);
    }

    /// How often an endpoint may be late that still counts as within a bound on the p95: as often as it
    /// likes while nobody is late, its lateness being weighed; less as more are; and when all that the
    /// bound allows is used up, no more than that.
    pub(crate) fn most_late(&self) -> f64 {
        (1.0 - self.late / ALLOWED).max(ALLOWED)
    }
}

/// The size of exchanges in the public traces of conversations, and nobody late.
impl Default for Usual {
    fn default() -> Self {
        Self { input_tokens: 1000.0, output_tokens: 200.0, late: 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_follow_what_is_exchanged() {
        let mut usual = Usual::default();
        (0..300).for_each(|_| usual.exchanged(12_000, 350));
        assert!((usual.input_tokens / 12_000.0 - 1.0).abs() < 0.01);
        assert!((usual.output_tokens / 350.0 - 1.0).abs() < 0.01);
    }

    #[test]
    fn what_may_be_late_is_used_up() {
        let mut usual = Usual::default();
        assert!((usual.most_late() - 1.0).abs() < 1e-9);
        for round in 0..2000 {
            usual.had_first_token(round % 50 == 0);
        }
        assert!((0.5..0.7).contains(&usual.most_late()), "{}", usual.most_late());
        (0..2000).for_each(|round| usual.had_first_token(round % 10 == 0));
        assert!((usual.most_late() - 0.05).abs() < 1e-9);
    }
}
