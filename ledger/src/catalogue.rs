//! The catalogue: dated list prices, each with the address that says so.
//!
//! A row is a whole price: one line of ours is one line of a vendor's price list, so that a reviewer can
//! lay the two side by side. Rows are only ever added. A price that changes gets a new row with the day
//! from which it holds, and the older row stays, since what was charged by it must remain explicable; a
//! row that was wrong from the start is followed by one from the same source with the right rates and
//! its day, and [`reprice`](crate::reprice) puts right what was charged.
//!
//! The rows that ship are in `config/catalogue`, a file for each kind of provider.

mod difference;
pub mod litellm;
mod row;
mod shipped;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use isthmus_inference::date::Date;
use isthmus_inference::tariff::{Tariff, Written};
use isthmus_inference::tier::Tier;

use crate::fx::{Exchange, FxError};

pub use difference::{Change, Difference};
pub use row::{Row, read, write};

/// All rows, by what they are for.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    rows: BTreeMap<(String, String), Vec<Row>>,
}

/// What a price is wanted for.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The kind of provider, such as `bedrock`.
    pub kind: &'a str,
    /// The upstream's own name for the model, to the letter: `eu.` in front may cost more.
    pub model: &'a str,
    /// The region of the account, if it has one.
    pub region: Option<&'a str>,
    /// The day, in UTC.
    pub day: Date,
}

/// What is wrong in a file of prices, printed as `prices.csv:7: error: …`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The file.
    pub file: Arc<str>,
    /// The line, from 1; 0 if the whole file is meant.
    pub line: u64,
    /// What is wrong and what to do.
    pub message: String,
}

/// In which circumstances a row holds.
type Circumstances<'a> = (Option<&'a str>, Option<Tier>, u64);

// === impl Catalogue ===

impl Catalogue {
    /// A catalogue of these rows; or each that contradicts another.
    pub fn new(rows: impl IntoIterator<Item = Row>) -> Result<Self, Vec<Mistake>> {
        let mut catalogue = Self::default();
        for row in rows {
            let place = (row.kind.clone(), row.model.clone());
            catalogue.rows.entry(place).or_default().push(row);
        }
        let mut mistakes = vec![];
        for rows in catalogue.rows.values_mut() {
            rows.sort_by(|one, other| one.order().cmp(&other.order()));
            contradictions(rows, &mut mistakes);
        }
        if mistakes.is_empty() {
            for rows in catalogue.rows.values() {
                gaps(rows, &mut mistakes);
            }
        }
        mistakes.sort_by(|one, other| (&one.file, one.line).cmp(&(&other.file, other.line)));
        if mistakes.is_empty() { Ok(catalogue) } else { Err(mistakes) }
    }

    /// The catalogue that ships with the house.
    pub fn shipped() -> &'static Self {
        shipped::catalogue()
    }

    /// Every row: by kind, model and circumstances, the older ones first.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.rows.values().flatten()
    }

    /// The rows that hold on a day, of all kinds, models and regions.
    pub fn on(&self, day: Date) -> Vec<&Row> {
        let mut held = vec![];
        for rows in self.rows.values() {
            let regions: BTreeSet<_> = rows.iter().map(|row| row.region.as_deref()).collect();
            held.extend(regions.into_iter().flat_map(|region| in_force(rows, region, day)));
        }
        held
    }

    /// Whether there ever was a price for it, on whatever day.
    pub fn knows(&self, kind: &str, model: &str) -> bool {
        self.rows.contains_key(&(kind.to_owned(), model.to_owned()))
    }

    /// The rows that hold: those for the account's region, else those for all regions.
    pub fn in_force(&self, wanted: &Wanted<'_>) -> Vec<&Row> {
        let place = (wanted.kind.to_owned(), wanted.model.to_owned());
        let rows = self.rows.get(&place).map_or(&[][..], Vec::as_slice);
        let here = in_force(rows, wanted.region, wanted.day);
        if here.is_empty() { in_force(rows, None, wanted.day) } else { here }
    }

    /// What it costs; `None` if nobody said, or not in a currency that can be converted.
    pub fn tariff(
        &self,
        wanted: &Wanted<'_>,
        exchange: &Exchange,
    ) -> Result<Option<Tariff>, FxError> {
        let rows = self.in_force(wanted);
        let prices: Vec<Written> =
            rows.into_iter().map(|row| row.written(exchange)).collect::<Result<_, _>>()?;
        // Gaps were refused; what is missing here is a model that is not priced on that day.
        Ok(Tariff::new(prices).ok())
    }
}

/// Of each of the circumstances in this region, the last row that has begun, unless it has ended.
fn in_force<'a>(rows: &'a [Row], region: Option<&str>, day: Date) -> Vec<&'a Row> {
    let mut held: BTreeMap<Circumstances<'a>, &'a Row> = BTreeMap::new();
    let begun = |row: &&Row| row.effective_from.is_none_or(|from| from <= day);
    for row in rows.iter().filter(|row| row.region.as_deref() == region).filter(begun) {
        held.insert(row.circumstances(), row);
    }
    held.into_values().filter(|row| row.effective_to.is_none_or(|to| day <= to)).collect()
}

/// Rows of one model, in order: two for the same circumstances must not begin on one day, nor one begin
/// before the other ends.
fn contradictions(rows: &[Row], mistakes: &mut Vec<Mistake>) {
    for pair in rows.windows(2) {
        let [one, next] = pair else { continue };
        if one.circumstances() != next.circumstances() {
            continue;
        }
        let what = || format!("`{}` of {}", next.model, next.kind);
        if one.effective_from == next.effective_from {
            let says = if one.price == next.price && one.currency == next.currency {
                "says the same as"
            } else {
                "contradicts"
            };
            mistakes.push(next.mistake(format!(
                "the price for {} {says} {}; give it an `effective_from` of its own, or take it out",
                what(),
                one.place()
            )));
        } else if let (Some(ended), Some(from)) = (one.effective_to, next.effective_from)
            && from <= ended
        {
            mistakes.push(next.mistake(format!(
                "the price for {} begins on {from}, but that of {} holds until {ended}",
                what(),
                one.place()
            )));
        }
    }
}

/// On every day on which something changes, the rows that hold must make a tariff.
fn gaps(rows: &[Row], mistakes: &mut Vec<Mistake>) {
    let regions: BTreeSet<Option<&str>> = rows.iter().map(|row| row.region.as_deref()).collect();
    let begins = rows.iter().map(|row| row.effective_from.unwrap_or(Date::FIRST));
    let ends = rows.iter().filter_map(|row| row.effective_to?.next());
    let days: BTreeSet<Date> = begins.chain(ends).collect();
    for region in regions {
        let mut told = BTreeSet::new();
        for day in &days {
            let held = in_force(rows, region, *day);
            let Some(last) = held.last() else { continue };
            let prices = held.iter().map(|row| row.listed());
            if let Err(error) = Tariff::new(prices)
                && told.insert(error.to_string())
            {
                let message = format!("`{}` of {} on {day}: {error}", last.model, last.kind);
                mistakes.push(last.mistake(message));
            }
        }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: error: {}", self.file, self.message),
            line => write!(f, "{}:{line}: error: {}", self.file, self.message),
        }
    }
}

impl std::error::Error for Mistake {}

#[cfg(test)]
mod tests;
