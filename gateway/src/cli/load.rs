//! Reading the configuration for a command.

use std::path::Path;

use isthmus_config::complaint::Complaint;
use isthmus_config::{Checked, zero};

use super::{CommandError, ConfigFile};

/// The file that is read when none is named.
const DEFAULT_FILE: &str = "isthmus.yaml";

impl ConfigFile {
    /// The configuration, or every complaint about it.
    pub(super) fn load(&self) -> Result<Checked, CommandError> {
        let env = |name: &str| std::env::var(name).ok();
        let default = Path::new(DEFAULT_FILE);
        let checked = match &self.config {
            Some(file) => isthmus_config::load(file, &env),
            None if default.exists() => isthmus_config::load(default, &env),
            None => zero(&env),
        };
        checked.map_err(|complaints| CommandError(listed(&complaints)))
    }
}

/// One complaint a line.
pub(super) fn listed(complaints: &[Complaint]) -> String {
    complaints.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
