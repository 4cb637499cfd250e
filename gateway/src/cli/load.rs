//! Reading the configuration for a command.

use std::io::ErrorKind;
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
            None if is_absent(default) => zero(&env),
            None => isthmus_config::load(default, &env),
        };
        checked.map_err(|complaints| CommandError(listed(&complaints)))
    }
}

/// Whether there is nothing of this name. A file that is there and cannot be read, or a link that
/// leads nowhere, is not the same as none.
fn is_absent(path: &Path) -> bool {
    path.symlink_metadata().is_err_and(|error| error.kind() == ErrorKind::NotFound)
}

/// One complaint a line.
pub(super) fn listed(complaints: &[Complaint]) -> String {
    complaints.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
