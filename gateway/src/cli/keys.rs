//! `isthmus keys`

use clap::{Args, Subcommand};
use isthmus_ledger::key::{Key, NewKey};
use isthmus_ledger::store::Store;
use isthmus_ledger::stores::sqlite::Sqlite;

use super::{CommandError, ConfigFile, block_on, say, say_error};
use crate::app::{open_existing_ledger, open_ledger};
use crate::keyring::now;

/// The keys that callers present. A running gateway follows within a second.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  isthmus keys create --name website --models chat --expires-in-days 90"
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
        let name = self.name.trim();
        if name.is_empty() || name.contains(char::is_control) {
            return Err(CommandError::of("a key's name must be text on one line, and not empty"));
        }
        let models = self.models.iter().map(|model| model.trim().to_owned()).collect();
        let expires_at = self.expires_in_days.map(|days| now() + i64::from(days) * SECONDS_PER_DAY);
        let new = NewKey { name: name.to_owned(), models, expires_at };
        let settings = self.config.load()?.settings;
        let store = open_ledger(&settings).await.map_err(CommandError::of)?;
        let (_, minted) = store.create_key(&new, now()).await.map_err(CommandError::of)?;
        say_error("keep this key: it is not shown again");
        say(minted.secret.expose());
        Ok(())
    }
}

async fn list(store: &Sqlite) -> Result<(), CommandError> {
    let keys = store.keys().await.map_err(CommandError::of)?;
    say(&format!("{:<14} {:<24} {:<8} MODELS", "ID", "NAME", "STATE"));
    for (_, key) in keys {
        let models = if key.models.is_empty() { "all".to_owned() } else { key.models.join(",") };
        say(&format!("{:<14} {:<24} {:<8} {models}", key.id, key.name, state(&key, now())));
    }
    Ok(())
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
