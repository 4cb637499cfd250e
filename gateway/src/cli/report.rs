//! `isthmus report`

mod output;
mod reconcile;

use std::collections::HashMap;
use std::io::IsTerminal;

use clap::{Args, Subcommand};
use isthmus_config::settings::Settings;
use isthmus_inference::tariff::Written;
use isthmus_ledger::books::{Books, Bucket, Hours};
use isthmus_ledger::report::calendar::Zone;
use isthmus_ledger::report::page::Page;
use isthmus_ledger::sheet::{Sheet, html};

use super::ledger::in_order;
use super::{CommandError, ConfigFile, block_on, say_error};
use crate::app::open_existing_ledger;
use crate::calendar::unix_milliseconds;
use crate::report::{Arrangements, Question, Subject, keys, prices};
pub(super) use output::{Format, Output};

/// Tells what was spent, by whom and on what; and what that means.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:
  isthmus report --group-by team,day --from 7d
  isthmus report --group-by team,tag:feature --from 2026-11-01 --to 2026-12-01 --time-zone Europe/Berlin
  isthmus report --from 30d --format html --output november.html
  isthmus report budgets
  isthmus report reconcile invoice.csv --tolerance-percent 1

Groups: team, app, key, organisation, provider, model, upstream_model, endpoint, day, hour, week, month,
data_class, policy, outcome, reason, cache, price, estimated, correction, tag:NAME. Sums are kept by the
hour of UTC; an hour belongs to the day in which it begins."
)]
pub(super) struct Report {
    #[command(subcommand)]
    of: Option<Of>,
    #[command(flatten)]
    asked: Asked,
}

#[derive(Debug, Subcommand)]
enum Of {
    /// What a thousand requests and a million tokens come to.
    Units(Asked),
    /// How much of the spend callers did not mark.
    Untagged(Asked),
    /// What routing and memory saved, and what compliance cost.
    Savings(Asked),
    /// Budgets against what was spent, with a forecast and how good such forecasts were.
    Budgets(Asked),
    /// Days that are not like others, and why.
    Anomalies(Asked),
    /// Leased machines: what they cost, how much was used, and what a million tokens come to.
    Leases(Asked),
    /// Compare an invoice with the books; exits 1 if something differs by more than is tolerated.
    Reconcile(reconcile::Reconcile),
}

/// What all reports are asked.
#[derive(Debug, Args)]
struct Asked {
    #[command(flatten)]
    config: ConfigFile,
    /// By what to group, separated by commas.
    #[arg(long, value_name = "KEY,…")]
    group_by: Option<String>,
    #[command(flatten)]
    period: Period,
    #[command(flatten)]
    output: Output,
}

/// Which hours.
#[derive(Debug, Args)]
pub(super) struct Period {
    /// The first moment: a day such as 2026-11-01, `today`, `yesterday`, how long ago (24h, 7d, 4w), or
    /// 2026-11-01T12:00:00Z [default: the beginning of this month].
    #[arg(long, value_name = "MOMENT")]
    from: Option<String>,
    /// The first moment that is left out, in the same words [default: now].
    #[arg(long, value_name = "MOMENT")]
    to: Option<String>,
    /// Where days begin, such as Europe/Berlin.
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    time_zone: String,
}

/// Hours that are read at once.
const PAGE: i64 = 24 * 7;
/// Longer periods say how far they are.
const LONG: i64 = 24 * 62;

impl Report {
    pub(super) fn run(&self) -> Result<(), CommandError> {
        match &self.of {
            None => self.asked.run(Subject::Spend),
            Some(Of::Units(asked)) => asked.run(Subject::Units),
            Some(Of::Untagged(asked)) => asked.run(Subject::Untagged),
            Some(Of::Savings(asked)) => asked.run(Subject::Savings),
            Some(Of::Budgets(asked)) => asked.run(Subject::Budgets),
            Some(Of::Anomalies(asked)) => asked.run(Subject::Anomalies),
            Some(Of::Leases(asked)) => asked.run(Subject::Leases),
            Some(Of::Reconcile(reconcile)) => reconcile.run(),
        }
    }
}

