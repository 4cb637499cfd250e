//! What the operator wrote, checked and typed: written → checked → [`Settings`].

pub mod complaint;
pub mod date;
pub mod settings;

use crate::complaint::Complaint;
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
