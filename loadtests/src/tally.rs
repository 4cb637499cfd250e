//! What a run saw: counts, and histograms in nanoseconds.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

/// Longer times are recorded as this.
const LONGEST: Duration = Duration::from_secs(120);
/// Three significant digits: within 0.1 % of the value.
const DIGITS: u8 = 3;

/// Counts and times of one run. Only what happened inside the window is in it, except failures,
/// which spoil a run whenever they happen.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Requests that were answered in full.
    pub requests: u64,
    /// Events of streamed answers.
    pub chunks: u64,
    /// Reads of a socket that completed at least one event.
    pub reads: u64,
    /// From the intended start to the last byte.
    pub latency: Times,
    /// From the intended start to the first event, or to the first byte of a body.
    pub first_chunk: Times,
    /// Between two reads of one stream that completed events.
    pub gap: Times,
    /// From the intended start to the real one: how late the generator itself was.
    pub lateness: Times,
    /// What failed, and how often.
    pub failures: BTreeMap<String, u64>,
}

/// A histogram of durations.
#[derive(Debug, Clone)]
pub struct Times(Histogram<u64>);

// === impl Tally ===

impl Tally {
    /// How many requests failed.
    pub fn failed(&self) -> u64 {
        self.failures.values().sum()
    }

    /// Counts a failure by its words.
    pub fn fail(&mut self, words: String) {
        *self.failures.entry(words).or_default() += 1;
    }

    /// Events per read: 1 where every event arrives alone, more where a proxy lumps them.
    pub fn chunks_per_read(&self) -> f64 {
        self.chunks as f64 / self.reads.max(1) as f64
    }

    /// Everything as JSON, times in microseconds.
    pub fn to_json(&self) -> Value {
        json!({
            "requests": self.requests,
            "failed": self.failed(),
            "failures": self.failures,
            "chunks": self.chunks,
            "chunks_per_read": self.chunks_per_read(),
            "latency_us": self.latency.to_json(),
            "first_chunk_us": self.first_chunk.to_json(),
            "gap_us": self.gap.to_json(),
            "lateness_us": self.lateness.to_json(),
        })
    }
}

// === impl Times ===

impl Default for Times {
    fn default() -> Self {
        let longest = LONGEST.as_nanos() as u64;
        Self(Histogram::new_with_max(longest, DIGITS).expect("constant bounds are valid"))
    }
}

impl Times {
    /// Adds one duration.
    pub fn record(&mut self, duration: Duration) {
        self.0.saturating_record(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX));
    }

    /// The given percentile in microseconds; 0 where nothing was recorded.
    pub fn percentile_us(&self, percentile: f64) -> f64 {
        self.0.value_at_percentile(percentile) as f64 / 1000.0
    }

    fn to_json(&self) -> Value {
        json!({
            "count": self.0.len(),
            "p50": self.percentile_us(50.0),
            "p90": self.percentile_us(90.0),
            "p99": self.percentile_us(99.0),
            "max": self.0.max() as f64 / 1000.0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_within_a_thousandth() {
        let mut times = Times::default();
        for microseconds in 1..=1000 {
            times.record(Duration::from_micros(microseconds));
        }
        for (percentile, expected) in [(50.0, 500.0), (99.0, 990.0), (100.0, 1000.0)] {
            let seen = times.percentile_us(percentile);
            assert!((seen / expected - 1.0).abs() < 0.001, "p{percentile} was {seen}");
        }
    }

    #[test]
    fn nothing_recorded_is_zero_and_too_long_is_the_longest() {
        let mut times = Times::default();
        assert_eq!(times.percentile_us(99.0), 0.0);
        times.record(Duration::from_secs(100_000));
        assert!((times.percentile_us(50.0) / 120e6 - 1.0).abs() < 0.001);
    }

    #[test]
    fn failures_add_up() {
        let mut tally = Tally::default();
        tally.fail("status 500".into());
        tally.fail("status 500".into());
        tally.fail("refused".into());
        assert_eq!((tally.failed(), tally.failures["status 500"]), (3, 2));
    }
}
