//! How an endpoint's time to the first token grows with the prompt, how slow it is at this moment, and
//! how far off single first tokens are.
//!
//! An endpoint is seen with prompts of some sizes and asked about others, is quick in one minute and
//! slow in the next, and differs from one request to another in any case. The three are told apart,
//! because they are forgotten at different rates:
//!
//! * the **shape**, a line over the prompt's size, by least squares of relative errors in which the past
//!   fades, with the prior's line as a few observations of its own;
//! * the **level**, a random walk that is tracked as Kalman did (1960), with what is not known of it:
//!   little while there is traffic, more with each minute without;
//! * the **noise**, by differences between successive observations (von Neumann, 1941), which a change
//!   of level disturbs but once. An endpoint's noise hardly changes, so it is kept for long.
//!
//! With them a few dozen first tokens are enough to tell a p95, and a brown-out that is over is not
//! taken for noise.

use crate::live::Quantiles;
use crate::moment::Moment;
use crate::prior::Prior;

/// What is known of one endpoint's first tokens of any size.
#[derive(Debug, Clone)]
pub struct Line {
    prior: Prior,
    /// The shape: seconds for an empty prompt, and for each thousand tokens more.
    base: f64,
    slope: f64,
    /// How much slower than the shape at this moment, as a logarithm,
    level: f64,
    /// and the variance of what is known of that.
    unsure: f64,
    noise: Noise,
    sums: Sums,
    faded_at: Moment,
}

/// Sums over what was seen, without its level: `x` thousands of tokens, `y` seconds, weighted by
/// one over the square of what was expected.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    count: f64,
    w: f64,
    wx: f64,
    wxx: f64,
    wy: f64,
    wxy: f64,
}

/// How far off single first tokens are.
#[derive(Debug, Clone, Copy, Default)]
struct Noise {
    /// Half the squares of differences, and how many of them.
    squares: f64,
    count: f64,
    last: Option<f64>,
    /// How many deviations the last one was off.
    deviations: f64,
}

/// After so many seconds an observation of the shape counts half.
const HALF_LIFE: f64 = 120.0;
/// No more observations than this count, however many come.
const MOST: f64 = 100.0;
/// The prior counts like so many observations at either end of this range of thousands of tokens,
const PRIOR: f64 = 2.0;
const RANGE: [f64; 2] = [0.0, 4.0];
/// and its spread like so many, and less the more were seen.
const PRIOR_NOISE: f64 = 2.0;
const PRIOR_FADES: f64 = 10.0;
/// The variance by which the level walks in a second: by a fifth or so in a hundred of them, as public
/// endpoints do. So one that was slow, and is left alone for it, becomes a stranger again within
/// minutes, and is given another chance.
const WALK: f64 = 4e-4;
/// Two observations in a row that are so many deviations off, to one side, are no noise: the level has
/// jumped.
const JUMP: f64 = 2.5;
/// The furthest that one observation is believed to be off, as a logarithm.
const FURTHEST: f64 = 3.0;
/// The same of two successive ones, for the noise.
const FURTHEST_APART: f64 = 1.5;
/// Standard deviations of a normal law to the 90th, 95th and 99th percentile.
const DEVIATIONS: [f64; 3] = [1.282, 1.645, 2.326];

// === impl Line ===

impl Line {
    /// Of a stranger.
    pub fn new(prior: Prior) -> Self {
        Self {
            prior,
            base: prior.first_token,
            slope: prior.per_thousand_input,
            level: 0.0,
            unsure: assumed(prior),
            noise: Noise::default(),
            sums: Sums::default(),
            faded_at: Moment::START,
        }
    }

