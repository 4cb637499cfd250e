//! `isthmus doctor`

use std::path::Path;
use std::time::Duration;

use clap::Args;
use isthmus_config::settings::keeper::Keeper;
use isthmus_config::settings::{Account, Settings};
use isthmus_ledger::store::Store;

use super::{CommandError, ConfigFile, block_on, say};
use crate::app::{DEFAULT_MODEL, open_existing_ledger};
use crate::quota;

/// Tries what the gateway will need: the configuration, the ledger, Redis, the model, each provider.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  isthmus doctor --config isthmus.yaml")]
pub(super) struct Doctor {
    #[command(flatten)]
    config: ConfigFile,
}

/// How long a provider may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// One thing that was tried.
type Finding = Result<String, String>;

impl Doctor {
    pub(super) fn run(&self) -> Result<(), CommandError> {
        let settings = self.config.load()?.settings;
        say("ok    configuration");
        let findings = block_on(async { Ok(examine(&settings).await) })?;
        for finding in &findings {
            match finding {
                Ok(fine) => say(&format!("ok    {fine}")),
                Err(trouble) => say(&format!("FAIL  {trouble}")),
            }
        }
        let troubles = findings.iter().filter(|finding| finding.is_err()).count();
        if troubles == 0 { Ok(()) } else { Err(CommandError(format!("{troubles} found"))) }
    }
}

async fn examine(settings: &Settings) -> Vec<Finding> {
    let mut findings = vec![ledger(settings).await];
    if let Keeper::Redis { url } = &settings.keeping.keeper {
        let answers = quota::redis::probe(url).await;
        findings.push(match answers {
            Ok(()) => Ok("limits: Redis answers".to_owned()),
            Err(error) => Err(format!("limits: Redis cannot be asked: {error}")),
        });
    }
    for (name, provider) in &settings.providers {
        findings.push(match &provider.account {
            Account::Embedded(embedded) => {
                let path = embedded.model_path.as_deref().unwrap_or(Path::new(DEFAULT_MODEL));
                model(name.as_str(), path, embedded.model_repo.as_deref())
            }
            Account::Remote(account) => match (account.kind.build)(account) {
                Ok(adapter) => match tokio::time::timeout(PATIENCE, adapter.models()).await {
                    Ok(Ok(models)) => Ok(format!("provider {name}: {} models", models.len())),
                    Ok(Err(failure)) => Err(format!("provider {name}: {}", failure.message)),
                    Err(_) => {
                        Err(format!("provider {name}: no answer within {} s", PATIENCE.as_secs()))
                    }
                },
                Err(error) => Err(format!("provider {name}: {error}")),
            },
        });
    }
    findings
}

async fn ledger(settings: &Settings) -> Finding {
    let path = settings.ledger.path.display();
    if !settings.ledger.path.exists() {
        return Ok(format!("ledger {path}: none yet; `isthmus serve` makes it"));
    }
    let store = open_existing_ledger(settings).await.map_err(|error| error.to_string())?;
    let keys = store.keys().await.map_err(|error| error.to_string())?;
    Ok(format!("ledger {path}: {} keys", keys.len()))
}

fn model(provider: &str, path: &Path, repo: Option<&str>) -> Finding {
    match (repo, path.exists()) {
        (Some(repo), _) => Ok(format!("provider {provider}: model from `{repo}` when it starts")),
        (None, true) => Ok(format!("provider {provider}: model {}", path.display())),
        (None, false) => {
            Err(format!("provider {provider}: no model at {}; run `make model`", path.display()))
        }
    }
}
