//! The fair bound: how cheap one can be who knows every law of the market, and no luck.
//!
//! [`Fair`] knows, at each moment, each endpoint's true state, price and distribution of first
//! tokens, and what an answer is long on average. It does not know how this one attempt would turn
//! out, which the [`oracle`](super::oracle) is told. For each request it takes the least of
//!
//! ```text
//! E[cost] + fine · P(first token beyond the bound) + rent · seconds of a leased machine
//! ```
//!
//! The suite finds the fine with which it misses as often as the bar allows, so that these misses are
//! spent where they save most; and the better of two rents, so that a lease is spared for those who
//! would pay most elsewhere. Second copies were tried, and gained it nothing.

use isthmus_inference::usage::Usage;

use super::router::Plan;
use super::trace::Arrival;
use super::world::World;

/// One who knows the laws.
#[derive(Debug, Clone, Copy)]
pub struct Fair {
    /// The bound on the first token, in nanoseconds.
    pub slo: u64,
    /// What a miss weighs, in pico-dollars.
    pub fine: f64,
    /// What a second of a leased machine weighs, in pico-dollars.
    pub rent: f64,
    /// Tokens of the average answer.
    pub output: u64,
}

/// The rents that are tried, in pico-dollars a second: none, and a fifth of what the lease costs.
pub const RENTS: [f64; 2] = [0.0, 1e8];
/// Whoever refuses more often is the last resort.
const REFUSES: f64 = 0.05;
/// More than any request costs with its fine, in pico-dollars.
const LAST_RESORT: f64 = 1e18;

// === impl Fair ===

impl Fair {
    /// Where this request goes.
    pub fn plan(&self, arrival: &Arrival, world: &World<'_>, now: u64) -> Plan {
        let score = |endpoint| self.score(endpoint, arrival, world, now);
        let mut scored: Vec<(f64, usize)> = (0..world.size()).map(|e| (score(e), e)).collect();
        scored.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        Plan { order: scored.into_iter().map(|(_, endpoint)| endpoint).collect(), hedge: None }
    }

    fn score(&self, endpoint: usize, arrival: &Arrival, world: &World<'_>, now: u64) -> f64 {
        let law = world.law(endpoint, arrival, now);
        let usage = Usage {
            uncached_input: arrival.input - law.cached,
            cache_read: law.cached,
            text_output: self.output,
            ..Usage::default()
        };
        let cost = world.price(endpoint, now).cost(&usage).pico_dollars() as f64;
        let rent = self.rent * world.machine_seconds(endpoint, &law, self.output);
        let reading = self.slo.saturating_sub(law.wait) as f64;
        let deviations = (reading / law.median).ln() / law.sigma.max(1e-3);
        let late = 1.0 - (1.0 - law.refusal) * normal(deviations);
        let refuses = if law.refusal > REFUSES { LAST_RESORT } else { 0.0 };
        cost + rent + self.fine * late + refuses
    }
}

/// The standard normal distribution function (Abramowitz and Stegun, 26.2.17).
fn normal(x: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * x.abs());
    let powers = [0.319_381_53, -0.356_563_782, 1.781_477_937, -1.821_255_978, 1.330_274_429];
    let tail = powers.iter().rev().fold(0.0, |sum, power| (sum + power) * t);
    let above = tail * (-x * x / 2.0).exp() / std::f64::consts::TAU.sqrt();
    if x >= 0.0 { 1.0 - above } else { above }
}

#[cfg(test)]
mod tests {
    use super::normal;

    #[test]
    fn the_normal_law_is_the_one_of_the_tables() {
        for (x, below) in [(0.0, 0.5), (1.645, 0.95), (-1.0, 0.158_655), (f64::NEG_INFINITY, 0.0)] {
            assert!((normal(x) - below).abs() < 1e-4, "{x}: {}", normal(x));
        }
    }
}
