//! What is wrong with a configuration, and where.

use std::fmt;
use std::sync::Arc;

/// One thing that is wrong, printed as `isthmus.yaml:14:7: error: models.chat: …`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// Whether a gateway may start all the same.
    pub severity: Severity,
    /// The file as the operator named it; `environment` for a variable.
    pub file: Arc<str>,
    /// Where in the file, unless the whole of it is meant.
    pub position: Option<Position>,
    /// The field at fault, such as `models.chat.endpoints[1]`, or the variable. May be empty.
    pub path: String,
    /// What was wrong and what to do.
    pub message: String,
}

/// Whether a gateway may start all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It may not.
    Error,
    /// It may, but it will not do all that was written.
    Warning,
}

/// A place in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(Position { line, column }) = self.position {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}: ", self.severity)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for Complaint {}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}
