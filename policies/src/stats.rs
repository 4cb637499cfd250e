//! What was seen of one endpoint at work: time to the first token by size of prompt, pace,
//! failures.

use std::time::Duration;

use crate::crowding::Crowding;
use crate::line::Line;
use crate::live::Quantiles;
use crate::moment::Moment;
use crate::prior::Prior;
use crate::sketch::Windows;

/// Everything that is remembered of one endpoint, with its model and credential.
pub struct EndpointStats {
    prior: Prior,
    /// First tokens of each size, as shares of what the line said at that moment: so prompts at the two
    /// ends of a bucket are told apart, and a slow minute that is over is no slowness.
    ttft: [Windows; BUCKETS],
    /// What sizes that were seen say of those that were not.
    line: Line,
    /// How prompts that wait delay each other, where it is a machine of one's own.
    crowding: Option<Crowding>,
    /// Tokens that were generated and the seconds that it took.
    pace: (Fading, Fading),
    attempts: Fading,
    failures: Fading,
    /// Until when the two above have faded, and the pace.
    faded_at: Moment,
}

/// A sum in which the past counts ever less.
#[derive(Debug, Clone, Copy, Default)]
struct Fading(f64);

/// The upper ends of the sizes of prompts, in tokens; the last bucket has none.
pub const BUCKET_ENDS: [u64; BUCKETS - 1] = [256, 1_024, 2_048, 4_096, 8_192, 16_384, 32_768];

/// How many sizes of prompts are told apart.
pub const BUCKETS: usize = 8;

/// As many first tokens of the newest minutes are enough to judge by.
const ENOUGH: usize = 100;
/// On a machine of one's own, first tokens with less than this ahead, as a share of their own time, tell
/// how long one takes undisturbed; others only until so many are known.
const ALONE: f64 = 0.1;
const KNOWN: f64 = 8.0;
/// So many others and fewer find a place anywhere.
const FEW: u32 = 3;
/// A machine of one's own is hardly ever so many times as slow as usual by noise alone.
const NOISIEST: f64 = 1.6;
/// What other sizes say counts like so many first tokens of this one: of fewer, a p95 is a guess.
const LINE_FIRST_TOKENS: f64 = 20.0;
/// The prior counts like so many attempts,
const PRIOR_ATTEMPTS: f64 = 10.0;
/// and like so many generated tokens.
const PRIOR_TOKENS: f64 = 100.0;
/// After this time a failure, or a token, counts half.
const HALF_LIFE: f64 = 60.0;

/// In which bucket a prompt of this size is.
#[inline]
pub fn bucket(input_tokens: u64) -> usize {
    BUCKET_ENDS.iter().take_while(|end| input_tokens > **end).count()
}

/// A size that stands for a bucket: about its middle.
#[inline]
pub(crate) fn typical(bucket: usize) -> u64 {
    match bucket {
        0 => 128,
        _ => BUCKET_ENDS[bucket - 1] * 3 / 2,
    }
}

/// How much longer a prompt of this size takes than the one that stands for its bucket, by a line.
/// No line is believed about more than a factor of four.
#[inline]
pub(crate) fn scale(base: f64, slope: f64, input_tokens: u64) -> f64 {
    let at = |tokens: u64| base + slope * tokens as f64 / 1000.0;
    let scale = at(input_tokens) / at(typical(bucket(input_tokens)));
    if scale.is_finite() { scale.clamp(0.25, 4.0) } else { 1.0 }
}

// === impl EndpointStats ===

impl EndpointStats {
    /// A stranger; `is_own` is a machine of one's own, whose prompts delay each other.
    pub fn new(prior: Prior, is_own: bool) -> Self {
        Self {
            prior,
            ttft: Default::default(),
            line: Line::new(prior),
            crowding: is_own.then(Crowding::default),
            pace: Default::default(),
            attempts: Fading::default(),
            failures: Fading::default(),
            faded_at: Moment::START,
        }
    }

