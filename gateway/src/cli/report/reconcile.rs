//! `isthmus report reconcile`

use std::fs::File;
use std::path::PathBuf;

use clap::Args;
use isthmus_inference::money::Money;
use isthmus_ledger::books::Hours;
use isthmus_ledger::reconcile::{Tolerance, invoice, reconcile};
use isthmus_ledger::report::calendar::Zone;
use isthmus_ledger::sheet::Number;

use super::{Output, read};
use crate::cli::{CommandError, ConfigFile};

/// Compares an invoice with the books, by provider, month, SKU and meter.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  isthmus report reconcile invoice.csv --tolerance-percent 1

The invoice has the columns provider,month,sku,meter,quantity,amount,currency:
  openai,2026-11,gpt-5-mini,input,1500000,0.375,USD
  openai,2026-11,gpt-5-mini,output,200000,0.40,USD
An empty meter stands for all of a model in one line; an empty quantity says nothing.")]
pub(super) struct Reconcile {
    /// The invoice.
    #[arg(value_name = "INVOICE.csv")]
    invoice: PathBuf,
    #[command(flatten)]
    config: ConfigFile,
    /// Differences up to this much of the invoiced amount fit.
    #[arg(long, value_name = "PERCENT", default_value = "0.5")]
    tolerance_percent: Money,
    /// Differences up to this much fit.
    #[arg(long, value_name = "USD", default_value = "0.01")]
    tolerance_usd: Money,
    /// So many hours around a month's ends may count to either month.
    #[arg(long, value_name = "HOURS", default_value = "12", value_parser = clap::value_parser!(u16).range(..=72))]
    edge_hours: u16,
    /// Where the provider's months begin.
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    time_zone: String,
    #[command(flatten)]
    output: Output,
}

impl Reconcile {
    pub(super) fn run(&self) -> Result<(), CommandError> {
        let zone = Zone::named(&self.time_zone).map_err(CommandError::of)?;
        let named = |error: &dyn std::fmt::Display| {
            CommandError::of(format!("{}: {error}", self.invoice.display()))
        };
        let file = File::open(&self.invoice).map_err(|error| named(&error))?;
        let lines = invoice::read(file).map_err(|error| named(&error))?;
        let months = lines.iter().filter_map(|line| zone.hours_of_month(&line.month));
        let edge = i64::from(self.edge_hours);
        let hours = months
            .map(|month| Hours { from: month.from - edge, to: month.to + edge })
            .reduce(super::hull)
            .ok_or_else(|| named(&"the invoice has no lines"))?;
        let settings = self.config.load()?.settings;
        let (buckets, prices) = read(&settings, hours)?;
        let price_of = |id: &str| prices.get(id).map(|written| written.price);
        let tolerance = Tolerance {
            percent: Number::from_units(self.tolerance_percent.pico_dollars()),
            least: self.tolerance_usd,
            edge_hours: edge,
        };
        let reconciled = reconcile(&lines, &buckets, &price_of, tolerance, &zone);
        self.output.write(&reconciled.sheet)?;
        match reconciled.beyond {
            0 => Ok(()),
            1 => Err(CommandError::of("1 line differs by more than is tolerated")),
            many => Err(CommandError::of(format!("{many} lines differ by more than is tolerated"))),
        }
    }
}
