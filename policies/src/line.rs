//! How an endpoint's time to the first token grows with the prompt: a line, learnt, and how far off
//! it usually is.
//!
//! An endpoint is seen with prompts of some sizes and asked about others. So one line is kept for all
//! sizes, fitted by least squares of relative errors in which the past fades, with the prior's line as
//! a few observations of its own; how much slower the endpoint is at this moment is learnt apart, and
//! faster. What is left over has a spread; with it a few dozen first tokens are enough to tell a p95.

use crate::live::Quantiles;
use crate::moment::Moment;
use crate::prior::Prior;

/// What is known of one endpoint's first tokens of any size.
#[derive(Debug, Clone)]
pub struct Line {
    prior: Prior,
    /// Seconds for an empty prompt, and for each thousand tokens more.
    base: f64,
    slope: f64,
    /// How much slower than the prior, as a logarithm: it moves the prior's own observations.
    level: f64,
    /// How much slower than the line at this moment, as a logarithm.
    bias: f64,
    sums: Sums,
    faded_at: Moment,
}

/// Sums over what was seen: `x` thousands of tokens, `y` seconds, weighted by `1/y²`.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    count: f64,
    w: f64,
    wx: f64,
    wxx: f64,
    wy: f64,
    wxy: f64,
    /// Squares of what was left over.
    squares: f64,
}

/// After so many seconds an observation counts half: an endpoint that was slow, and is left alone for
/// it, becomes a stranger again within minutes, and is given another chance.
const HALF_LIFE: f64 = 120.0;
/// No more observations than this count, however many come.
const MOST: f64 = 100.0;
/// The prior counts like so many observations at either end of this range of thousands of tokens,
const PRIOR: f64 = 2.0;
const RANGE: [f64; 2] = [0.0, 4.0];
/// and its spread like so many.
const PRIOR_SPREAD: f64 = 2.0;
/// What a new observation moves level and bias, once there are many; while there are few, more.
const GAIN: f64 = 0.05;
/// The furthest that one observation is believed to be off, as a logarithm.
const FURTHEST: f64 = 3.0;
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
            bias: 0.0,
            sums: Sums::default(),
            faded_at: Moment::START,
        }
    }

    /// A first token came after so many seconds.
    pub fn observe(&mut self, now: Moment, input_tokens: u64, seconds: f64) {
        let (x, y) = (thousands(input_tokens), seconds.max(1e-4));
        self.fade(now);
        let left_over = (y / self.at(input_tokens)).ln().clamp(-FURTHEST, FURTHEST);
        let gain = GAIN.max(1.0 / (self.sums.count + 1.0));
        let above_prior = (y / self.assumed(x)).ln() - self.level;
        self.level += gain * above_prior.clamp(-FURTHEST, FURTHEST);
        if self.sums.count >= 1.0 {
            self.bias += gain * left_over;
            self.sums.squares += left_over * left_over;
        }
        let w = 1.0 / (y * y);
        self.sums.add(x, y, w);
        self.sums.count += 1.0;
        self.sums.scale((MOST / self.sums.count).min(1.0));
        self.fit();
    }

    /// Seconds to the first token of a prompt of this size, at the median.
    pub fn at(&self, input_tokens: u64) -> f64 {
        (self.base + self.slope * thousands(input_tokens)) * self.bias.exp()
    }

    /// The quantiles of the same at this moment, what is left over being log-normal.
    pub fn ttft(&self, now: Moment, input_tokens: u64) -> Quantiles {
        let p50 = self.at(input_tokens);
        let spread = self.spread(now);
        let [p90, p95, p99] = DEVIATIONS.map(|deviations| p50 * (spread * deviations).exp());
        Quantiles { p50, p90, p95, p99 }
    }

    /// The line without its bias: seconds for an empty prompt, and for each thousand tokens more.
    pub const fn shape(&self) -> (f64, f64) {
        (self.base, self.slope)
    }

    /// How many observations it rests on, older ones counting less.
    pub fn count(&self, now: Moment) -> f64 {
        self.sums.count * self.factor(now)
    }

    /// The standard deviation of the logarithm of what is left over.
    fn spread(&self, now: Moment) -> f64 {
        let assumed = self.prior.spread.ln() / DEVIATIONS[1];
        let faded = self.factor(now);
        let squares = self.sums.squares * faded + PRIOR_SPREAD * assumed * assumed;
        (squares / (self.sums.count * faded + PRIOR_SPREAD)).sqrt()
    }

    /// Seconds by the prior.
    fn assumed(&self, x: f64) -> f64 {
        self.prior.first_token + self.prior.per_thousand_input * x
    }

    /// Solves the normal equations; neither part of the line is negative.
    fn fit(&mut self) {
        let mut sums = self.sums;
        for x in RANGE {
            let y = self.assumed(x) * self.level.exp();
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
        let Self { count, w, wx, wxx, wy, wxy, squares } = self;
        for sum in [count, w, wx, wxx, wy, wxy, squares] {
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