    /// A first token came after so many seconds.
    pub fn observe(&mut self, now: Moment, input_tokens: u64, seconds: f64) {
        let (x, y) = (thousands(input_tokens), seconds.max(1e-4));
        self.unsure = self.unsure(now);
        self.fade(now);
        let above_shape = (y / (self.base + self.slope * x).max(1e-4)).ln();
        let off = (above_shape - self.level).clamp(-FURTHEST, FURTHEST);
        let noise = self.noise.variance(self.prior);
        if self.noise.jumps(off / (noise + self.unsure).sqrt()) {
            self.unsure = (self.unsure + off * off / 4.0).min(assumed(self.prior));
        }
        let gain = self.unsure / (self.unsure + noise);
        self.level += gain * off;
        self.unsure *= 1.0 - gain;
        self.noise.observe(above_shape);

        // Weighted by what was expected, not by what came: the quick ones would weigh more.
        let expected = (self.base + self.slope * x).max(1e-4);
        self.sums.add(x, y / self.level(), 1.0 / (expected * expected));
        self.sums.count += 1.0;
        self.sums.scale((MOST / self.sums.count).min(1.0));
        self.fit();
    }

    /// Seconds to the first token of a prompt of this size, at the median.
    pub fn at(&self, input_tokens: u64) -> f64 {
        (self.base + self.slope * thousands(input_tokens)) * self.level()
    }

    /// The quantiles of the same at this moment, what is left over being log-normal.
    pub fn ttft(&self, now: Moment, input_tokens: u64) -> Quantiles {
        let p50 = self.at(input_tokens);
        let spread = self.spread(now);
        let [p90, p95, p99] = DEVIATIONS.map(|deviations| p50 * (spread * deviations).exp());
        Quantiles { p50, p90, p95, p99 }
    }

    /// Seconds for an empty prompt, and for each thousand tokens more, but for the level.
    pub const fn shape(&self) -> (f64, f64) {
        (self.base, self.slope)
    }

    fn level(&self) -> f64 {
        self.level.exp()
    }

    /// How many observations it rests on, older ones counting less.
    pub fn count(&self, now: Moment) -> f64 {
        self.sums.count * self.factor(now)
    }

    /// Quantiles of the noise alone, widened by what is not known of the level.
    pub fn widened(&self, now: Moment, noise: Quantiles) -> Quantiles {
        let more = self.spread(now) - self.noise.variance(self.prior).sqrt();
        let [p90, p95, p99] = DEVIATIONS.map(|deviations| (more * deviations).exp());
        Quantiles {
            p50: noise.p50,
            p90: noise.p90 * p90,
            p95: noise.p95 * p95,
            p99: noise.p99 * p99,
        }
    }

    /// The standard deviation of the logarithm of the next first token.
    fn spread(&self, now: Moment) -> f64 {
        (self.noise.variance(self.prior) + self.unsure(now)).sqrt()
    }

    /// The variance of what is known of the level by now; no more than of a stranger's.
    fn unsure(&self, now: Moment) -> f64 {
        (self.unsure + WALK * now.seconds_since(self.faded_at)).min(assumed(self.prior))
    }

    /// Solves the normal equations; neither part of the line is negative.
    fn fit(&mut self) {
        let mut sums = self.sums;
        for x in RANGE {
            let y = self.prior.first_token + self.prior.per_thousand_input * x;
            sums.add(x, y, PRIOR / (y * y));
        }
        let determinant = sums.w * sums.wxx - sums.wx * sums.wx;
        let slope = ((sums.w * sums.wxy - sums.wx * sums.wy) / determinant).max(0.0);
        let base = (sums.wy - slope * sums.wx) / sums.w;
        (self.base, self.slope) = match base > 0.0 {
            true => (base, slope),
            false => (0.0, sums.wxy / sums.wxx),
        };
    }

    fn factor(&self, now: Moment) -> f64 {
        (-now.seconds_since(self.faded_at) / HALF_LIFE).exp2()
    }

    fn fade(&mut self, now: Moment) {
        let factor = self.factor(now);
        self.sums.scale(factor);
        self.faded_at = self.faded_at.max(now);
    }
}

/// The variance that is assumed of a stranger, of his level and of his noise.
fn assumed(prior: Prior) -> f64 {
    let spread = prior.spread.ln() / DEVIATIONS[1];
    spread * spread
}

// === impl Noise ===

impl Noise {
    fn observe(&mut self, value: f64) {
        if let Some(last) = self.last.replace(value) {
            let apart = (value - last).clamp(-FURTHEST_APART, FURTHEST_APART);
            self.squares += apart * apart / 2.0;
            self.count += 1.0;
            let kept = (MOST / self.count).min(1.0);
            self.squares *= kept;
            self.count *= kept;
        }
    }

