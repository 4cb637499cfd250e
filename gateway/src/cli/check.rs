//! `isthmus check`

use std::path::Path;
use std::sync::Arc;

use clap::Args;
use isthmus_config::settings::Settings;
use isthmus_policies::permit::Permit;

use super::load::listed;
use super::{CommandError, ConfigFile, say, say_error};
use crate::calendar::today;
use crate::catalogue::described;
use crate::policy_files;

/// Checks the configuration and the policies without starting anything.
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
        let (live, shadow) = (&settings.policies.dir, &settings.policies.shadow_dir);
        let live = policies(settings, live.as_deref());
        let shadow = shadow.as_deref().map(|folder| policies(settings, Some(folder)));
        let (live, shadow) = match (live, shadow.transpose()) {
            (Ok(live), Ok(shadow)) => (live, shadow),
            (live, shadow) => {
                let wrong: Vec<String> = live.err().into_iter().chain(shadow.err()).collect();
                return Err(CommandError(wrong.join("\n")));
            }
        };
        let shadow = shadow.map_or_else(String::new, |shadow| format!("; in the shadow {shadow}"));
        say(&format!(
            "ok: {} providers, {} endpoints, {} models, {live}{shadow}",
            settings.providers.len(),
            settings.endpoints.len(),
            settings.models.len()
        ));
        Ok(())
    }
}

/// How many policies there are, once each of them fits the endpoints; or every complaint.
fn policies(settings: &Settings, folder: Option<&Path>) -> Result<String, String> {
    let bundle = policy_files::bundle(folder).map_err(|error| error.to_string())?;
    let permit = Permit::new(Arc::new(bundle), &described(settings), today())
        .map_err(|error| error.to_string())?;
    let bundle = permit.bundle();
    let built_in = if folder.is_none() { "built-in " } else { "" };
    Ok(format!("{} {built_in}policies (version {})", bundle.rules().len(), bundle.version()))
}
