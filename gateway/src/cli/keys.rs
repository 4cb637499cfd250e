//! `isthmus keys`

mod hash;
mod terms;

use clap::{Args, Subcommand};
use isthmus_config::settings::Settings;
use isthmus_ledger::key::{Holder, Key};
use isthmus_ledger::store::Store;
use isthmus_ledger::stores::Ledger;
use serde_json::{Value, json};

use super::{CommandError, ConfigFile, block_on, say, say_error};
use crate::app::{open_existing_ledger, open_ledger};
use crate::keyring::now;
use crate::keys::{changed, declared, new_key, shown};
use hash::Hash;
use terms::TermsArguments;

/// The keys that callers present. A running gateway follows within a second.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  isthmus keys create --name website --models chat --expires-in-days 90\n  isthmus keys create --name helpdesk --team support --data-class pii --rpm 600 --usd-per-month 200\n  isthmus keys update helpdesk --usd-per-month 300 --clear rpm"
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
    List(Look),
    /// Give a key on other terms. It stays the same key.
    Update(Update),
    /// Make a key in the place of another: the same name, holder, models, limits and end.
    Rotate(Rotate),
    /// Withdraw a key.
    Revoke(Revoke),
    /// Tell what stands for a key in the configuration: its visible head and its hash.
    Hash(Hash),
}

#[derive(Debug, Args)]
struct Look {
    /// Print JSON, for programs.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigFile,
}

#[derive(Debug, Args)]
struct Create {
    /// A name for it, not yet in use.
    #[arg(long)]
    name: String,
    #[command(flatten)]
    terms: TermsArguments,
    #[command(flatten)]
    look: Look,
}

#[derive(Debug, Args)]
struct Update {
    /// The key's name or id.
    key: String,
    #[command(flatten)]
    terms: TermsArguments,
    /// What it is to have no more of: models, expires-at, organisation, team, app, data-class,
    /// may-declassify, tags, rpm, tpm, concurrency, usd-per-day, usd-per-month.
    #[arg(long, value_delimiter = ',', value_name = "WHAT,…", value_parser = terms::clearable())]
    clear: Vec<String>,
    #[command(flatten)]
    look: Look,
}

#[derive(Debug, Args)]
struct Rotate {
    /// The key's name or id.
    key: String,
    /// Hours for which the old key opens as well.
    #[arg(long, value_name = "HOURS", default_value = "24")]
    overlap_hours: u32,
    #[command(flatten)]
    look: Look,
}

#[derive(Debug, Args)]
struct Revoke {
    /// The key's name or id.
    key: String,
    #[command(flatten)]
    look: Look,
}

const SECONDS_PER_HOUR: i64 = 3_600;

impl Keys {
    pub(super) fn run(&self) -> Result<(), CommandError> {
        block_on(async {
            match &self.action {
                Action::Create(create) => create.run().await,
                Action::List(look) => look.run().await,
                Action::Update(update) => update.run().await,
                Action::Rotate(rotate) => rotate.run().await,
                Action::Revoke(revoke) => revoke.run().await,
                Action::Hash(hash) => hash.run(),
            }
        })
    }
}

impl Create {
    async fn run(&self) -> Result<(), CommandError> {
        let settings = self.look.config.load()?.settings;
        let mut asked = self.terms.as_patch(&[]);
        asked.insert("name".to_owned(), json!(self.name));
        let new = new_key(asked.into(), &settings.tenancy, now()).map_err(CommandError::of)?;
        if settings.tenancy.declares(&new.name) {
            return Err(CommandError::of(declared(&new.name)));
        }
        let store = open_ledger(&settings).await.map_err(CommandError::of)?;
        let (key, minted) = store.create_key(&new, now()).await.map_err(CommandError::of)?;
        say_error("keep this key: it is not shown again");
        self.look.made(&key, minted.secret.expose());
        Ok(())
    }
}

impl Update {
    async fn run(&self) -> Result<(), CommandError> {
        let settings = self.look.config.load()?.settings;
        let patch = self.terms.as_patch(&self.clear);
        if patch.is_empty() {
            return Err(CommandError::of("nothing is to be changed; --help lists what can be"));
        }
        let store = self.look.store(&settings, &self.key).await?;
        let key = store.key(&self.key).await.map_err(CommandError::of)?;
        let terms = changed(&key, patch.into(), &settings.tenancy, now());
        let terms = terms.map_err(CommandError::of)?;
        let key = store.change_key(&key.id, &terms).await.map_err(CommandError::of)?;
        self.look.told(&key, "changed");
        Ok(())
    }
}

