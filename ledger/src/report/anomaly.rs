//! Days that are not like others, and why.
//!
//! A series is what a team spends on a model by day. Each day is compared with the others of its weekday
//! (with all, while there are few): on the logarithm of the spend, by how many median deviations it lies
//! off the median. Medians do not move for the very day that is looked for.
//!
//! The difference to an average day is then taken apart ([`parts`]): more requests, longer ones, other
//! endpoints and kinds of tokens, other prices. The parts add up to the difference exactly.

pub mod parts;

use std::collections::BTreeMap;

use isthmus_inference::money::{Money, Price};

use super::calendar::Zone;
use crate::books::{Bucket, Hours};
use crate::sheet::{Cell, Column, Kind, Number, Sheet};
use parts::{Day, Parts};

/// What is told.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sensitivity {
    /// A day this many deviations off is told. 3.5 is what Iglewicz and Hoaglin recommend.
    pub deviations: f64,
    /// Smaller differences are not worth anybody's time.
    pub least: Money,
}

/// A price by its version.
pub type PriceOf<'p> = &'p dyn Fn(&str) -> Option<Price>;

type Series = BTreeMap<i64, Day>;

/// Days to compare with, at least.
const FEWEST: usize = 7;
/// Days of the same weekday, at least; else all are compared with.
const FEWEST_OF_WEEKDAY: usize = 4;
/// The median deviation of a normal distribution, in standard deviations.
const NORMAL: f64 = 0.6745;
/// Days that differ by less than this part of themselves (2 %) are alike.
const ALIKE: f64 = 0.02;

/// The report: days of `period` that are not like the others in `buckets`, the largest difference first.
pub fn anomalies(
    buckets: &[Bucket],
    period: Hours,
    price_of: PriceOf<'_>,
    sensitivity: Sensitivity,
    zone: &Zone,
) -> Sheet {
    let mut names = BTreeMap::new();
    let mut all: BTreeMap<(String, String), Series> = BTreeMap::new();
    for bucket in buckets {
        let day = zone.day_number(bucket.hour);
        names.entry(day).or_insert_with(|| (zone.day(bucket.hour), bucket.hour));
        let about = &bucket.of.about;
        let series = all.entry((about.team.clone(), about.model.clone())).or_default();
        series.entry(day).or_default().add(bucket, price_of);
    }
    let mut found = Vec::new();
    for ((team, model), series) in &all {
        for (day, figures) in series {
            let Some((name, hour)) = names.get(day).filter(|(_, hour)| in_period(period, *hour))
            else {
                continue;
            };
            debug_assert!(*hour >= period.from);
            let Some((deviations, usual)) = judged(series, &names, *day) else { continue };
            let parts = Parts::between(&usual, figures);
            let large = parts.difference().pico_dollars().abs() >= sensitivity.least.pico_dollars();
            if deviations.abs() >= sensitivity.deviations && large {
                found.push((
                    name.clone(),
                    team.clone(),
                    model.clone(),
                    deviations,
                    figures.cost,
                    parts,
                ));
            }
        }
    }
    found.sort_by_key(|found| std::cmp::Reverse(found.5.difference().pico_dollars().abs()));
    let row = |(day, team, model, deviations, cost, parts): (
        String,
        String,
        String,
        f64,
        Money,
        Parts,
    )| {
        vec![
            Cell::Text(day),
            Cell::Text(team),
            Cell::Text(model),
            Cell::number(Number::of_float(deviations)),
            Cell::Money(cost),
            Cell::Money(parts.difference()),
            Cell::Money(parts.volume),
            Cell::Money(parts.tokens),
            Cell::Money(parts.mix),
            Cell::Money(parts.price),
        ]
    };
    Sheet {
        title: "Unusual days".into(),
        columns: columns(),
        rows: found.into_iter().map(row).collect(),
        total: None,
        notes: vec![format!(
            "A day is told if the logarithm of its spend lies {} median deviations or more off the median of its weekday, and differs by ${} or more. The difference is the sum of: more requests, more tokens each, other endpoints and kinds of tokens, other prices.",
            sensitivity.deviations, sensitivity.least
        )],
    }
}

