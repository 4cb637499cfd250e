//! `isthmus export`

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use isthmus_config::settings::{Endpoint, Settings};
use isthmus_inference::money::Money;
use isthmus_ledger::books::{Books, Bucket, Hours};
use isthmus_ledger::entry::Entry;
use isthmus_ledger::focus::check::Complaint;
use isthmus_ledger::focus::export::{self, Export};
use isthmus_ledger::focus::{Seller, Surroundings, Version, charges, committed, read};
use isthmus_ledger::fold;
use isthmus_ledger::lease::Lease;
use isthmus_policies::facts::Network;

use super::ledger::in_order;
use super::report::{Period, buckets};
use super::{CommandError, ConfigFile, block_on, say, say_error};
use crate::app::open_existing_ledger;
use crate::calendar::{today, unix_milliseconds};
use crate::report::{Arrangements, prices};

/// Writes the books in formats that others read.
#[derive(Debug, Args)]
pub(super) struct ExportArguments {
    #[command(subcommand)]
    format: To,
}

#[derive(Debug, Subcommand)]
enum To {
    Focus(Focus),
}

/// Writes the books as FOCUS, the FinOps Foundation's format for bills, and checks what it wrote.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  isthmus export focus --version 1.2 --format parquet --from 2026-11-01 --to 2026-12-01 --output november.parquet
  isthmus export focus --version 1.4 --format csv --per-request --from yesterday --to today
  isthmus export focus --check november.parquet")]
struct Focus {
    #[command(flatten)]
    config: ConfigFile,
    /// Which FOCUS: 1.2 or 1.4.
    #[arg(long, default_value = "1.2")]
    version: Version,
    /// How the file looks.
    #[arg(long, value_enum, default_value = "csv")]
    format: Form,
    #[command(flatten)]
    period: Period,
    /// Rows for each request instead of each hour; leases stay by the hour.
    #[arg(long)]
    per_request: bool,
    /// The file to write [default: the terminal].
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Check this file instead of writing one.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["output", "per_request", "from", "to"])]
    check: Option<PathBuf>,
}

/// How a file looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// Comma-separated values.
    Csv,
    /// Parquet.
    Parquet,
}

/// Links that are read at once.
const PAGE: u32 = 4000;

impl ExportArguments {
    pub(super) fn run(&self) -> Result<(), CommandError> {
        let To::Focus(focus) = &self.format;
        match &focus.check {
            Some(file) => checked(file),
            None => focus.run(),
        }
    }
}

impl Focus {
    fn run(&self) -> Result<(), CommandError> {
        let now = unix_milliseconds();
        let (period, _) = self.period.hours(now)?;
        let settings = self.config.load()?.settings;
        let leases = Arrangements::of(&settings).leases(period, now);
        let format = match self.format {
            Form::Csv => export::Format::Csv,
            Form::Parquet => export::Format::Parquet,
        };
        let out: Box<dyn Write + Send> = match &self.output {
            Some(path) => {
                let failed = |error| format!("cannot write {}: {error}", path.display());
                Box::new(BufWriter::new(
                    File::create(path).map_err(|error| CommandError::of(failed(error)))?,
                ))
            }
            None => Box::new(BufWriter::new(io::stdout())),
        };
        let mut export = Export::begin(out, self.version, format).map_err(CommandError::of)?;
        let ledger = block_on(self.write(&settings, period, &leases, &mut export))?;
        let (told, complaints) = export.finish().map_err(CommandError::of)?;
        complain(&complaints)?;
        if told.billed - told.purchased != ledger {
            let exported = told.billed - told.purchased;
            return Err(CommandError::of(format!(
                "the ledger has ${ledger}, and the export ${exported}; `isthmus ledger verify` says whether the ledger is whole"
            )));
        }
        say_error(&format!(
            "{} rows: ${} billed (${} of it leases), ${} effective; as the ledger has it",
            told.rows, told.billed, told.purchased, told.effective
        ));
        Ok(())
    }