    /// The first token of an answer came after so long, with prompts of so many seconds before it.
    /// An attempt that was given up without one is
    /// told here too: it took at least as long as it was waited for, so silence is not taken for
    /// speed.
    pub fn first_token(&mut self, now: Moment, input_tokens: u64, ahead: f64, ttft: Duration) {
        let bucket = bucket(input_tokens);
        let mut seconds = ttft.as_secs_f64();
        if let Some(crowding) = &mut self.crowding {
            let own = self.line.at(input_tokens).max(1e-4);
            crowding.observe(ahead / own, seconds / own);
            // What is kept is how long it takes undisturbed.
            seconds /= crowding.times(ahead / own);
            // A guess at the delay would pass for noise of its own.
            if ahead > ALONE * own && self.line.count(now) >= KNOWN {
                return;
            }
        }
        self.line.observe(now, input_tokens, seconds);
        self.ttft[bucket].add(now, seconds / self.line.at(input_tokens).max(1e-4));
    }

    /// Whether a first token on a machine of one's own is far later than the prompts ahead and its noise
    /// explain, so that it has waited for a place among the others; `None` where that cannot be told. One
    /// that had few beside it has not: there the machine is slow.
    pub fn waited(
        &self,
        now: Moment,
        input_tokens: u64,
        ahead: f64,
        ttft: Duration,
        beside: u32,
    ) -> Option<bool> {
        let crowding = self.crowding?;
        // Those that were not seen to wait are noise by now; the machine's own is no more than this.
        let Quantiles { p50, p99, .. } = self.line.ttft(now, input_tokens);
        let own = p99.min(p50 * NOISIEST);
        let known = self.line.count(now) >= KNOWN && beside >= FEW;
        known.then(|| ttft.as_secs_f64() > own + ahead * crowding.share().max(1.0))
    }

    /// So many tokens came in so long, after the first one.
    pub fn generated(&mut self, now: Moment, tokens: u64, time: Duration) {
        self.fade(now);
        self.pace.0.0 += tokens as f64;
        self.pace.1.0 += time.as_secs_f64();
    }

    /// An attempt showed that the endpoint is well, or that it is not.
    pub fn attempted(&mut self, now: Moment, failed: bool) {
        self.fade(now);
        self.attempts.0 += 1.0;
        if failed {
            self.failures.0 += 1.0;
        }
    }

    /// Quantiles of the time to the first token for a prompt of the size that stands for this
    /// bucket, and how many first tokens of any size they rest on, older ones counting less. What was
    /// seen of this size is weighed against what all sizes say.
    pub fn ttft(&self, now: Moment, bucket: usize) -> (Quantiles, u32) {
        let expected = self.line.ttft(now, typical(bucket));
        let known = self.line.count(now) as u32;
        let Some(seen) = self.ttft[bucket].lately(now, ENOUGH) else { return (expected, known) };
        let Some(quantiles) = seen.quantiles() else { return (expected, known) };
        let here = self.line.at(typical(bucket));
        let quantiles = self.line.widened(now, quantiles.map(|times| times * here));
        let count = seen.count() as f64;
        let weight = count / (count + LINE_FIRST_TOKENS);
        let mix = |seen: f64, expected: f64| seen * weight + expected * (1.0 - weight);
        let mixed = Quantiles {
            p50: mix(quantiles.p50, expected.p50),
            p90: mix(quantiles.p90, expected.p90),
            p95: mix(quantiles.p95, expected.p95),
            p99: mix(quantiles.p99, expected.p99),
        };
        (mixed, known)
    }

    /// How long a first token would take undisturbed, where prompts delay each other.
    pub fn undisturbed(&self, input_tokens: u64) -> Option<f64> {
        self.crowding.map(|_| self.line.at(input_tokens))
    }

    /// By which share of their length prompts that wait delay the next one.
    pub fn crowding(&self) -> f64 {
        self.crowding.map_or(0.0, |crowding| crowding.share())
    }

