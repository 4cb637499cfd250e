//! `isthmus keys`

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use isthmus_ledger::key::{Holder, Key, NewKey};
use isthmus_ledger::store::Store;
use isthmus_ledger::stores::sqlite::Sqlite;
use isthmus_policies::class::DataClass;

use super::{CommandError, ConfigFile, block_on, say, say_error};
use crate::app::{open_existing_ledger, open_ledger};
use crate::keyring::now;

/// The keys that callers present. A running gateway follows within a second.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  isthmus keys create --name website --models chat --expires-in-days 90\n  isthmus keys create --name helpdesk --team support --data-class pii"
)]
pub(super) struct Keys {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a key. It is shown this once; only its hash is kept.
    Create(Create),
    /// List all keys, live or not.
    List {
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Withdraw a key.
    Revoke {
        /// The key's name or id.
        key: String,
        #[command(flatten)]
        config: ConfigFile,
    },
}

#[derive(Debug, Args)]
struct Create {
    /// A name for it, not yet in use.
    #[arg(long)]
    name: String,
    /// The models that it may ask for [default: all].
    #[arg(long, value_delimiter = ',', value_name = "MODEL,…")]
    models: Vec<String>,
    /// Days after which it opens nothing any more [default: never].
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..))]
    expires_in_days: Option<u32>,
    /// The organisation that it is of [default: tenancy.organisation.name].
    #[arg(long)]
    organisation: Option<String>,
    /// The team that it is of [default: default].
    #[arg(long)]
    team: Option<String>,
    /// The app that it is of [default: the key's name].
    #[arg(long)]
    app: Option<String>,
    /// The class that its requests have at least.
    #[arg(long, value_name = "CLASS", value_parser = class_words())]
    data_class: Option<String>,
    /// Let its holder say of a request that it is of a milder class than the key or the detector
    /// says, though never below the organisation's floor.
    #[arg(long)]
    may_declassify: bool,
    #[command(flatten)]
    config: ConfigFile,
}

const SECONDS_PER_DAY: i64 = 86_400;

impl Keys {
    pub(super) fn run(&self) -> Result<(), CommandError> {
        block_on(async {
            match &self.action {
                Action::Create(create) => create.run().await,
                Action::List { config } => list(&open(config).await?).await,
                Action::Revoke { key, config } => revoke(&open(config).await?, key).await,
            }
        })
    }
}

impl Create {
    async fn run(&self) -> Result<(), CommandError> {
        let name = one_line("name", &self.name)?;
        let models = self.models.iter().map(|model| model.trim().to_owned()).collect();
        let expires_at = self.expires_in_days.map(|days| now() + i64::from(days) * SECONDS_PER_DAY);
        let new = NewKey { name, models, expires_at, holder: self.holder()? };
        let settings = self.config.load()?.settings;
        let store = open_ledger(&settings).await.map_err(CommandError::of)?;
        let (_, minted) = store.create_key(&new, now()).await.map_err(CommandError::of)?;
        say_error("keep this key: it is not shown again");
        say(minted.secret.expose());
        Ok(())
    }

    fn holder(&self) -> Result<Holder, CommandError> {
        let given = |what: &str, name: &Option<String>| {
            name.as_ref().map(|name| one_line(what, name)).transpose()
        };
        Ok(Holder {
            organisation: given("organisation", &self.organisation)?,
            team: given("team", &self.team)?,
            app: given("app", &self.app)?,
            data_class: self.data_class.clone(),
            may_declassify: self.may_declassify,
            ..Holder::default()
        })
    }
}

fn class_words() -> PossibleValuesParser {
    PossibleValuesParser::new(DataClass::WORDS.iter().map(|(word, _)| *word))
}

fn one_line(what: &str, text: &str) -> Result<String, CommandError> {
    let text = text.trim();
    if text.is_empty() || text.contains(char::is_control) {
        let message = format!("a key's {what} must be text on one line, and not empty");
        return Err(CommandError::of(message));
    }
    Ok(text.to_owned())
}

async fn list(store: &Sqlite) -> Result<(), CommandError> {
    let keys = store.keys().await.map_err(CommandError::of)?;
    say(&format!(
        "{:<14} {:<24} {:<8} {:<32} {:<18} MODELS",
        "ID", "NAME", "STATE", "ORGANISATION/TEAM/APP", "CLASS"
    ));
    for (_, key) in keys {
        let models = if key.models.is_empty() { "all".to_owned() } else { key.models.join(",") };
        let (holder, class) = (holder(&key), class(&key));
        let state = state(&key, now());
        say(&format!(
            "{:<14} {:<24} {state:<8} {holder:<32} {class:<18} {models}",
            key.id, key.name
        ));
    }
    Ok(())
}

/// Whose it is; a dot is what the house's own defaults say.
fn holder(key: &Key) -> String {
    let Holder { organisation, team, app, .. } = &key.holder;
    let names = [organisation, team, app].map(|name| name.as_deref().unwrap_or("."));
    names.join("/")
}

/// The class of its data, and whether its holder may lower it.
fn class(key: &Key) -> String {
    let class = key.holder.data_class.as_deref().unwrap_or("-");
    if key.holder.may_declassify { format!("{class} (may lower)") } else { class.to_owned() }
}

async fn revoke(store: &Sqlite, key: &str) -> Result<(), CommandError> {
    let key = store.revoke_key(key, now()).await.map_err(CommandError::of)?;
    say(&format!("revoked {} ({})", key.id, key.name));
    Ok(())
}

async fn open(config: &ConfigFile) -> Result<Sqlite, CommandError> {
    open_existing_ledger(&config.load()?.settings).await.map_err(CommandError::of)
}

fn state(key: &Key, now: i64) -> &'static str {
    match key {
        Key { revoked_at: Some(_), .. } => "revoked",
        key if key.is_live(now) => "live",
        _ => "expired",
    }
}