impl Asked {
    fn run(&self, subject: Subject) -> Result<(), CommandError> {
        let now = unix_milliseconds();
        let (period, zone) = self.period.hours(now)?;
        let keys = keys(self.group_by.as_deref().unwrap_or(subject.usual_keys()));
        let keys = keys.map_err(CommandError::of)?;
        let question = Question { subject, keys, period, zone };
        let settings = self.config.load()?.settings;
        let arrangements = Arrangements::of(&settings);
        if self.output.format == Format::Html && subject == Subject::Spend {
            return self.page(&question, &settings, &arrangements, now);
        }
        let (buckets, prices) = read(&settings, question.reads(&arrangements, now))?;
        let sheet = question.answer(&buckets, &arrangements, &prices, now);
        self.output.write(&sheet)
    }

    /// The whole page: all reports under each other.
    fn page(
        &self,
        question: &Question,
        settings: &Settings,
        arrangements: &Arrangements,
        now: i64,
    ) -> Result<(), CommandError> {
        let other = |subject| Question { subject, ..question.clone() };
        let (back, ahead) = (other(Subject::Anomalies), other(Subject::Budgets));
        let (one, two) = (back.reads(arrangements, now), ahead.reads(arrangements, now));
        let (buckets, prices) = read(settings, hull(one, two))?;
        let within = |hours: Hours| -> Vec<Bucket> {
            let of = |bucket: &&Bucket| (hours.from..hours.to).contains(&bucket.hour);
            buckets.iter().filter(of).cloned().collect()
        };
        let budgets = ahead.answer(&within(two), arrangements, &prices, now);
        let mut more = vec![back.answer(&within(one), arrangements, &prices, now)];
        let mine = within(question.period);
        let leases = other(Subject::Leases).answer(&mine, arrangements, &prices, now);
        if !leases.rows.is_empty() {
            more.push(leases);
        }
        let page = Page {
            organisation: &settings.tenancy.organisation.name,
            period: question.period,
            buckets: &mine,
            keys: &question.keys,
            budgets: Some(&budgets).filter(|budgets| !budgets.rows.is_empty()),
            more: &more,
            discounts: arrangements.discounts(),
            zone: &question.zone,
            zone_name: &self.period.time_zone,
            made_at: now / 1000,
        };
        self.output.write_bytes(page.html().as_bytes())
    }
}

impl Period {
    /// The hours, and where their days begin.
    pub(super) fn hours(&self, now: i64) -> Result<(Hours, Zone), CommandError> {
        let zone = Zone::named(&self.time_zone).map_err(CommandError::of)?;
        let hours = zone.period(self.from.as_deref(), self.to.as_deref(), now);
        Ok((hours.map_err(CommandError::of)?, zone))
    }
}

/// What the books have of some hours, and the prices that it was charged at.
fn read(
    settings: &Settings,
    hours: Hours,
) -> Result<(Vec<Bucket>, HashMap<String, Written>), CommandError> {
    block_on(async {
        let books = open_existing_ledger(settings).await.map_err(CommandError::of)?;
        in_order(settings, &books).await.map_err(CommandError::of)?;
        let prices = prices(&books).await.map_err(CommandError::of)?;
        Ok((buckets(&books, hours).await?, prices))
    })
}

/// The buckets of some hours. Long reading at a terminal says how far it is.
pub(super) async fn buckets(books: &impl Books, hours: Hours) -> Result<Vec<Bucket>, CommandError> {
    let tells = std::io::stderr().is_terminal() && hours.to - hours.from > LONG;
    let (mut buckets, mut from, mut told) = (Vec::new(), hours.from, 0);
    while from < hours.to {
        let to = hours.to.min(from + PAGE);
        buckets.extend(books.buckets(Hours { from, to }).await.map_err(CommandError::of)?);
        from = to;
        let percent = (from - hours.from) * 100 / (hours.to - hours.from);
        if tells && percent >= told + 10 {
            told = percent;
            say_error(&format!("read {percent} % of the period"));
        }
    }
    Ok(buckets)
}

fn hull(one: Hours, other: Hours) -> Hours {
    Hours { from: one.from.min(other.from), to: one.to.max(other.to) }
}

/// A sheet as a page of its own.
fn as_html(sheet: &Sheet) -> String {
    format!(
        "<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title><style>{style}</style><main><h1>{title}</h1>{table}</main></html>\n",
        title = html::escape(&sheet.title),
        style = isthmus_ledger::report::page::STYLE,
        table = html::table(sheet)
    )
}
