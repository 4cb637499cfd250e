//! Where spending goes: each hour to come costs what the same hour of the week cost on average. Simple
//! enough to be checked by hand, and checked against the past each time: the back-test forecasts every
//! day of the last two weeks from what lay before it, and tells how far off it was.

use std::collections::BTreeMap;

use isthmus_inference::money::Money;

use super::calendar::Zone;
use crate::books::{Bucket, Hours};
use crate::sheet::Number;
use crate::sheet::number::divide;

/// Dollars by hour.
pub type Hourly = BTreeMap<i64, Money>;

/// What is expected of some hours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forecast {
    /// The most likely cost.
    pub expected: Money,
    /// Between these, if eight of ten days to come are like those of the back-test; `None` where the past
    /// is too short to tell.
    pub between: Option<(Money, Money)>,
    /// How good forecasts of past days were.
    pub back_test: BackTest,
}

/// How good forecasts of past days were.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BackTest {
    /// Days that were forecast and came.
    pub days: u64,
    /// By how many percent forecasts were off, on average.
    pub off_by: Option<Number>,
    /// What a day cost by what was forecast, in ascending order.
    ratios: Vec<Number>,
}

const DAY: i64 = 24;
const WEEK: i64 = 7 * DAY;
/// How far back a forecast looks.
pub const REACH: i64 = 5 * WEEK;
const TESTED_DAYS: i64 = 14;
/// Fewer days than this tell nothing of an interval.
const FEWEST_DAYS: usize = 7;
const ONE: i128 = 1_000_000_000_000;

/// What buckets cost by hour.
pub fn hourly<'b>(buckets: impl IntoIterator<Item = &'b Bucket>) -> Hourly {
    let mut hourly = Hourly::new();
    for bucket in buckets {
        *hourly.entry(bucket.hour).or_default() += bucket.sums.cost;
    }
    hourly
}

/// Forecasts the hours of `ahead` from those of `past`. Hours of the past that are not in `hourly` cost
/// nothing.
pub fn forecast(hourly: &Hourly, past: Hours, ahead: Hours, zone: &Zone) -> Forecast {
    let means = Means::of(hourly, past, zone);
    let expected = means.sum(ahead, zone);
    let back_test = back_test(hourly, past, zone);
    let scaled = |ratio: Number| {
        Money::from_pico_dollars(divide(
            expected.pico_dollars().saturating_mul(ratio.units() / 1_000_000),
            ONE / 1_000_000,
        ))
    };
    let between = back_test.between().map(|(low, high)| (scaled(low), scaled(high)));
    Forecast { expected, between, back_test }
}

/// The hour to come in which so much more will be spent, if it is before the end.
pub fn when_spent(
    hourly: &Hourly,
    past: Hours,
    ahead: Hours,
    left: Money,
    zone: &Zone,
) -> Option<i64> {
    let means = Means::of(hourly, past, zone);
    let mut spent = Money::ZERO;
    (ahead.from..ahead.to).find(|hour| {
        spent += means.hour(*hour, zone);
        spent > left
    })
}

/// Averages by the hour of the week, or over all hours while the past is shorter than a week.
struct Means {
    by_hour: Vec<Money>,
}

impl Means {
    fn of(hourly: &Hourly, past: Hours, zone: &Zone) -> Self {
        // What lies before the first hour that cost anything is no past: nobody was there.
        let first = hourly.range(past.from..past.to).next().map_or(past.to, |(hour, _)| *hour);
        let from = first.max(past.to - REACH);
        let mut sums = vec![(Money::ZERO, 0_i128); WEEK as usize];
        for hour in from..past.to {
            let (sum, count) = &mut sums[zone.hour_of_week(hour)];
            *sum += hourly.get(&hour).copied().unwrap_or_default();
            *count += 1;
        }
        let (all, hours) = sums
            .iter()
            .fold((Money::ZERO, 0), |(all, hours), (sum, count)| (all + *sum, hours + count));
        let mean = |sum: Money, count: i128| match count {
            0 => Money::ZERO,
            count => Money::from_pico_dollars(divide(sum.pico_dollars(), count)),
        };
        let seasonal = past.to - from >= WEEK;
        let of = |(sum, count)| if seasonal { mean(sum, count) } else { mean(all, hours) };
        Self { by_hour: sums.into_iter().map(of).collect() }
    }

