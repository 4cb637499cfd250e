//! Reading the configuration for a command.

use std::io::ErrorKind;
use std::path::Path;

use isthmus_config::complaint::{Complaint, Severity};
use isthmus_config::{Checked, zero};

use super::{CommandError, ConfigFile};
use crate::prices;

/// The file that is read when none is named.
const DEFAULT_FILE: &str = "isthmus.yaml";

impl ConfigFile {
    /// The configuration, or every complaint about it. Prices that it leaves to others are today's.
    pub(super) fn load(&self) -> Result<Checked, CommandError> {
        let (file, mut checked) = self.as_written()?;
        let unpriced = prices::fill_in(&mut checked.settings);
        checked.warnings.extend(unpriced.into_iter().map(|one| Complaint {
            severity: Severity::Warning,
            file: file.as_str().into(),
            position: None,
            path: format!("endpoints.{}.price", one.endpoint),
            message: format!("{}; until then it comes last by cost", one.reason),
        }));
        Ok(checked)
    }

    /// The configuration without prices that it leaves to others, and its name.
    pub(super) fn as_written(&self) -> Result<(String, Checked), CommandError> {
        let env = |name: &str| std::env::var(name).ok();
        let default = Path::new(DEFAULT_FILE);
        let (file, checked) = match &self.config {
            Some(file) => (file.display().to_string(), isthmus_config::load(file, &env)),
            None if is_absent(default) => ("built-in configuration".to_owned(), zero(&env)),
            None => (DEFAULT_FILE.to_owned(), isthmus_config::load(default, &env)),
        };
        let checked = checked.map_err(|complaints| CommandError(listed(&complaints)))?;
        Ok((file, checked))
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
