//! `isthmus models`

use std::time::Duration;

use clap::Args;
use isthmus_config::settings::Account;

use super::{CommandError, ConfigFile, block_on, say};

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
        for (name, provider) in &settings.providers {
            match &provider.account {
                Account::Remote(account) if self.upstream => {
                    let adapter = (account.kind.build)(account).map_err(CommandError::of)?;
                    let listed =
                        async { Ok(tokio::time::timeout(PATIENCE, adapter.models()).await) };
                    say_upstream(name.as_str(), block_on(listed)?);
                }
                Account::Remote(account) => say(&format!("{name}/…  ({})", account.kind.title)),
                Account::Embedded(_) => say(&format!("{name}/…  (in this process)")),
            }
        }
        Ok(())
    }
}

fn say_upstream(
    provider: &str,
    listed: Result<
        Result<Vec<String>, isthmus_inference::failure::Failure>,
        tokio::time::error::Elapsed,
    >,
) {
    match listed {
        Ok(Ok(models)) => models.iter().for_each(|model| say(&format!("{provider}/{model}"))),
        Ok(Err(failure)) => say(&format!("{provider}/…  unavailable: {}", failure.message)),
        Err(_) => {
            let seconds = PATIENCE.as_secs();
            say(&format!("{provider}/…  unavailable: no answer within {seconds} s"));
        }
    }
}
