//! How an endpoint fares at this moment: a small copy for one decision.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::exact;
use crate::moment::Moment;

/// What is known of one endpoint (with its model and credential) for a request of one size.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LiveView {
    /// Whether it may be asked at all now.
    pub gate: Gate,
    /// Tokens of the prompt that its cache is expected to have.
    #[serde(default)]
    pub cached_tokens: u64,
    /// Seconds to the first token of a request of this size: what was seen, leaning on the prior
    /// where little was.
    pub ttft: Quantiles,
    /// How many first tokens of any size this rests on, older ones counting less.
    pub samples: u32,
    /// Output tokens per second of one answer, once it runs.
    #[serde(with = "exact")]
    pub tokens_per_second: f64,
    /// How probable it is that an attempt fails, `0.0..=1.0`.
    #[serde(with = "exact")]
    pub failure: f64,
    /// Attempts that are under way.
    pub pending: u32,
    /// Seconds of work that a leased machine has before it, by its stated capacity; otherwise 0.
    #[serde(with = "exact")]
    pub queue: f64,
}

/// Whether an endpoint may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gate {
    /// It may.
    Clear,
    /// Its breaker is open: it failed too often, or somebody is just trying whether it is well.
    Sick {
        /// When it may be tried again.
        until: Moment,
    },
    /// It asked to be left alone (429, or 503 with `retry-after`). That is a matter of quota, not
    /// of health.
    Cooling {
        /// When it may be asked again.
        until: Moment,
    },
    /// What the operator lets it have per minute is spent.
    Spent {
        /// When there is room again.
        until: Moment,
    },
    /// As many attempts are under way as it can bear.
    Full,
}

/// Quantiles in seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Quantiles {
    /// The median.
    #[serde(with = "exact")]
    pub p50: f64,
    /// Nine of ten are below.
    #[serde(with = "exact")]
    pub p90: f64,
    /// 19 of 20 are below.
    #[serde(with = "exact")]
    pub p95: f64,
    /// 99 of 100 are below.
    #[serde(with = "exact")]
    pub p99: f64,
}

/// One of the quantiles that are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Quantile {
    /// The median.
    P50,
    /// Nine of ten are below.
    P90,
    /// 19 of 20 are below.
    P95,
    /// 99 of 100 are below.
    P99,
}

// === impl Gate ===

impl Gate {
    /// Whether the endpoint may be asked.
    pub const fn is_clear(self) -> bool {
        matches!(self, Self::Clear)
    }

    /// How long until it may be asked again, as far as that is known: a full endpoint has room as
    /// soon as some answer ends.
    pub const fn opens_in(self, now: Moment) -> Option<Duration> {
        match self {
            Self::Clear => Some(Duration::ZERO),
            Self::Sick { until } | Self::Cooling { until } | Self::Spent { until } => {
                Some(until.since(now))
            }
            Self::Full => None,
        }
    }

    /// The word for logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Clear => "clear",
            Self::Sick { .. } => "sick",
            Self::Cooling { .. } => "cooling",
            Self::Spent { .. } => "spent",
            Self::Full => "full",
        }
    }
}

// === impl Quantiles ===

impl Quantiles {
    /// The quantile asked for, in seconds.
    pub const fn at(&self, quantile: Quantile) -> f64 {
        match quantile {
            Quantile::P50 => self.p50,
            Quantile::P90 => self.p90,
            Quantile::P95 => self.p95,
            Quantile::P99 => self.p99,
        }
    }

    /// The probability that it takes longer than so many seconds: linear between the quantiles, and
    /// beyond them as a power. It is asked for every endpoint of every decision, so it is no
    /// distribution function.
    pub fn beyond(&self, seconds: f64) -> f64 {
        let between = |[quick, slow]: [f64; 2], [more, less]: [f64; 2]| {
            more + (less - more) * ((seconds - quick) / (slow - quick).max(1e-9))
        };
        if seconds >= self.p99 {
            0.01 * (self.p99 / seconds.max(1e-9)).powi(8)
        } else if seconds >= self.p95 {
            between([self.p95, self.p99], [0.05, 0.01])
        } else if seconds >= self.p90 {
            between([self.p90, self.p95], [0.10, 0.05])
        } else if seconds >= self.p50 {
            between([self.p50, self.p90], [0.50, 0.10])
        } else {
            let short = (seconds / self.p50).max(0.0);
            1.0 - 0.5 * short * short
        }
    }

    /// The same behind others that take so many seconds together, give or take a fifth.
    pub(crate) fn behind(self, seconds: f64) -> Self {
        Self {
            p50: self.p50 + seconds,
            p90: self.p90 + seconds * 1.26,
            p95: self.p95 + seconds * 1.33,
            p99: self.p99 + seconds * 1.47,
        }
    }

    /// Each quantile changed in the same way.
    pub(crate) fn map(self, change: impl Fn(f64) -> f64) -> Self {
        Self {
            p50: change(self.p50),
            p90: change(self.p90),
            p95: change(self.p95),
            p99: change(self.p99),
        }
    }
}

// === impl Quantile ===

impl Quantile {
    /// Every quantile with the word for it.
    pub const WORDS: &'static [(&'static str, Self)] =
        &[("p50", Self::P50), ("p90", Self::P90), ("p95", Self::P95), ("p99", Self::P99)];

    /// The fraction below.
    pub const fn fraction(self) -> f64 {
        match self {
            Self::P50 => 0.5,
            Self::P90 => 0.9,
            Self::P95 => 0.95,
            Self::P99 => 0.99,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_beyond_agrees_with_the_quantiles_and_falls() {
        let ttft = Quantiles { p50: 0.4, p90: 0.6, p95: 0.7, p99: 1.0 };
        for (seconds, beyond) in [(0.0, 1.0), (0.4, 0.5), (0.6, 0.1), (0.7, 0.05), (1.0, 0.01)] {
            assert!((ttft.beyond(seconds) - beyond).abs() < 1e-9, "{seconds}");
        }
        let beyond = |step: u32| ttft.beyond(f64::from(step) / 100.0);
        assert!((0..300).all(|step| beyond(step) >= beyond(step + 1)));
        let one = Quantiles { p50: 0.4, p90: 0.4, p95: 0.4, p99: 0.4 };
        assert!(one.beyond(0.3) > 0.5 && one.beyond(0.5) < 0.01);
        assert!(Quantiles::default().beyond(0.1) < 0.01);
    }
}
