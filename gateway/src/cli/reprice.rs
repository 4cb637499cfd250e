//! `isthmus catalogue reprice`

use std::borrow::Cow;
use std::collections::BTreeMap;

use clap::Args;
use isthmus_config::settings::Settings;
use isthmus_inference::date::Date;
use isthmus_inference::money::Money;
use isthmus_ledger::books::{Books, Hours};
use isthmus_ledger::entry::{Correction, Entry, Line, Settled};
use isthmus_ledger::fold;
use isthmus_ledger::journal::{Segments, recover, write_and_post};
use isthmus_ledger::reprice::{Standing, corrections};
use isthmus_ledger::sheet::{Cell, Column, Kind, Sheet, table};
use isthmus_ledger::store::StoreError;

use super::ledger::{each_link, in_order};
use super::report::Period;
use super::{CommandError, ConfigFile, block_on, say};
use crate::app::open_existing_ledger;
use crate::calendar::unix_milliseconds;
use crate::pool::LEASE;
use crate::prices::right;

/// Corrects what was charged by a wrong price: tells what would change, and writes it with `--yes`.
///
/// Right is what the configuration says of the endpoint now, and where it leaves the price to the
/// catalogue, what that says of the day of the exchange. What was charged stays; a correction is an entry
/// of its own, and reports count the difference in the hour of the exchange.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  isthmus catalogue reprice --from 2026-11-01 --to 2026-11-15 --provider openai --model gpt-5-mini
  isthmus catalogue reprice --from 2026-11-01 --to 2026-11-15 --provider openai --model gpt-5-mini --yes

Gateways may run meanwhile. Where several share a database, one such command at a time is enough.")]
pub(super) struct Reprice {
    #[command(flatten)]
    config: ConfigFile,
    #[command(flatten)]
    period: Period,
    /// Only what this account charged, by its name in the configuration.
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// Only this model, by the name that the provider has for it.
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    /// Why; every correction says it.
    #[arg(long, value_name = "TEXT", default_value = "the price was wrong")]
    reason: String,
    /// Write the corrections.
    #[arg(long)]
    yes: bool,
}

/// What was found.
#[derive(Debug, Default)]
struct Found {
    corrections: Vec<Correction>,
    /// Their prices, by version.
    prices: BTreeMap<String, String>,
    /// Lines for which no right price can be told.
    unknown: u64,
}

impl Reprice {
    pub(super) fn run(&self) -> Result<(), CommandError> {
        let now = unix_milliseconds();
        let (hours, _) = self.period.hours(now)?;
        let settings = self.config.as_written()?.1.settings;
        block_on(async {
            let books = open_existing_ledger(&settings).await.map_err(CommandError::of)?;
            let found = self.corrected(&settings, &books, hours, now).await;
            let found = found.map_err(CommandError::of)?;
            say(table::text(&self.sheet(&found)).trim_end());
            Ok(())
        })
    }

    async fn corrected(
        &self,
        settings: &Settings,
        books: &impl Books,
        hours: Hours,
        now: i64,
    ) -> Result<Found, StoreError> {
        in_order(settings, books).await?;
        if !self.yes {
            return self.find(settings, books, hours, now).await;
        }
        // Opened before anything is read, so that nobody else finds the same meanwhile.
        let mut journal = Segments::open_for_corrections(&settings.ledger.path)?;
        recover(&mut journal, books, now).await?;
        let found = self.find(settings, books, hours, now).await?;
        for (id, text) in &found.prices {
            books.keep_price(id, text).await?;
        }
        let entries = found.corrections.iter().cloned().map(Box::new).map(Entry::Correction);
        write_and_post(&mut journal, books, entries).await?;
        Ok(found)
    }

