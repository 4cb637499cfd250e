//! What a list of prices says otherwise than the catalogue: for a reviewer to read.

use std::collections::BTreeMap;
use std::fmt;

use isthmus_inference::date::Date;
use isthmus_inference::meter::Meter;
use isthmus_inference::tier::Tier;

use super::{Catalogue, Row};

/// The difference between a list and the catalogue as it holds on a day.
#[derive(Debug, Clone, Default)]
pub struct Difference {
    /// What is different, in the order of the catalogue.
    pub changes: Vec<Change>,
    /// How many prices are the same.
    pub same: usize,
}

/// One price that is different.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Only the list has it.
    Added(Box<Row>),
    /// The list has other rates.
    Changed {
        /// In the catalogue.
        old: Box<Row>,
        /// In the list.
        new: Box<Row>,
    },
    /// Only the catalogue has it.
    Gone(Box<Row>),
}

/// For what a price is.
pub(super) type Key<'a> = (&'a str, &'a str, Option<&'a str>, Option<Tier>, u64);

// === impl Difference ===

impl Difference {
    /// Lays a list beside the catalogue. What is gone is told of the kinds of providers that the list
    /// has prices for.
    pub fn between(catalogue: &Catalogue, list: &[Row], day: Date) -> Self {
        let new: BTreeMap<Key<'_>, &Row> = list.iter().map(|row| (key(row), row)).collect();
        let mut old: BTreeMap<Key<'_>, &Row> = BTreeMap::new();
        let begun = |row: &&Row| row.effective_from.is_none_or(|from| from <= day);
        // The older ones come first, so that the last that has begun stays.
        old.extend(catalogue.rows().filter(begun).map(|row| (key(row), row)));
        old.retain(|_, row| row.effective_to.is_none_or(|to| day <= to));
        let mut difference = Self::default();
        for (key, row) in &new {
            match old.get(key) {
                None => difference.changes.push(Change::Added(Box::new((*row).clone()))),
                Some(old) if old.price == row.price && old.currency == row.currency => {
                    difference.same += 1;
                }
                Some(old) => difference.changes.push(Change::Changed {
                    old: Box::new((*old).clone()),
                    new: Box::new((*row).clone()),
                }),
            }
        }
        let listed = |kind: &str| new.keys().any(|key| key.0 == kind);
        let gone = old.iter().filter(|(key, _)| listed(key.0) && !new.contains_key(*key));
        difference.changes.extend(gone.map(|(_, row)| Change::Gone(Box::new((*row).clone()))));
        difference
    }

    /// The rows to add to the catalogue, once somebody has reviewed them: those of new prices hold since
    /// ever, as nobody knows better, and those of changed ones from this day on. What is gone stays, as
    /// a list that leaves something out does not say that nobody sells it.
    pub fn rows(&self, from: Date) -> Vec<Row> {
        let row = |change: &Change| match change {
            Change::Added(row) => Some((**row).clone()),
            Change::Changed { new, .. } => {
                Some(Row { effective_from: Some(from), ..(**new).clone() })
            }
            Change::Gone(_) => None,
        };
        self.changes.iter().filter_map(row).collect()
    }
}

pub(super) fn key(row: &Row) -> Key<'_> {
    (&row.kind, &row.model, row.region.as_deref(), row.tier, row.above_tokens)
}

// === impl Change ===

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Added(row) => write!(f, "+ {}: {}", row.title(), row.rates()),
            Self::Gone(row) => write!(f, "- {}: {} ({})", row.title(), row.rates(), row.place()),
            Self::Changed { old, new } => {
                write!(f, "~ {}:", new.title())?;
                let mut comma = "";
                for meter in Meter::ALL {
                    let (was, is) = (old.price.written(meter), new.price.written(meter));
                    if was == is {
                        continue;
                    }
                    let shown = |rate: Option<String>| rate.unwrap_or_else(|| "none".to_owned());
                    write!(f, "{comma} {} {} → {}", meter.as_str(), shown(was), shown(is))?;
                    if let Some(percent) = percent(old, new, meter) {
                        write!(f, " ({percent} %)")?;
                    }
                    comma = ",";
                }
                write!(f, " ({})", old.place())
            }
        }
    }
}

/// By how much a rate went up or down, with one decimal; nothing where there is no old one to compare.
fn percent(old: &Row, new: &Row, meter: Meter) -> Option<String> {
    old.price.written(meter).and(new.price.written(meter))?;
    let (was, is) = (old.price.each(meter).pico_dollars(), new.price.each(meter).pico_dollars());
    let tenths = (is - was).checked_mul(1000)?.checked_div(was)?;
    let sign = if is < was { "-" } else { "+" };
    Some(format!("{sign}{}.{}", tenths.abs() / 10, tenths.abs() % 10))
}
