//! What routing and memory saved, and what compliance cost: exact sums of what was settled beside each
//! exchange at the moment it was decided, never guessed afterwards.
//!
//! Only exchanges of which all is known are compared, and how many these are is told: savings are of
//! those alone.

use isthmus_inference::money::Money;

use super::calendar::Zone;
use super::key::Key;
use super::showback::{Figures, Groups, grouped_by, total};
use super::tier::Discounts;
use crate::books::{Bucket, Sums};
use crate::sheet::{Cell, Column, Kind, Number, Sheet};

/// The report.
pub fn savings(buckets: &[Bucket], keys: &[Key], discounts: &Discounts, zone: &Zone) -> Sheet {
    let all = total(buckets);
    let tiers = of_tiers(buckets, keys, discounts, zone);
    let by_tiers: Money = tiers.values().map(|figures| figures.sums.cost).sum();
    let words = keys.iter().map(|key| Column::new(&key.name, key.title(), Kind::Text));
    let row = |(words, figures): (Vec<String>, Figures)| {
        let tier = tiers.get(&words).map_or(Money::ZERO, |saved| saved.sums.cost);
        words.into_iter().map(Cell::Text).chain(cells(&figures.sums, tier)).collect()
    };
    let empty = keys.iter().map(|_| Cell::Empty);
    let mut notes = vec![
        "Routing saved: what the same tokens would have cost at the baseline that was declared beforehand, less what they cost. Compliance cost: the cheapest endpoint that policy allowed, less the cheapest of all. A cost in the other direction is negative.".to_owned(),
    ];
    let Sums { requests, compared, .. } = all.sums;
    if compared < requests {
        notes.push(format!(
            "Compliance is told of {compared} of {requests} requests: of the others, the price of some endpoint is unknown."
        ));
    }
    if all.sums.baseline.is_zero() {
        notes.push(
            "No request has a baseline; `baseline:` in a pool under `models:` declares one."
                .to_owned(),
        );
    }
    if !by_tiers.is_zero() {
        notes.push(format!(
            "Cheaper tiers (batch, flex) saved ${by_tiers}: what the same tokens cost by the usual price of the same list, less what they cost."
        ));
    }
    Sheet {
        title: "Savings, and the cost of compliance".into(),
        columns: words.chain(columns()).collect(),
        rows: grouped_by(buckets, keys, zone).into_iter().map(row).collect(),
        total: Some(empty.chain(cells(&all.sums, by_tiers)).collect()),
        notes,
    }
}

/// What cheaper tiers saved, in the place of the cost.
fn of_tiers(buckets: &[Bucket], keys: &[Key], discounts: &Discounts, zone: &Zone) -> Groups {
    let saved = |bucket: &Bucket| {
        let sums = Sums { cost: discounts.saved(bucket), ..Sums::default() };
        Bucket { sums, ..bucket.clone() }
    };
    let saved: Vec<_> = buckets.iter().map(saved).collect();
    grouped_by(&saved, keys, zone)
}

fn columns() -> [Column; 8] {
    [
        Column::new("cost_usd", "Cost $", Kind::Money),
        Column::new("routing_saved_usd", "Routing saved $", Kind::Money),
        Column::new("routing_saved_percent", "% of baseline", Kind::Number(1)),
        Column::new("cache_avoided_usd", "Memory saved $", Kind::Money),
        Column::new("compliance_cost_usd", "Compliance cost $", Kind::Money),
        Column::new("compliance_cost_percent", "% over cheapest", Kind::Number(1)),
        Column::new("compared_requests", "Compared", Kind::Count),
        // There is no room for it on a terminal; people read the sum in a note.
        Column::hidden("tier_saved_usd", Kind::Money),
    ]
}

fn cells(sums: &Sums, tiers: Money) -> [Cell; 8] {
    let routing = sums.baseline - sums.based_cost;
    let compliance = sums.cheapest_allowed - sums.cheapest;
    [
        Cell::Money(sums.cost),
        Cell::Money(routing),
        Cell::number(Number::percent(routing, sums.baseline)),
        Cell::Money(sums.cache_avoided),
        Cell::Money(compliance),
        Cell::number(Number::percent(compliance, sums.cheapest)),
        Cell::Count(sums.compared),
        Cell::Money(tiers),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::books::Dimensions;
    use crate::sheet::json;

    #[test]
    fn savings_are_differences_of_sums() {
        let money = |dollars: &str| dollars.parse::<Money>().unwrap();
        let sums = Sums {
            requests: 3,
            compared: 2,
            cost: money("6"),
            based_cost: money("5"),
            baseline: money("8"),
            cheapest_allowed: money("4.4"),
            cheapest: money("4"),
            cache_avoided: money("1"),
            ..Sums::default()
        };
        let bucket = Bucket { hour: 0, of: Dimensions::default(), sums };
        let sheet = savings(&[bucket], &[], &Discounts::default(), &Zone::utc());
        let row = &json::value(&sheet)["rows"][0];
        assert_eq!(
            (&row["routing_saved_usd"], &row["routing_saved_percent"]),
            (&"3.00".into(), &"37.5".into())
        );
        assert_eq!(
            (&row["compliance_cost_usd"], &row["compliance_cost_percent"]),
            (&"0.40".into(), &"10.0".into())
        );
        assert!(sheet.notes[1].contains("2 of 3 requests"), "{:?}", sheet.notes);
    }
}
