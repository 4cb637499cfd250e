//! `isthmus models`

use std::time::Duration;

use clap::Args;
use isthmus_adapters::settings::AccountSettings;
use isthmus_config::settings::Account;

use super::{CommandError, ConfigFile, block_on, say, say_error};

/// Lists the pools, and with `--upstream` what each provider offers.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  OPENAI_API_KEY=sk-… isthmus models --upstream")]
pub(super) struct Models {
    /// Ask every provider for its own list as well.
    #[arg(long)]
    upstream: bool,
    #[command(flatten)]
    config: ConfigFile,
}

/// How long a provider may take to say what it offers.
const PATIENCE: Duration = Duration::from_secs(15);

impl Models {
    pub(super) fn run(&self) -> Result<(), CommandError> {
        let settings = self.config.load()?.settings;
        for (name, pool) in &settings.models {
            let endpoints = pool.endpoints.iter().map(ToString::to_string).collect::<Vec<_>>();
            say(&format!("{name}  → {}", endpoints.join(", ")));
        }
        let mut silent = 0;
        for (name, provider) in &settings.providers {
            match &provider.account {
                Account::Remote(account) if self.upstream => match block_on(offered(account)) {
                    Ok(models) => models.iter().for_each(|model| say(&format!("{name}/{model}"))),
                    Err(error) => {
                        silent += 1;
                        say_error(&format!("{name}/…  unavailable: {error}"));
                    }
                },
                Account::Remote(account) => say(&format!("{name}/…  ({})", account.kind.title)),
                Account::Embedded(_) => say(&format!("{name}/…  (in this process)")),
            }
        }
        if silent == 0 { Ok(()) } else { Err(CommandError(format!("{silent} did not answer"))) }
    }
}

/// What one account offers, by its own list.
async fn offered(account: &AccountSettings) -> Result<Vec<String>, CommandError> {
    let adapter = (account.kind.build)(account).map_err(|error| CommandError(error.to_string()))?;
    match tokio::time::timeout(PATIENCE, adapter.models()).await {
        Ok(listed) => listed.map_err(|failure| CommandError(failure.message)),
        Err(_) => Err(CommandError(format!("no answer within {} s", PATIENCE.as_secs()))),
    }
}
