//! The invoice: comma-separated values with a line for each of what a provider charges. `docs/reports.md`
//! says how it looks.

use std::io::Read;

use isthmus_inference::money::Money;

use super::Place;
use crate::sheet::Number;

/// A line of an invoice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The account, as it is named in the configuration.
    pub provider: String,
    /// `2026-11`.
    pub month: String,
    /// The upstream's own name for the model.
    pub sku: String,
    /// `input`, `output`, …; empty for all of a model in one line.
    pub meter: String,
    /// How many tokens, or requests, if the invoice says.
    pub quantity: Option<Number>,
    /// What they cost.
    pub amount: Money,
}

/// Why a file is no invoice.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {reason}")]
pub struct InvoiceError {
    /// Which line.
    place: String,
    reason: String,
}

const COLUMNS: [&str; 7] = ["provider", "month", "sku", "meter", "quantity", "amount", "currency"];

/// Reads an invoice.
pub fn read(file: impl Read) -> Result<Vec<Line>, InvoiceError> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(file);
    let wrong = |line: u64, reason: String| InvoiceError { place: format!("line {line}"), reason };
    let headers = reader.headers().map_err(|error| wrong(1, error.to_string()))?.clone();
    let mut at = [0; COLUMNS.len()];
    for (place, column) in at.iter_mut().zip(COLUMNS) {
        let found = headers.iter().position(|header| header.eq_ignore_ascii_case(column));
        *place = found.ok_or_else(|| {
            wrong(1, format!("there is no column `{column}`; an invoice has {}", COLUMNS.join(",")))
        })?;
    }
    let mut lines = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| {
            wrong(error.position().map_or(0, csv::Position::line), error.to_string())
        })?;
        let line = record.position().map_or(0, csv::Position::line);
        let cells = at.map(|at| record.get(at).unwrap_or_default());
        lines.push(Line::read(cells).map_err(|reason| wrong(line, reason))?);
    }
    Ok(lines)
}

// === impl Line ===

impl Line {
    fn read(cells: [&str; COLUMNS.len()]) -> Result<Self, String> {
        let [provider, month, sku, meter, quantity, amount, currency] = cells;
        if !currency.eq_ignore_ascii_case("USD") {
            return Err(format!("`{currency}` is not USD; convert the amounts first"));
        }
        let utc = crate::report::calendar::Zone::utc();
        if month.len() != "2026-11".len() || utc.hours_of_month(month).is_none() {
            return Err(format!("`{month}` is not a month such as 2026-11"));
        }
        if provider.is_empty() || sku.is_empty() {
            return Err("a line needs a provider and a sku".to_owned());
        }
        let quantity = match quantity {
            "" => None,
            text => {
                let wrong = |_| format!("`{text}` is not a quantity such as 1500000");
                let units = text.parse::<Money>().map_err(wrong)?.pico_dollars();
                Some(Number::from_units(units))
            }
        };
        Ok(Self {
            provider: provider.to_lowercase(),
            month: month.to_owned(),
            sku: sku.to_lowercase(),
            meter: meter.to_lowercase().replace(' ', "_"),
            quantity,
            amount: amount.parse().map_err(|error| format!("{error}"))?,
        })
    }

    pub(super) fn place(&self) -> Place {
        (self.provider.clone(), self.month.clone(), self.sku.clone(), self.meter.clone())
    }
}
