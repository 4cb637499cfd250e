//! What a run comes to, and what ten runs say.

use serde::Serialize;

use super::simulation::Record;

/// The figures of one contender on one seed.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Run {
    /// What all attempts were charged by the token, in dollars. A lease's hour is the same for all
    /// and is not in it.
    pub cost_usd: f64,
    /// Median time from arrival to first token of the answered requests, in milliseconds.
    pub ttft_p50_ms: f64,
    /// 95th percentile of the same.
    pub ttft_p95_ms: f64,
    /// 99th percentile of the same.
    pub ttft_p99_ms: f64,
    /// Requests in a hundred whose first token came after the bound, or that failed.
    pub miss_percent: f64,
    /// Requests in a hundred that failed: no answer, or one that broke.
    pub failed_percent: f64,
    /// Attempts to a request.
    pub attempts: f64,
    /// Requests in a hundred with a second attempt beside the first.
    pub hedged_percent: f64,
    /// Cost above the strict oracle's on the same seed, in percent of the oracle's.
    pub regret_percent: f64,
    /// Misses above the strict oracle's on the same seed, in points.
    pub miss_points: f64,
    /// The same two against the sparing oracle.
    pub sparing_regret_percent: f64,
    /// See `sparing_regret_percent`.
    pub sparing_miss_points: f64,
    /// The share of requests that each endpoint answered.
    pub shares: Vec<f64>,
}

/// A mean over seeds with its 95 % confidence interval.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Interval {
    /// The mean.
    pub mean: f64,
    /// Half of the interval's width, by Student's t; 0 for a single seed.
    pub half: f64,
}

/// Student's t at 97.5 % by degrees of freedom, from one on.
const STUDENT: [f64; 15] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160,
    2.145, 2.131,
];

const PICO: f64 = 1e12;

// === impl Run ===

impl Run {
    /// The figures of these records, under a bound in nanoseconds.
    pub fn of(records: &[Record], slo: u64, endpoints: usize) -> Self {
        let count = records.len().max(1) as f64;
        let percent = |of: &dyn Fn(&Record) -> bool| {
            records.iter().filter(|record| of(record)).count() as f64 / count * 100.0
        };
        let mut ttfts: Vec<u64> = records.iter().filter_map(|record| record.ttft).collect();
        ttfts.sort_unstable();
        let quantile = |share: f64| {
            let index = ((ttfts.len() as f64 * share) as usize).min(ttfts.len().saturating_sub(1));
            ttfts.get(index).map_or(0.0, |ttft| *ttft as f64 / 1e6)
        };
        let pico: i128 = records.iter().map(|record| record.cost.pico_dollars()).sum();
        let mut shares = vec![0.0; endpoints];
        for endpoint in records.iter().filter_map(|record| record.endpoint) {
            shares[endpoint] += 1.0 / count;
        }
        Self {
            cost_usd: pico as f64 / PICO,
            ttft_p50_ms: quantile(0.50),
            ttft_p95_ms: quantile(0.95),
            ttft_p99_ms: quantile(0.99),
            miss_percent: percent(&|record| record.misses(slo)),
            failed_percent: percent(&|record| !record.whole),
            attempts: records.iter().map(|record| f64::from(record.attempts)).sum::<f64>() / count,
            hedged_percent: percent(&|record| record.hedged),
            shares,
            ..Self::default()
        }
    }

    /// With the regret against the two oracles.
    #[must_use]
    pub fn against(self, strict: &Self, sparing: &Self) -> Self {
        let above = |oracle: &Self| (self.cost_usd / oracle.cost_usd - 1.0) * 100.0;
        Self {
            regret_percent: above(strict),
            miss_points: self.miss_percent - strict.miss_percent,
            sparing_regret_percent: above(sparing),
            sparing_miss_points: self.miss_percent - sparing.miss_percent,
            ..self
        }
    }
}

// === impl Record ===

impl Record {
    /// Whether the first token came after the bound, or the answer was not whole.
    pub fn misses(&self, slo: u64) -> bool {
        !self.whole || self.ttft.is_none_or(|ttft| ttft > slo)
    }
}

// === impl Interval ===

impl Interval {
    /// The mean of these values and its interval.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let values: Vec<f64> = values.into_iter().collect();
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count.max(1.0);
        if values.len() < 2 {
            return Self { mean, half: 0.0 };
        }
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let error = (squares / (count - 1.0) / count).sqrt();
        let student = STUDENT.get(values.len() - 2).copied().unwrap_or(1.96);
        Self { mean, half: student * error }
    }

    /// Its lower end.
    pub fn low(self) -> f64 {
        self.mean - self.half
    }

    /// Its upper end.
    pub fn high(self) -> f64 {
        self.mean + self.half
    }
}

#[cfg(test)]
mod tests {
    use isthmus_inference::money::Money;

    use super::*;

    #[test]
    fn a_run_counts_misses_failures_and_every_attempts_cost() {
        let record = |ttft: Option<u64>, whole| Record {
            ttft: ttft.map(|ms| ms * 1_000_000),
            whole,
            cost: Money::from_pico_dollars(500_000_000_000),
            attempts: 2,
            hedged: false,
            endpoint: ttft.map(|_| 1),
        };
        let records = [
            record(Some(100), true),
            record(Some(900), true),
            record(Some(200), false),
            record(None, false),
        ];
        let run = Run::of(&records, 800_000_000, 3);
        assert_eq!((run.miss_percent, run.failed_percent, run.attempts), (75.0, 50.0, 2.0));
        assert_eq!((run.cost_usd, run.ttft_p50_ms, run.ttft_p99_ms), (2.0, 200.0, 900.0));
        assert_eq!(run.shares, [0.0, 0.75, 0.0]);
        let oracle = Run { cost_usd: 1.6, miss_percent: 70.0, ..Run::default() };
        let run = run.against(&oracle, &Run { cost_usd: 1.0, ..Run::default() });
        assert!((run.regret_percent - 25.0).abs() < 1e-9 && run.miss_points == 5.0);
        assert_eq!((run.sparing_regret_percent, run.sparing_miss_points), (100.0, 75.0));
    }

    #[test]
    fn an_interval_is_students() {
        let interval = Interval::of([1.0, 2.0, 3.0, 4.0]);
        assert_eq!(interval.mean, 2.5);
        // s = 1.2910, s/√4 = 0.6455, t(3) = 3.182
        assert!((interval.half - 2.054).abs() < 1e-3, "{interval:?}");
        assert_eq!(Interval::of([7.0]), Interval { mean: 7.0, half: 0.0 });
    }
}
