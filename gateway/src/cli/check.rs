//! `isthmus check`

use clap::Args;

use super::load::listed;
use super::{CommandError, ConfigFile, say, say_error};

/// Checks the configuration without starting anything.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  isthmus check --config isthmus.yaml && systemctl reload isthmus"
)]
pub(super) struct Check {
    #[command(flatten)]
    config: ConfigFile,
}

impl Check {
    pub(super) fn run(&self) -> Result<(), CommandError> {
        let checked = self.config.load()?;
        if !checked.warnings.is_empty() {
            say_error(&listed(&checked.warnings));
        }
        let settings = &checked.settings;
        say(&format!(
            "ok: {} providers, {} endpoints, {} models",
            settings.providers.len(),
            settings.endpoints.len(),
            settings.models.len()
        ));
        Ok(())
    }
}