fn columns() -> Vec<Column> {
    vec![
        Column::new("day", "Day", Kind::Text),
        Column::new("team", "Team", Kind::Text),
        Column::new("model", "Model", Kind::Text),
        Column::new("deviations", "Off by", Kind::Number(1)),
        Column::new("cost_usd", "Cost $", Kind::Money),
        Column::new("difference_usd", "Diff. $", Kind::Money),
        Column::new("volume_usd", "Volume $", Kind::Money),
        Column::new("tokens_usd", "Length $", Kind::Money),
        Column::new("mix_usd", "Mix $", Kind::Money),
        Column::new("price_usd", "Price $", Kind::Money),
    ]
}

fn in_period(period: Hours, hour: i64) -> bool {
    (period.from..period.to).contains(&hour)
}

/// How far off a day is, and the sum of the days that it was compared with; `None` while these are few.
/// Days between the first and the last on which nothing was spent are days too.
fn judged(series: &Series, names: &BTreeMap<i64, (String, i64)>, day: i64) -> Option<(f64, Day)> {
    let (first, last) = (*series.keys().next()?, *series.keys().next_back()?);
    let others = |weekday: bool| -> Vec<i64> {
        names
            .keys()
            .copied()
            .filter(|other| *other != day && (first..=last).contains(other))
            .filter(|other| !weekday || (other - day) % 7 == 0)
            .collect()
    };
    let (all, same) = (others(false), others(true));
    if all.len() < FEWEST {
        return None;
    }
    let with = if same.len() >= FEWEST_OF_WEEKDAY { same } else { all };
    let none = Day::default();
    let of = |day: &i64| series.get(day).unwrap_or(&none);
    // Micro-dollars, so that a day without spend is a small number and no infinity.
    let logarithm = |day: &i64| (1.0 + of(day).cost.pico_dollars().max(0) as f64 / 1e6).ln();
    let mut values: Vec<_> = with.iter().map(logarithm).collect();
    let middle = median(&mut values)?;
    let mut deviations: Vec<_> = values.iter().map(|value| (value - middle).abs()).collect();
    let deviation = median(&mut deviations)?.max(ALIKE);
    let mut usual = Day::default();
    with.iter().for_each(|day| usual += of(day));
    usual.days = with.len() as u64;
    Some((NORMAL * (logarithm(&day) - middle) / deviation, usual))
}

fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    match values.len() % 2 {
        _ if values.is_empty() => None,
        0 => Some(f64::midpoint(values[half - 1], values[half])),
        _ => Some(values[half]),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::books::{Dimensions, Sums};
    use crate::sheet::json;

    fn bucket(day: i64, requests: u64) -> Bucket {
        let mut of = Dimensions { endpoint: "e".into(), ..Dimensions::default() };
        Arc::make_mut(&mut of.about).team = "support".into();
        Arc::make_mut(&mut of.about).model = "chat".into();
        let mut sums = Sums { requests, ..Sums::default() };
        sums.usage.text_output = requests * 100;
        sums.cost = Money::from_pico_dollars(i128::from(requests) * 100_000_000_000);
        Bucket { hour: day * 24 + 9, of, sums }
    }

    #[test]
    fn the_day_that_is_not_like_others_is_found_and_explained() {
        // Weekdays and weekends differ, which is usual; one Wednesday has four times the requests.
        let requests = |day: i64| match (day, (day + 3) % 7) {
            (20_037, _) => 400,
            (_, 5 | 6) => 10,
            (_, weekday) => 100 + weekday as u64,
        };
        let buckets: Vec<_> = (20_000..20_042).map(|day| bucket(day, requests(day))).collect();
        let sensitivity = Sensitivity { deviations: 3.5, least: "1".parse().unwrap() };
        let period = Hours { from: 20_030 * 24, to: 20_042 * 24 };
        let sheet = anomalies(&buckets, period, &|_| None, sensitivity, &Zone::utc());
        let rows = &json::value(&sheet)["rows"];
        assert_eq!(rows.as_array().map(Vec::len), Some(1), "{rows}");
        assert_eq!(rows[0]["day"], Zone::utc().day(20_037 * 24));
        assert_eq!(rows[0]["difference_usd"], rows[0]["volume_usd"]);
    }
}
