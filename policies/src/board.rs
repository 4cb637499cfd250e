//! Where one endpoint's figures are put up, so that a decision reads them without a lock.
//!
//! Each figure stands by itself: a reader may see a new one beside an old one, which a decision can
//! bear. The one who writes holds the lock of [`crate::monitor`].

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use crate::affinity::Prompt;
use crate::live::{Gate, LiveView, Quantiles};
use crate::moment::Moment;
use crate::stats::{BUCKETS, bucket, scale};

/// The figures of one endpoint.
#[derive(Default)]
pub(crate) struct Board {
    pub(crate) pending: AtomicU32,
    limit: AtomicU32,
    sick_until: AtomicU64,
    cooling_until: AtomicU64,
    spent_until: AtomicU64,
    queue_empty_at: AtomicU64,
    /// When the prompts that wait would be read, one after the other.
    line_empty_at: AtomicU64,
    /// Tokens per second and the probability of failure.
    pace_and_failure: Pair,
    /// How first tokens grow with the prompt: seconds for an empty one, and per thousand tokens.
    shape: Pair,
    /// By which share of their length those delay the next; and the share of what was read that a prompt
    /// cache keeps.
    crowding_and_kept: Pair,
    ttft: [Row; BUCKETS],
}

/// The first tokens of one size.
#[derive(Default)]
struct Row {
    p50_and_p90: Pair,
    p95_and_p99: Pair,
    samples: AtomicU32,
}

/// Two figures that are written as one. Seven digits are more than any of them is worth.
#[derive(Default)]
struct Pair(AtomicU64);

/// When an endpoint may be asked again, for each reason why it may not.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gates {
    pub(crate) sick_until: Moment,
    pub(crate) cooling_until: Moment,
    pub(crate) spent_until: Moment,
    pub(crate) limit: u32,
}

// === impl Board ===

impl Board {
    #[inline]
    pub(crate) fn view(&self, now: Moment, prompt: Prompt) -> LiveView {
        let (crowding, kept) = self.crowding_and_kept.read();
        let cached_tokens = prompt.cached(kept);
        let input_tokens = prompt.tokens - cached_tokens;
        let row = &self.ttft[bucket(input_tokens)];
        let (p50, p90) = row.p50_and_p90.read();
        let (p95, p99) = row.p95_and_p99.read();
        let (base, slope) = self.shape.read();
        let ahead = read(&self.line_empty_at).seconds_since(now);
        let delay = crowding * ahead;
        let scale = scale(base, slope, input_tokens);
        let (tokens_per_second, failure) = self.pace_and_failure.read();
        let pending = self.pending.load(Relaxed);
        LiveView {
            gate: self.gates().at(now, pending),
            cached_tokens,
            ttft: Quantiles { p50, p90, p95, p99 }.map(|seconds| seconds * scale).behind(delay),
            samples: row.samples.load(Relaxed),
            tokens_per_second,
            failure,
            pending,
            queue: read(&self.queue_empty_at).seconds_since(now),
        }
    }

    fn gates(&self) -> Gates {
        Gates {
            sick_until: read(&self.sick_until),
            cooling_until: read(&self.cooling_until),
            spent_until: read(&self.spent_until),
            limit: self.limit.load(Relaxed),
        }
    }

    pub(crate) fn put_gates(&self, gates: Gates) {
        self.sick_until.store(gates.sick_until.nanos(), Relaxed);
        self.cooling_until.store(gates.cooling_until.nanos(), Relaxed);
        self.spent_until.store(gates.spent_until.nanos(), Relaxed);
        self.limit.store(gates.limit, Relaxed);
    }

    pub(crate) fn samples(&self, bucket: usize) -> u32 {
        self.ttft[bucket].samples.load(Relaxed)
    }

    pub(crate) fn put_queue(&self, empty_at: Moment) {
        self.queue_empty_at.store(empty_at.nanos(), Relaxed);
    }

    pub(crate) fn put_line(&self, empty_at: Moment) {
        self.line_empty_at.store(empty_at.nanos(), Relaxed);
    }

    pub(crate) fn put_rates(&self, tokens_per_second: f64, failure: f64) {
        self.pace_and_failure.write(tokens_per_second, failure);
    }

    pub(crate) fn put_shape(&self, (base, slope): (f64, f64)) {
        self.shape.write(base, slope);
    }

    pub(crate) fn put_crowding(&self, crowding: f64, kept: f64) {
        self.crowding_and_kept.write(crowding, kept);
    }

    pub(crate) fn put_ttft(&self, bucket: usize, ttft: Quantiles, samples: u32) {
        let row = &self.ttft[bucket];
        row.p50_and_p90.write(ttft.p50, ttft.p90);
        row.p95_and_p99.write(ttft.p95, ttft.p99);
        row.samples.store(samples, Relaxed);
    }
}

#[inline]
fn read(moment: &AtomicU64) -> Moment {
    Moment::from_nanos(moment.load(Relaxed))
}

// === impl Gates ===

impl Gates {
    /// What keeps the endpoint from being asked; of several reasons, the one that lasts longest.
    #[inline]
    pub(crate) fn at(self, now: Moment, pending: u32) -> Gate {
        let last = self.sick_until.max(self.cooling_until).max(self.spent_until);
        if last <= now {
            return if pending >= self.limit { Gate::Full } else { Gate::Clear };
        }
        if last == self.sick_until {
            Gate::Sick { until: last }
        } else if last == self.cooling_until {
            Gate::Cooling { until: last }
        } else {
            Gate::Spent { until: last }
        }
    }
}

// === impl Pair ===

impl Pair {
    #[inline]
    fn read(&self) -> (f64, f64) {
        let both = self.0.load(Relaxed);
        (f32::from_bits((both >> 32) as u32).into(), f32::from_bits(both as u32).into())
    }

    fn write(&self, first: f64, second: f64) {
        let bits = |figure: f64| u64::from((figure as f32).to_bits());
        self.0.store(bits(first) << 32 | bits(second), Relaxed);
    }
}
