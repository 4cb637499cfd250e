//! Unit economics: what a thousand requests, and a million tokens of whatever kind, come to; and how much
//! of the spend nobody marked.

use super::calendar::Zone;
use super::key::Key;
use super::showback::{Figures, Groups, grouped_by, total};
use crate::books::Bucket;
use crate::sheet::{Cell, Column, Kind, Number, Sheet};

/// What a unit costs in each group, the dearest group first.
pub fn economics(buckets: &[Bucket], keys: &[Key], zone: &Zone) -> Sheet {
    let all = total(buckets);
    let words = keys.iter().map(|key| Column::new(&key.name, key.title(), Kind::Text));
    let figures = [
        Column::new("requests", "Requests", Kind::Count),
        Column::new("tokens", "Tokens", Kind::Count),
        Column::new("cost_usd", "Cost $", Kind::Money),
        Column::new("share_percent", "Share %", Kind::Number(1)),
        Column::new("usd_per_1k_requests", "$ / 1k requests", Kind::Number(4)),
        Column::new("usd_per_1m_tokens", "$ / 1M tokens", Kind::Number(4)),
    ];
    let row = |(words, figures): (Vec<String>, Figures)| {
        words.into_iter().map(Cell::Text).chain(cells(&figures, &all)).collect()
    };
    let empty = keys.iter().map(|_| Cell::Empty);
    Sheet {
        title: "Unit economics".into(),
        columns: words.chain(figures).collect(),
        rows: dearest_first(grouped_by(buckets, keys, zone)).into_iter().map(row).collect(),
        total: Some(empty.chain(cells(&all, &all)).collect()),
        notes: all.notes(),
    }
}

/// How much of the spend has no such tag, by team, the largest amount first.
pub fn untagged(buckets: &[Bucket], tags: &[Key], zone: &Zone) -> Sheet {
    let team: Option<Key> = "team".parse().ok();
    let mut rows = Vec::new();
    for tag in tags {
        let keys: Vec<_> = team.iter().chain([tag]).cloned().collect();
        let mut teams: std::collections::BTreeMap<String, (Figures, Figures)> = Default::default();
        for (words, figures) in grouped_by(buckets, &keys, zone) {
            let (all, bare) = teams.entry(words[0].clone()).or_default();
            *all += &figures;
            if words[1].is_empty() {
                *bare += &figures;
            }
        }
        for (team, (all, bare)) in teams {
            rows.push((tag.name.clone(), team, all.sums, bare.sums));
        }
    }
    rows.sort_by_key(|(_, _, _, sums)| std::cmp::Reverse(sums.cost));
    let row = |(tag, team, all, bare): (String, String, crate::books::Sums, crate::books::Sums)| {
        vec![
            tag.into(),
            Cell::Text(team),
            Cell::Count(bare.requests),
            Cell::Money(bare.cost),
            Cell::number(Number::percent(bare.cost, all.cost)),
        ]
    };
    Sheet {
        title: "Untagged spend".into(),
        columns: vec![
            Column::new("tag", "Tag", Kind::Text),
            Column::new("team", "Team", Kind::Text),
            Column::new("untagged_requests", "Requests without", Kind::Count),
            Column::new("untagged_usd", "Cost without $", Kind::Money),
            Column::new("untagged_percent", "Of the team's %", Kind::Number(1)),
        ],
        rows: rows.into_iter().map(row).collect(),
        total: None,
        notes: vec![],
    }
}

fn dearest_first(groups: Groups) -> Vec<(Vec<String>, Figures)> {
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(_, group)| std::cmp::Reverse(group.sums.cost));
    groups
}

fn cells(figures: &Figures, all: &Figures) -> [Cell; 6] {
    let sums = &figures.sums;
    let per = |many: i128, count: u64| {
        let money = sums.cost.pico_dollars().checked_mul(many)?;
        // Pico-dollars by a count are pico-dollars, and so are units of a number.
        (count > 0).then(|| Number::from_units(crate::sheet::number::divide(money, count.into())))
    };
    [
        Cell::Count(sums.requests),
        Cell::Count(sums.usage.total()),
        Cell::Money(sums.cost),
        Cell::number(Number::percent(sums.cost, all.sums.cost)),
        Cell::number(per(1_000, sums.requests)),
        Cell::number(per(1_000_000, sums.usage.total())),
    ]
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use isthmus_inference::money::Money;

    use super::*;
    use crate::books::{Dimensions, Sums};
    use crate::sheet::json;

    fn bucket(team: &str, feature: Option<&str>, requests: u64, dollars: &str) -> Bucket {
        let mut of = Dimensions::default();
        Arc::make_mut(&mut of.about).team = team.into();
        if let Some(feature) = feature {
            Arc::make_mut(&mut of.about).tags.insert("feature".into(), feature.into());
        }
        let mut sums = Sums { requests, cost: dollars.parse().unwrap(), ..Sums::default() };
        sums.usage.text_output = 1000;
        Bucket { hour: 0, of, sums }
    }

    #[test]
    fn a_unit_is_cost_by_what_was_served() {
        let buckets = [bucket("a", None, 10, "0.02"), bucket("b", Some("x"), 0, "0.06")];
        let sheet = economics(&buckets, &["team".parse().unwrap()], &Zone::utc());
        let rows = &json::value(&sheet)["rows"];
        assert_eq!(rows[0]["team"], "b");
        assert_eq!(rows[0]["usd_per_1k_requests"], serde_json::Value::Null);
        assert_eq!(rows[1]["usd_per_1k_requests"], "2.0");
        assert_eq!(rows[1]["usd_per_1m_tokens"], "20.0");
        assert_eq!(rows[1]["share_percent"], "25.0");
    }

    #[test]
    fn what_nobody_marked_is_told_by_team() {
        let buckets = [bucket("a", None, 1, "1"), bucket("a", Some("x"), 1, "3")];
        let sheet = untagged(&buckets, &["tag:feature".parse().unwrap()], &Zone::utc());
        let rows = &json::value(&sheet)["rows"];
        assert_eq!((&rows[0]["team"], &rows[0]["untagged_percent"]), (&"a".into(), &"25.0".into()));
        assert_eq!(sheet.rows[0][3], Cell::Money(Money::from_pico_dollars(1_000_000_000_000)));
    }
}