    fn variance(&self, prior: Prior) -> f64 {
        let weight = PRIOR_NOISE / (1.0 + self.count / PRIOR_FADES);
        (self.squares + weight * assumed(prior)) / (self.count + weight)
    }

    /// Whether this is the second one in a row that is far off, to the same side.
    fn jumps(&mut self, deviations: f64) -> bool {
        let last = std::mem::replace(&mut self.deviations, deviations);
        last.abs().min(deviations.abs()) > JUMP && last * deviations > 0.0
    }
}

// === impl Sums ===

impl Sums {
    fn add(&mut self, x: f64, y: f64, w: f64) {
        self.w += w;
        self.wx += w * x;
        self.wxx += w * x * x;
        self.wy += w * y;
        self.wxy += w * x * y;
    }

    fn scale(&mut self, factor: f64) {
        let Self { count, w, wx, wxx, wy, wxy } = self;
        for sum in [count, w, wx, wxx, wy, wxy] {
            *sum *= factor;
        }
    }
}

fn thousands(tokens: u64) -> f64 {
    tokens as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::after_start(Duration::from_secs(seconds))
    }

    /// A few seconds of an endpoint with this line, half as slow again and half as fast again in
    /// turn.
    fn seen(count: u64, base: f64, slope: f64, spread: f64) -> Line {
        let mut line = Line::new(Prior::of(None));
        for index in 0..count {
            let input = index * 977 % 5000;
            let off = if index % 2 == 0 { spread } else { -spread };
            line.observe(at(index / 10), input, (base + slope * thousands(input)) * off.exp());
        }
        line
    }

    #[test]
    fn a_few_dozen_first_tokens_tell_a_stranger_from_his_prior() {
        let line = seen(40, 0.3, 0.05, 0.2);
        for input in [100, 2000, 7000] {
            let truth = 0.3 + 0.05 * thousands(input);
            let Quantiles { p50, p95, .. } = line.ttft(at(4), input);
            assert!((0.8..1.25).contains(&(p50 / truth)), "{input}: {p50} for {truth}");
            assert!((1.2..2.2).contains(&(p95 / truth)), "{input}: {p95} for {truth}");
        }
    }

    #[test]
    fn sizes_that_were_never_seen_lie_on_the_line() {
        let line = seen(400, 0.2, 0.1, 0.1);
        let far = line.at(16_000);
        assert!((1.6..2.0).contains(&far), "{far}");
    }

    #[test]
    fn a_slow_minute_is_learnt_within_dozens_and_a_stranger_grows_stranger_again() {
        let mut line = seen(400, 0.3, 0.05, 0.1);
        for _ in 0..60 {
            line.observe(at(41), 1000, 1.05);
        }
        assert!((0.85..1.3).contains(&line.at(1000)), "{}", line.at(1000));
        assert!(line.count(at(41)) > 99.0 && line.count(at(3641)) < 1.0);
        assert!(line.spread(at(3641)) > 2.0 * line.spread(at(41)));
    }

    #[test]
    fn a_jump_is_followed_at_once_and_is_no_noise() {
        let mut line = seen(400, 0.3, 0.05, 0.1);
        let before = line.noise.variance(line.prior);
        for _ in 0..6 {
            line.observe(at(41), 1000, 1.05);
        }
        assert!((0.8..1.2).contains(&line.at(1000)), "{}", line.at(1000));
        assert!(line.noise.variance(line.prior) < before * 2.0);
    }

    proptest! {
        #[test]
        fn whatever_is_seen_times_are_positive_and_in_order(
            seen in proptest::collection::vec((0u64..200_000, 0.0f64..1e4, 0u64..100), 0..50),
            input in 0u64..1_000_000,
        ) {
            let mut line = Line::new(Prior::of(None));
            let mut now = Moment::START;
            for (input, seconds, later) in seen {
                now = now + Duration::from_secs(later);
                line.observe(now, input, seconds);
            }
            let ttft = line.ttft(now, input);
            prop_assert!(ttft.p50 > 0.0 && ttft.p99.is_finite());
            prop_assert!(ttft.p50 <= ttft.p90 && ttft.p90 <= ttft.p95 && ttft.p95 <= ttft.p99);
        }
    }
}
