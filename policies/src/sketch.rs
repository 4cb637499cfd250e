//! Quantiles of what was seen lately, in bounded memory.
//!
//! A `DDSketch` (Masson, Rim and Lee, VLDB 2019) answers any quantile within 1 % of its value and
//! merges with another without loss. One is kept for each of the last minutes, so that the past is
//! forgotten a minute at a time.

use sketches_ddsketch::{Config, DDSketch};

use crate::live::{Quantile, Quantiles};
use crate::moment::Moment;

/// The greatest relative error of a quantile.
pub const RELATIVE_ERROR: f64 = 0.01;

/// Values within this many minutes count.
pub const MINUTES: usize = 5;

/// Enough for values that differ by a factor of 10⁸; smaller ones then share the lowest bin.
const MOST_BINS: u32 = 1024;

/// Below this many seconds, everything is nothing.
const SMALLEST: f64 = 1e-6;

const NANOS_PER_MINUTE: u64 = 60_000_000_000;

/// Counts values of 0 and more.
#[derive(Clone)]
pub struct Sketch(DDSketch);

/// Sketches of the last minutes.
#[derive(Default)]
pub struct Windows([Option<(u64, Sketch)>; MINUTES]);

// === impl Sketch ===

impl Sketch {
    /// Counts a value; one that is negative or no number is left out.
    pub fn add(&mut self, value: f64) {
        if value >= 0.0 && value.is_finite() {
            self.0.add(value);
        }
    }

    /// How many values were counted.
    pub fn count(&self) -> usize {
        self.0.count()
    }

    /// The value below which this fraction of all lies; `None` of an empty sketch.
    pub fn quantile(&self, fraction: f64) -> Option<f64> {
        self.0.quantile(fraction.clamp(0.0, 1.0)).ok().flatten()
    }

    /// The quantiles that are kept; `None` of an empty sketch.
    pub fn quantiles(&self) -> Option<Quantiles> {
        let at = |quantile: Quantile| self.quantile(quantile.fraction());
        Some(Quantiles {
            p50: at(Quantile::P50)?,
            p90: at(Quantile::P90)?,
            p95: at(Quantile::P95)?,
            p99: at(Quantile::P99)?,
        })
    }

    /// Counts all values of another sketch too.
    pub fn merge(&mut self, other: &Self) {
        let merged = self.0.merge(&other.0);
        debug_assert!(merged.is_ok(), "every sketch of this house has the same bins");
    }
}

impl Default for Sketch {
    fn default() -> Self {
        Self(DDSketch::new(Config::new(RELATIVE_ERROR, MOST_BINS, SMALLEST)))
    }
}

// === impl Windows ===

impl Windows {
    /// Counts a value of this moment.
    pub fn add(&mut self, now: Moment, value: f64) {
        let minute = now.nanos() / NANOS_PER_MINUTE;
        let slot = &mut self.0[(minute % MINUTES as u64) as usize];
        match slot {
            Some((of, sketch)) if *of == minute => sketch.add(value),
            _ => {
                let mut sketch = Sketch::default();
                sketch.add(value);
                *slot = Some((minute, sketch));
            }
        }
    }

    /// What was seen lately: the newest minutes that together hold `enough` values, or all that
    /// count. An endpoint that is asked often is then judged by its last minute, and a brown-out
    /// that is over is soon forgotten.
    pub fn lately(&self, now: Moment, enough: usize) -> Option<Sketch> {
        let minute = now.nanos() / NANOS_PER_MINUTE;
        let mut merged: Option<Sketch> = None;
        for back in 0..(MINUTES as u64).min(minute + 1) {
            let of = minute - back;
            let Some((_, sketch)) =
                self.0[(of % MINUTES as u64) as usize].as_ref().filter(|(held, _)| *held == of)
            else {
                continue;
            };
            match &mut merged {
                None => merged = Some(sketch.clone()),
                Some(merged) => merged.merge(sketch),
            }
            if merged.as_ref().is_some_and(|merged| merged.count() >= enough) {
                break;
            }
        }
        merged
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::after_start(Duration::from_secs(seconds))
    }

    #[test]
    fn a_minute_is_forgotten_when_its_time_has_come() {
        let mut windows = Windows::default();
        windows.add(at(10), 1.0);
        windows.add(at(70), 2.0);
        let count = |seconds| windows.lately(at(seconds), 100).map_or(0, |sketch| sketch.count());
        assert_eq!(count(100), 2);
        assert_eq!(count(299), 2);
        assert_eq!(count(300), 1, "the first minute is five minutes old");
        assert_eq!(count(360), 0);
        assert_eq!(count(1_000_000), 0);
    }

    #[test]
    fn whoever_is_asked_often_is_judged_by_the_last_minute() {
        let mut windows = Windows::default();
        for _ in 0..100 {
            windows.add(at(30), 9.0);
        }
        for _ in 0..100 {
            windows.add(at(90), 1.0);
        }
        let p99 = |enough| windows.lately(at(100), enough).unwrap().quantile(0.99).unwrap();
        assert!(p99(100) < 1.1);
        assert!(p99(101) > 8.9);
    }

    proptest! {
        #[test]
        fn quantiles_are_within_one_per_cent(
            mut values in proptest::collection::vec(1e-3f64..1e3, 1..400),
            fraction in 0.0f64..=1.0,
        ) {
            let mut sketch = Sketch::default();
            values.iter().for_each(|value| sketch.add(*value));
            values.sort_by(f64::total_cmp);
            let exact = values[(fraction * (values.len() - 1) as f64) as usize];
            let told = sketch.quantile(fraction).unwrap();
            prop_assert!((told - exact).abs() <= exact * RELATIVE_ERROR * 1.001, "{} {}", told, exact);
        }

        #[test]
        fn merging_counts_what_each_counted(
            left in proptest::collection::vec(1e-3f64..1e3, 1..100),
            right in proptest::collection::vec(1e-3f64..1e3, 1..100),
        ) {
            let of = |values: &[f64]| {
                let mut sketch = Sketch::default();
                values.iter().for_each(|value| sketch.add(*value));
                sketch
            };
            let mut merged = of(&left);
            merged.merge(&of(&right));
            let together = of(&[left, right].concat());
            prop_assert_eq!(merged.count(), together.count());
            prop_assert_eq!(merged.quantiles(), together.quantiles());
        }
    }
}