    /// Reads all entries twice: a correction may stand in a journal before the one of its exchange.
    async fn find(
        &self,
        settings: &Settings,
        books: &impl Books,
        hours: Hours,
        now: i64,
    ) -> Result<Found, StoreError> {
        let within = |at: i64| (hours.from..hours.to).contains(&fold::hour(at));
        let mut standing = Standing::default();
        each_link(books, |link| {
            if let Ok(Entry::Correction(correction)) = link.entry().map(Cow::into_owned)
                && within(correction.of)
            {
                standing.was_corrected(*correction);
            }
        })
        .await?;
        let mut found = Found::default();
        each_link(books, |link| {
            if let Ok(Entry::Settled(settled)) = link.entry().map(Cow::into_owned)
                && within(settled.at)
            {
                self.correct(settings, &standing.of(*settled), now, &mut found);
            }
        })
        .await?;
        Ok(found)
    }

    fn correct(&self, settings: &Settings, settled: &Settled, now: i64, found: &mut Found) {
        let Some(day) = Date::of_unix_seconds(settled.at.div_euclid(1000)) else { return };
        let (prices, unknown) = (&mut found.prices, &mut found.unknown);
        let tariff = |line: &Line| {
            if !self.wants(line) {
                return None;
            }
            let Some(tariff) = right(settings, line, day) else {
                *unknown += 1;
                return None;
            };
            for priced in tariff.prices() {
                prices.entry(priced.id.to_string()).or_insert_with(|| priced.written.text());
            }
            Some(tariff)
        };
        found.corrections.extend(corrections(settled, tariff, now, &self.reason));
    }

    /// The hour of a lease is paid, whatever was made in it; and what used nothing costs nothing.
    fn wants(&self, line: &Line) -> bool {
        let is = |wanted: &Option<String>, word: &str| wanted.as_ref().is_none_or(|it| it == word);
        line.price.as_deref() != Some(LEASE)
            && line.usage.total() > 0
            && is(&self.provider, &line.provider)
            && is(&self.model, &line.upstream_model)
    }

    fn sheet(&self, found: &Found) -> Sheet {
        let mut sums = BTreeMap::<_, (u64, Money, Money)>::new();
        for Correction { line, was, .. } in &found.corrections {
            let of = (line.provider.as_str(), line.upstream_model.as_str());
            let sum = sums.entry(of).or_default();
            sum.0 += 1;
            sum.1 += was.unwrap_or(Money::ZERO);
            sum.2 += line.cost.unwrap_or(Money::ZERO);
        }
        let row = |provider: &str, model: &str, (lines, was, right): (u64, Money, Money)| {
            let difference = Cell::Money(right - was);
            vec![provider.into(), model.into(), lines.into(), was.into(), right.into(), difference]
        };
        let all = sums.values().fold((0, Money::ZERO, Money::ZERO), |all, one| {
            (all.0 + one.0, all.1 + one.1, all.2 + one.2)
        });
        Sheet {
            title: self.title(found).into(),
            columns: vec![
                Column::new("provider", "Provider", Kind::Text),
                Column::new("model", "Model", Kind::Text),
                Column::new("attempts", "Attempts", Kind::Count),
                Column::new("was_usd", "Was $", Kind::Money),
                Column::new("right_usd", "Right $", Kind::Money),
                Column::new("difference_usd", "Difference $", Kind::Money),
            ],
            rows: sums.into_iter().map(|(of, sum)| row(of.0, of.1, sum)).collect(),
            total: Some(row("", "", all)),
            notes: self.notes(found),
        }
    }

    fn title(&self, found: &Found) -> &'static str {
        match (found.corrections.is_empty(), self.yes) {
            (true, _) => "Nothing to be corrected",
            (false, true) => "Corrected",
            (false, false) => "To be corrected",
        }
    }

    fn notes(&self, found: &Found) -> Vec<String> {
        let mut notes = vec![];
        if found.unknown > 0 {
            notes.push(format!(
                "{} more attempts stay as they are: their endpoint is gone from the configuration or answers with another model now, is priced in another currency, or has no price.",
                found.unknown
            ));
        }
        if found.corrections.is_empty() {
            notes.push("Everything else was charged as it should be.".into());
        } else if !self.yes {
            notes.push("Nothing was written. With `--yes` it is.".into());
        }
        notes
    }
}