    fn hour(&self, hour: i64, zone: &Zone) -> Money {
        self.by_hour[zone.hour_of_week(hour)]
    }

    fn sum(&self, hours: Hours, zone: &Zone) -> Money {
        (hours.from..hours.to).map(|hour| self.hour(hour, zone)).sum()
    }
}

fn back_test(hourly: &Hourly, past: Hours, zone: &Zone) -> BackTest {
    let mut ratios = Vec::new();
    let mut off = 0;
    for back in 1..=TESTED_DAYS {
        let day = Hours { from: past.to - back * DAY, to: past.to - (back - 1) * DAY };
        let before = Hours { from: past.from, to: day.from };
        let long_enough = hourly
            .range(before.from..before.to)
            .next()
            .is_some_and(|(first, _)| day.from - first >= WEEK);
        if !long_enough {
            break;
        }
        let expected = Means::of(hourly, before, zone).sum(day, zone);
        let came: Money = hourly.range(day.from..day.to).map(|(_, cost)| *cost).sum();
        if let Some(ratio) = Number::ratio(came.pico_dollars(), expected.pico_dollars()) {
            off += (ratio.units() - ONE).abs();
            ratios.push(ratio);
        }
    }
    ratios.sort_unstable();
    let days = ratios.len() as u64;
    let off_by = (days > 0).then(|| Number::from_units(divide(off * 100, days.into())));
    BackTest { days, off_by, ratios }
}

// === impl BackTest ===

impl BackTest {
    /// Eight of ten days lay between these multiples of their forecasts.
    fn between(&self) -> Option<(Number, Number)> {
        let count = self.ratios.len();
        let low = count / 10;
        (count >= FEWEST_DAYS).then(|| (self.ratios[low], self.ratios[count - 1 - low]))
    }

    /// How good it was, in a sentence.
    pub fn note(&self) -> String {
        let method = "Forecast: each hour to come costs what the same hour of the week cost on average over the last five weeks.";
        match self.off_by {
            Some(off_by) => {
                let off_by = crate::sheet::number::grouped(off_by.units(), 1);
                let days = self.days;
                format!(
                    "{method} Back-test: {days} past days, each forecast from what lay before it, were off by {off_by} % on average."
                )
            }
            None => format!("{method} The past is too short for a back-test."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-02, a Monday.
    const START: i64 = 498_000 + 264;

    fn weekly(hours: i64) -> Hourly {
        (START..START + hours)
            .map(|hour| (hour, Money::from_pico_dollars(i128::from(hour % WEEK) * 1_000_000_000)))
            .collect()
    }

    #[test]
    fn what_repeats_every_week_is_forecast_exactly() {
        let hourly = weekly(4 * WEEK);
        let past = Hours { from: START, to: START + 4 * WEEK };
        let ahead = Hours { from: past.to, to: past.to + 3 * DAY };
        let forecast = forecast(&hourly, past, ahead, &Zone::utc());
        let same: Money = (START..START + 3 * DAY).map(|hour| hourly[&hour]).sum();
        assert_eq!(forecast.expected, same);
        assert_eq!(forecast.between, Some((same, same)));
        assert_eq!((forecast.back_test.days, forecast.back_test.off_by), (14, Some(Number::ZERO)));
    }

    #[test]
    fn a_short_past_has_neither_season_nor_interval() {
        let hourly: Hourly =
            (START..START + 10).map(|hour| (hour, Money::from_pico_dollars(ONE))).collect();
        let past = Hours { from: START - 1000, to: START + 10 };
        let ahead = Hours { from: past.to, to: past.to + 5 };
        let told = forecast(&hourly, past, ahead, &Zone::utc());
        assert_eq!((told.expected.to_string(), told.between), ("5.00".into(), None));
        assert!(told.back_test.note().contains("too short"));
        let left = Money::from_pico_dollars(2 * ONE);
        assert_eq!(when_spent(&hourly, past, ahead, left, &Zone::utc()), Some(past.to + 2));
    }
}