    /// Writes all rows; what the ledger's own sums of the period come to.
    async fn write<W: Write + Send>(
        &self,
        settings: &Settings,
        period: Hours,
        leases: &[Lease],
        export: &mut Export<W>,
    ) -> Result<Money, CommandError> {
        let books = open_existing_ledger(settings).await.map_err(CommandError::of)?;
        in_order(settings, &books).await.map_err(CommandError::of)?;
        let prices = prices(&books).await.map_err(CommandError::of)?;
        let price_of = |id: &str| prices.get(id).cloned();
        let sellers = sellers(settings);
        let around = Surroundings { price_of: &price_of, sellers: &sellers };
        let buckets = buckets(&books, period).await?;
        let mut add = |bucket: &Bucket, request_id: &str| {
            if committed::is_leased(bucket, leases) {
                return Ok(());
            }
            let rows = charges::rows(bucket, request_id, &around);
            rows.iter().try_for_each(|row| export.row(row)).map_err(CommandError::of)
        };
        if self.per_request {
            each_request(&books, period, &mut add).await?;
        } else {
            buckets.iter().try_for_each(|bucket| add(bucket, ""))?;
        }
        let organisation = &settings.tenancy.organisation.name;
        for lease in leases {
            for row in committed::rows(lease, &buckets, period, organisation, &around) {
                export.row(&row).map_err(CommandError::of)?;
            }
        }
        Ok(buckets.iter().map(|bucket| bucket.sums.cost).sum())
    }
}

/// Hands over every entry of a period as the sums that it adds to the books.
async fn each_request(
    books: &impl Books,
    period: Hours,
    add: &mut impl FnMut(&Bucket, &str) -> Result<(), CommandError>,
) -> Result<(), CommandError> {
    for (node, _) in books.heads().await.map_err(CommandError::of)? {
        let mut after = 0;
        loop {
            let links = books.links(&node, after, PAGE).await.map_err(CommandError::of)?;
            let Some(last) = links.last() else { break };
            after = last.sequence;
            for link in &links {
                let entry = link.entry().map_err(CommandError::of)?;
                if matches!(&*entry, Entry::Hold(_)) {
                    continue;
                }
                for bucket in fold::buckets(&entry) {
                    if (period.from..period.to).contains(&bucket.hour) {
                        add(&bucket, entry.request_id())?;
                    }
                }
            }
        }
    }
    Ok(())
}

/// Who sells each endpoint's answers, from its facts.
fn sellers(settings: &Settings) -> BTreeMap<String, Seller> {
    let of = |endpoint: &Endpoint| (endpoint.name.to_string(), seller(settings, endpoint));
    settings.endpoints.values().map(of).collect()
}

fn seller(settings: &Settings, endpoint: &Endpoint) -> Seller {
    let (facts, today) = (&endpoint.facts, today());
    let network = facts.network.as_ref().and_then(|fact| fact.on(today)).copied();
    let account = match network {
        Some(Network::Local) => settings.tenancy.organisation.name.clone(),
        _ => endpoint.provider.to_string(),
    };
    let operator = facts.operator.as_ref().and_then(|fact| fact.on(today)).cloned();
    let regions = facts.processing_regions.as_ref().and_then(|fact| fact.on(today));
    let region = regions.filter(|regions| regions.len() == 1);
    Seller {
        host: operator.unwrap_or_else(|| account.clone()),
        invoice_issuer: account.clone(),
        service: format!("{} API", endpoint.provider),
        region: region.and_then(|regions| regions.first().cloned()),
        dynamic: network == Some(Network::Decentralised),
        service_provider: account,
    }
}

fn checked(path: &Path) -> Result<(), CommandError> {
    let named =
        |error: &dyn std::fmt::Display| CommandError::of(format!("{}: {error}", path.display()));
    let file = File::open(path).map_err(|error| named(&error))?;
    let (rows, complaints) = read::check(file).map_err(|error| named(&error))?;
    complain(&complaints)?;
    say(&format!("{} keeps the rules; it has {rows} rows", path.display()));
    Ok(())
}

fn complain(complaints: &[Complaint]) -> Result<(), CommandError> {
    complaints.iter().for_each(|complaint| say_error(&complaint.to_string()));
    match complaints.len() {
        0 => Ok(()),
        1 => Err(CommandError::of("1 rule is broken")),
        many => Err(CommandError::of(format!("{many} rules are broken"))),
    }
}
