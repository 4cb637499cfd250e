//! Who spent what: requests, attempts, tokens and dollars, grouped as asked.

use std::collections::BTreeMap;

use isthmus_inference::money::Money;

use super::calendar::Zone;
use super::key::Key;
use crate::books::{Bucket, Sums};
use crate::sheet::number::grouped;
use crate::sheet::{Cell, Column, Kind, Number, Sheet};

/// Figures of one group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Figures {
    /// All sums.
    pub sums: Sums,
    /// Of the cost, what stands on estimated tokens.
    pub estimated: Money,
    /// Of the cost, what corrections changed.
    pub corrected: Money,
}

/// Groups, each with its words in the order of the keys.
pub type Groups = BTreeMap<Vec<String>, Figures>;

/// Sums buckets up by keys.
pub fn grouped_by<'b>(
    buckets: impl IntoIterator<Item = &'b Bucket>,
    keys: &[Key],
    zone: &Zone,
) -> Groups {
    let mut groups = Groups::new();
    for bucket in buckets {
        let words = keys.iter().map(|key| key.word(bucket, zone)).collect();
        groups.entry(words).or_default().add(bucket);
    }
    groups
}

/// The sum of all buckets.
pub fn total<'b>(buckets: impl IntoIterator<Item = &'b Bucket>) -> Figures {
    let mut total = Figures::default();
    buckets.into_iter().for_each(|bucket| total.add(bucket));
    total
}

/// The report.
pub fn showback(buckets: &[Bucket], keys: &[Key], zone: &Zone) -> Sheet {
    let groups = grouped_by(buckets, keys, zone);
    let mut total = Figures::default();
    groups.values().for_each(|figures| total += figures);
    let words = keys.iter().map(|key| Column::new(&key.name, key.title(), Kind::Text));
    let rows = groups.into_iter().map(|(words, figures)| {
        let words = words.into_iter().map(Cell::Text);
        words.chain(figures.cells()).collect()
    });
    let empty = keys.iter().map(|_| Cell::Empty);
    Sheet {
        title: String::new(),
        columns: words.chain(columns()).collect(),
        rows: rows.collect(),
        total: Some(empty.chain(total.cells()).collect()),
        notes: total.notes(),
    }
}

fn columns() -> [Column; 7] {
    [
        Column::new("requests", "Requests", Kind::Count),
        Column::new("attempts", "Attempts", Kind::Count),
        Column::new("input_tokens", "Input", Kind::Count),
        Column::new("output_tokens", "Output", Kind::Count),
        Column::new("cost_usd", "Cost $", Kind::Money),
        Column::new("estimated_usd", "Estimated $", Kind::Money),
        Column::new("unpriced_attempts", "No price", Kind::Count),
    ]
}

// === impl Figures ===

impl Figures {
    /// Adds a bucket.
    pub fn add(&mut self, bucket: &Bucket) {
        self.sums += bucket.sums.clone();
        if bucket.of.estimated {
            self.estimated += bucket.sums.cost;
        }
        if bucket.of.correction {
            self.corrected += bucket.sums.cost;
        }
    }

    fn cells(&self) -> [Cell; 7] {
        let Sums { requests, attempts, usage, cost, unpriced, .. } = &self.sums;
        [
            Cell::Count(*requests),
            Cell::Count(*attempts),
            Cell::Count(usage.input()),
            Cell::Count(usage.output()),
            Cell::Money(*cost),
            Cell::Money(self.estimated),
            Cell::Count(*unpriced),
        ]
    }

    /// What a reader has to know.
    pub fn notes(&self) -> Vec<String> {
        let percent = Number::percent(self.estimated, self.sums.cost);
        let estimated = percent.filter(|_| self.estimated != Money::ZERO).map(|percent| {
            let percent = grouped(percent.units(), 1);
            format!(
                "{percent} % of the cost stands on token counts that the house estimated, because the provider reported none."
            )
        });
        let unpriced = (self.sums.unpriced > 0).then(|| {
            let attempts = self.sums.unpriced;
            format!(
                "The cost lacks {attempts} attempts at endpoints for which nobody knows a price."
            )
        });
        let corrected = (self.corrected != Money::ZERO).then(|| {
            format!("The cost has corrections of earlier charges of ${} in it.", self.corrected)
        });
        let unexplained = (self.sums.usage.unexplained > 0).then(|| {
            let tokens = self.sums.usage.unexplained;
            format!(
                "Providers counted {tokens} tokens in their totals that are neither input nor output; they are charged like the dearest."
            )
        });
        [estimated, unpriced, corrected, unexplained].into_iter().flatten().collect()
    }
}

impl std::ops::AddAssign<&Self> for Figures {
    fn add_assign(&mut self, other: &Self) {
        self.sums += other.sums.clone();
        self.estimated += other.estimated;
        self.corrected += other.corrected;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::books::Dimensions;
    use crate::sheet::json;

    fn bucket(team: &str, hour: i64, cost: i128, estimated: bool) -> Bucket {
        let mut of = Dimensions { estimated, ..Dimensions::default() };
        Arc::make_mut(&mut of.about).team = team.into();
        Arc::make_mut(&mut of.about).tags.insert("feature".into(), "summary".into());
        let mut sums = Sums { requests: 1, attempts: 2, ..Sums::default() };
        sums.usage.uncached_input = 10;
        sums.usage.text_output = 5;
        sums.cost = Money::from_pico_dollars(cost);
        Bucket { hour, of, sums }
    }

    #[test]
    fn rows_have_the_keys_as_they_were_asked_for_and_money_as_text() {
        let buckets = [
            bucket("b", 0, 10_000_000_000, false),
            bucket("a", 1, 1, true),
            bucket("b", 30, 5, false),
        ];
        let keys = ["team", "tag:feature"].map(|key| key.parse().unwrap());
        let sheet = showback(&buckets, &keys, &Zone::utc());
        let json = json::value(&sheet);
        assert_eq!(json["rows"][0]["team"], "a");
        assert_eq!(json["rows"][1]["tag:feature"], "summary");
        assert_eq!(json["rows"][1]["requests"], 2);
        assert_eq!(json["rows"][1]["cost_usd"], "0.010000000005");
        assert_eq!(json["total"]["cost_usd"], "0.010000000006");
        assert_eq!(json["total"]["attempts"], 6);
        assert_eq!(json["total"]["input_tokens"], 30);
        assert!(json["total"].get("team").is_none());
    }

    #[test]
    fn what_is_estimated_is_told() {
        let sheet =
            showback(&[bucket("a", 0, 1, true), bucket("a", 0, 3, false)], &[], &Zone::utc());
        assert_eq!(sheet.notes.len(), 1);
        assert!(sheet.notes[0].starts_with("25.0 % of the cost"), "{:?}", sheet.notes);
    }
}
