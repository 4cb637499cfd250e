//! What the operator wrote, checked and typed.
//!
//! The text becomes a tree with the place of every value (`tree`); typed readers walk it and gather
//! every complaint at once (`reader`, `check`); what is left is [`Settings`], in which nothing can
//! be wrong in itself. Reading has no side effects: the environment is handed in, and only [`load`]
//! touches a file.
//!
//! ```
//! let env = |name: &str| (name == "PORT").then(|| "9000".to_owned());
//! let text = "version: 1\nserver: { listen: \"127.0.0.1:${PORT}\" }";
//! let checked = isthmus_config::check_text("isthmus.yaml", text, &env).unwrap();
//! assert_eq!(checked.settings.server.listen.port(), 9000);
//!
//! let complaints = isthmus_config::check_text("isthmus.yaml", "version: 1\nsrever: {}", &env);
//! let printed = complaints.unwrap_err()[0].to_string();
//! assert_eq!(
//!     printed,
//!     "isthmus.yaml:2:1: error: srever: unknown field; did you mean `server`?"
//! );
//! ```

mod check;
pub mod complaint;
pub mod near;
pub mod policytest;
mod reader;
pub mod settings;
mod tree;
mod units;
mod variables;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::complaint::{Complaint, Position, Severity};
use crate::reader::{Reader, Value};
use crate::settings::Settings;

/// The environment: a variable's name to its value. Handed in, so that a test can bring its own.
pub type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A configuration that a gateway may start from.
#[derive(Debug, Clone)]
pub struct Checked {
    /// What was meant.
    pub settings: Settings,
    /// What will not be acted upon.
    pub warnings: Vec<Complaint>,
}

/// The configuration that stands in for a file that nobody wrote.
pub const ZERO: &str = include_str!("../examples/zero.yaml");

/// The largest file that is read, in bytes.
const MAX_FILE_BYTES: usize = 1024 * 1024;

/// Reads and checks a file. What comes back instead of settings holds at least one error, and the
/// warnings too, in the order of the file.
pub fn load(path: &Path, env: Env) -> Result<Checked, Vec<Complaint>> {
    let mut checked = check_text(&path.display().to_string(), &read_file(path)?, env)?;
    if let Some(folder) = path.parent() {
        checked.settings.policies.start_at(folder);
    }
    Ok(checked)
}

/// Checks a text. `file_name` stands in complaints.
pub fn check_text(file_name: &str, text: &str, env: Env) -> Result<Checked, Vec<Complaint>> {
    let (settings, warnings) = read_text(file_name, text, env, check::settings)?;
    Ok(Checked { settings, warnings })
}

/// A file's text, if it is one.
fn read_file(path: &Path) -> Result<String, Vec<Complaint>> {
    let name = path.display().to_string();
    let mut bytes = vec![];
    let read = File::open(path).and_then(|file| {
        // One byte more than allowed, so that `read_text` can tell a file that is too large.
        file.take(MAX_FILE_BYTES as u64 + 1).read_to_end(&mut bytes)
    });
    if let Err(error) = read {
        return Err(vec![complaint(&name, None, format!("cannot be read: {error}"))]);
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + good.iter().filter(|byte| **byte == b'\n').count();
        let position = Some(Position { line, column: 1 });
        vec![complaint(&name, position, "this line is not UTF-8 text".to_owned())]
    })
}

/// Reads a text by `read`. What comes beside its value are warnings; what comes instead of it holds
/// at least one error.
fn read_text<T>(
    file_name: &str,
    text: &str,
    env: Env,
    read: impl FnOnce(&Value<'_>) -> Option<T>,
) -> Result<(T, Vec<Complaint>), Vec<Complaint>> {
    if text.len() > MAX_FILE_BYTES {
        let message = format!("larger than {MAX_FILE_BYTES} bytes");
        return Err(vec![complaint(file_name, None, message)]);
    }
    let (root, faults) = tree::parse(text)
        .map_err(|fault| vec![complaint(file_name, Some(fault.position), fault.message)])?;
    let reader = Reader::new(file_name, env);
    for fault in faults {
        reader.complain_of_fault(fault);
    }
    let value = read(&reader.root(&root));
    let complaints = reader.into_complaints();
    match value {
        Some(value) if complaints.iter().all(|one| one.severity == Severity::Warning) => {
            Ok((value, complaints))
        }
        _ => Err(complaints),
    }
}

/// The configuration without a file: the embedded model as `chat`, and every provider whose
/// variables are set. Only the environment can be wrong here.
pub fn zero(env: Env) -> Result<Checked, Vec<Complaint>> {
    check_text("built-in configuration", ZERO, env)
}

fn complaint(file: &str, position: Option<Position>, message: String) -> Complaint {
    let (severity, path) = (Severity::Error, String::new());
    Complaint { severity, file: file.into(), position, path, message }
}
