//! `isthmus ledger`

use clap::{Args, Subcommand};
use isthmus_config::settings::Settings;
use isthmus_inference::money::Money;
use isthmus_inference::usage::Usage;
use isthmus_ledger::books::{Books, Hours};
use isthmus_ledger::entry::Chained;
use isthmus_ledger::journal::post_left_behind;
use isthmus_ledger::store::StoreError;
use isthmus_ledger::verify::{Audit, Claimed, Finding, Told};

use super::{CommandError, ConfigFile, block_on, say, say_error};
use crate::app::open_existing_ledger;
use crate::calendar::unix_milliseconds;
use crate::report::prices;

/// Looks into the ledger: what was held, spent and corrected.
#[derive(Debug, Args)]
pub(super) struct Ledger {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Verify(Verify),
    Entries(Entries),
}

/// Recomputes every sum and every chain of entries, and reports any hole, double or wrong price. Exits
/// 1 if something does not fit.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  isthmus ledger verify
  isthmus ledger verify --json

A running gateway goes on meanwhile: what it holds at this moment is listed as open, and its last half
second may not be in the books yet.")]
struct Verify {
    #[command(flatten)]
    config: ConfigFile,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Prints entries as JSON, one a line, in the order of their journals: all, or those of one request.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  isthmus ledger entries | jq 'select(.entry == \"settled\") | .lines[].cost'
  isthmus ledger entries --request req_8f476b1cba1e")]
struct Entries {
    #[command(flatten)]
    config: ConfigFile,
    /// Those of the exchanges with this request id alone.
    #[arg(long, value_name = "REQUEST_ID")]
    request: Option<String>,
}

/// Links that are read at once.
const PAGE: u32 = 4000;
const EVER: Hours = Hours { from: i64::MIN, to: i64::MAX };

impl Ledger {
    pub(super) fn run(&self) -> Result<(), CommandError> {
        match &self.command {
            Command::Verify(verify) => verify.run(),
            Command::Entries(entries) => entries.run(),
        }
    }
}

impl Verify {
    fn run(&self) -> Result<(), CommandError> {
        let settings = self.config.load()?.settings;
        let (told, open, findings) = block_on(async {
            let books = open_existing_ledger(&settings).await.map_err(CommandError::of)?;
            in_order(&settings, &books).await.map_err(CommandError::of)?;
            verified(&books).await.map_err(CommandError::of)
        })?;
        if self.json {
            say(&as_json(&told, open, &findings).to_string());
        } else {
            findings.iter().for_each(|finding| say_error(&finding.to_string()));
            say(&in_words(&told, open));
        }
        match findings.len() {
            0 => Ok(()),
            1 => Err(CommandError::of("1 thing does not fit")),
            many => Err(CommandError::of(format!("{many} things do not fit"))),
        }
    }
}

impl Entries {
    fn run(&self) -> Result<(), CommandError> {
        let settings = self.config.load()?.settings;
        block_on(async {
            let books = open_existing_ledger(&settings).await.map_err(CommandError::of)?;
            in_order(&settings, &books).await.map_err(CommandError::of)?;
            match &self.request {
                Some(request) => {
                    let links = books.of_request(request).await.map_err(CommandError::of)?;
                    links.iter().for_each(|link| say(link.body.as_str()));
                    if links.is_empty() {
                        let error =
                            format!("no exchange with the request id `{request}` is in the books");
                        return Err(CommandError::of(error));
                    }
                }
                None => {
                    let printed = each_link(&books, |link| say(link.body.as_str())).await;
                    printed.map_err(CommandError::of)?;
                }
            }
            Ok(())
        })
    }
}

/// What gateways that ended left in their journals belongs to the books too.
pub(super) async fn in_order(settings: &Settings, books: &impl Books) -> Result<(), StoreError> {
    post_left_behind(&settings.ledger.path, books, unix_milliseconds()).await.map(drop)
}

/// Shows every link, those of a journal in their order.
pub(super) async fn each_link(
    books: &impl Books,
    mut see: impl FnMut(&Chained),
) -> Result<(), StoreError> {
    for (node, _) in books.heads().await? {
        let mut after = 0;
        loop {
            let links = books.links(&node, after, PAGE).await?;
            let Some(last) = links.last() else { break };
            after = last.sequence;
            links.iter().for_each(&mut see);
        }
    }
    Ok(())
}

async fn verified(books: &impl Books) -> Result<(Told, usize, Vec<Finding>), StoreError> {
    let prices = prices(books).await?;
    let price = |id: &str, usage: &Usage| match id {
        // The hour is paid; what is made in it costs nothing.
        crate::pool::LEASE => Some(Money::ZERO),
        id => Some(prices.get(id)?.price.cost(usage)),
    };
    // Sums first: what is posted while the entries are read would otherwise be missing in them.
    let heads = books.heads().await?;
    let claimed = Claimed {
        heads: heads.clone(),
        buckets: books.buckets(EVER).await?,
        open: books.open_holds(None).await?,
    };
    let open = claimed.open.len();
    let mut audit = Audit::new(&price);
    for (node, head) in heads {
        let mut after = 0;
        while after < head.sequence {
            let links = books.links(&node, after, PAGE).await?;
            let Some(last) = links.last() else { break };
            after = last.sequence;
            links
                .iter()
                .filter(|link| link.sequence <= head.sequence)
                .for_each(|it| audit.link(it));
        }
    }
    let (told, findings) = audit.finish(claimed);
    Ok((told, open, findings))
}

fn in_words(told: &Told, open: usize) -> String {
    let Told { entries, settled, interrupted, corrections, cost } = told;
    format!(
        "{entries} entries: {settled} exchanges are settled ({interrupted} of them interrupted), {open} are open, {corrections} corrections; ${cost} in all"
    )
}

fn as_json(told: &Told, open: usize, findings: &[Finding]) -> serde_json::Value {
    serde_json::json!({
        "entries": told.entries,
        "settled": told.settled,
        "interrupted": told.interrupted,
        "open": open,
        "corrections": told.corrections,
        "cost_usd": told.cost,
        "findings": findings.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}