impl Rotate {
    async fn run(&self) -> Result<(), CommandError> {
        let settings = self.look.config.load()?.settings;
        let store = self.look.store(&settings, &self.key).await?;
        let old_until = now() + i64::from(self.overlap_hours) * SECONDS_PER_HOUR;
        let rotated = store.rotate_key(&self.key, old_until, now()).await;
        let (key, minted) = rotated.map_err(CommandError::of)?;
        let hours = self.overlap_hours;
        say_error(&format!(
            "keep this key: it is not shown again; the old one opens for {hours} hours"
        ));
        self.look.made(&key, minted.secret.expose());
        Ok(())
    }
}

impl Revoke {
    async fn run(&self) -> Result<(), CommandError> {
        let settings = self.look.config.load()?.settings;
        let store = self.look.store(&settings, &self.key).await?;
        let key = store.revoke_key(&self.key, now()).await.map_err(CommandError::of)?;
        self.look.told(&key, "revoked");
        Ok(())
    }
}

impl Look {
    async fn run(&self) -> Result<(), CommandError> {
        let settings = self.config.load()?.settings;
        let declared = settings.tenancy.keys.iter().map(|(_, key)| key);
        let store = open_existing_ledger(&settings).await;
        // Where all keys are declared, there may be no ledger yet.
        let kept = match store {
            Ok(store) => store.keys().await.map_err(CommandError::of)?,
            Err(_) if !settings.tenancy.keys.is_empty() => vec![],
            Err(error) => return Err(CommandError::of(error)),
        };
        let kept = kept.iter().map(|(_, key)| (key, false));
        let keys: Vec<_> = kept.chain(declared.map(|key| (key, true))).collect();
        if self.json {
            let keys = keys.iter().map(|(key, declared)| shown::key(key, now(), *declared));
            say(&json!({ "keys": keys.collect::<Vec<Value>>() }).to_string());
            return Ok(());
        }
        say(&format!(
            "{:<14} {:<24} {:<8} {:<32} {:<18} MODELS",
            "ID", "NAME", "STATE", "ORGANISATION/TEAM/APP", "CLASS"
        ));
        keys.iter().for_each(|(key, _)| say(&line(key)));
        Ok(())
    }

    /// The ledger, for something to be done with this key, which must be in it.
    async fn store(&self, settings: &Settings, key: &str) -> Result<Ledger, CommandError> {
        if settings.tenancy.declares(key) {
            return Err(CommandError::of(declared(key)));
        }
        open_existing_ledger(settings).await.map_err(CommandError::of)
    }

    /// Shows a key that was just made.
    fn made(&self, key: &Key, text: &str) {
        if !self.json {
            return say(text);
        }
        let mut shown = shown::key(key, now(), false);
        shown["key"] = json!(text);
        say(&shown.to_string());
    }

    /// Shows what became of a key.
    fn told(&self, key: &Key, what: &str) {
        match self.json {
            true => say(&shown::key(key, now(), false).to_string()),
            false => say(&format!("{what} {} ({})", key.id, key.name)),
        }
    }
}

fn line(key: &Key) -> String {
    let models = &key.terms.models;
    let models = if models.is_empty() { "all".to_owned() } else { models.join(",") };
    let (holder, class, state) = (holder(key), class(key), shown::state(key, now()));
    format!("{:<14} {:<24} {state:<8} {holder:<32} {class:<18} {models}", key.id, key.name)
}

/// Whose it is; a dot is what the house's own defaults say.
fn holder(key: &Key) -> String {
    let Holder { organisation, team, app, .. } = &key.terms.holder;
    let names = [organisation, team, app].map(|name| name.as_deref().unwrap_or("."));
    names.join("/")
}

/// The class of its data, and whether its holder may lower it.
fn class(key: &Key) -> String {
    let holder = &key.terms.holder;
    let class = holder.data_class.as_deref().unwrap_or("-");
    if holder.may_declassify { format!("{class} (may lower)") } else { class.to_owned() }
}