    /// How time grows with the prompt: seconds for an empty one, and for each thousand tokens more.
    pub const fn shape(&self) -> (f64, f64) {
        self.line.shape()
    }

    /// The probability that the next attempt fails: the mean of a Beta distribution whose prior is
    /// worth some attempts.
    pub fn failure(&self, now: Moment) -> f64 {
        let faded = self.factor(now);
        let expected = self.prior.failure * PRIOR_ATTEMPTS;
        (self.failures.0 * faded + expected) / (self.attempts.0 * faded + PRIOR_ATTEMPTS)
    }

    /// Output tokens per second of one answer.
    pub fn tokens_per_second(&self, now: Moment) -> f64 {
        let faded = self.factor(now);
        let tokens = self.pace.0.0 * faded + PRIOR_TOKENS;
        let seconds = self.pace.1.0 * faded + PRIOR_TOKENS / self.prior.tokens_per_second;
        tokens / seconds
    }

    /// Attempts and failures of the last minute or so, older ones counting less.
    pub fn recent(&self, now: Moment) -> (f64, f64) {
        let faded = self.factor(now);
        (self.attempts.0 * faded, self.failures.0 * faded)
    }

    fn factor(&self, now: Moment) -> f64 {
        (-now.seconds_since(self.faded_at) / HALF_LIFE).exp2()
    }

    fn fade(&mut self, now: Moment) {
        let factor = self.factor(now);
        for sum in [&mut self.pace.0, &mut self.pace.1, &mut self.attempts, &mut self.failures] {
            sum.0 *= factor;
        }
        self.faded_at = self.faded_at.max(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::after_start(Duration::from_secs(seconds))
    }

    fn stranger() -> EndpointStats {
        EndpointStats::new(Prior::of(None), false)
    }

    #[test]
    fn sizes_are_told_apart() {
        assert_eq!(
            [0, 256, 257, 1024, 32_768, 32_769, u64::MAX].map(bucket),
            [0, 0, 1, 1, 6, 7, 7]
        );
        for number in 0..BUCKETS {
            assert_eq!(bucket(typical(number)), number);
        }
    }

    #[test]
    fn what_is_seen_outweighs_what_was_assumed() {
        let mut stats = stranger();
        let (assumed, samples) = stats.ttft(at(1), 1);
        assert_eq!(samples, 0);
        for _ in 0..400 {
            stats.first_token(at(1), 1000, 0.0, Duration::from_millis(200));
        }
        let (seen, samples) = stats.ttft(at(1), 1);
        assert_eq!(samples, 100, "more would not make it surer");
        assert!(assumed.p95 > 3.0 && (seen.p95 - 0.2).abs() < 0.03, "{seen:?}");
        let (other_size, _) = stats.ttft(at(1), 2);
        assert!(other_size.p95 < assumed.p95 / 3.0, "a fast one is fast with other sizes too");
    }

    #[test]
    fn failures_are_weighed_against_a_prior_and_forgotten() {
        let mut stats = stranger();
        assert!((stats.failure(at(0)) - 0.05).abs() < 1e-9);
        for _ in 0..30 {
            stats.attempted(at(1), true);
        }
        assert!(stats.failure(at(1)) > 0.7);
        assert!((stats.failure(at(3600)) - 0.05).abs() < 1e-6);
        for _ in 0..1000 {
            stats.attempted(at(3600), false);
        }
        assert!(stats.failure(at(3600)) < 0.001);
    }

    #[test]
    fn pace_is_tokens_by_seconds() {
        let mut stats = stranger();
        assert!((stats.tokens_per_second(at(0)) - 30.0).abs() < 1e-9);
        for _ in 0..100 {
            stats.generated(at(1), 500, Duration::from_secs(5));
        }
        assert!((stats.tokens_per_second(at(1)) - 100.0).abs() < 1.0);
    }
}
