//! The environment as it is handed in, so that a test can bring its own.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use isthmus_inference::secret::Secret;

/// A variable's name to its value.
#[derive(Clone)]
pub struct Environment(Arc<Read>);

/// Tells the value of the variable of this name, if it is set.
type Read = dyn Fn(&str) -> Option<String> + Send + Sync;

impl Environment {
    /// The environment that this function tells.
    pub fn new(read: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    /// The process's own.
    pub fn of_process() -> Self {
        Self::new(|name| std::env::var(name).ok())
    }

    /// The value of a variable, unless it is unset or empty.
    pub fn get(&self, name: &str) -> Option<String> {
        (self.0)(name).filter(|value| !value.is_empty())
    }

    /// The value of the first of these that has one.
    pub fn first(&self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|name| self.get(name))
    }

    /// The value of a variable that no log may show.
    pub fn secret(&self, name: &str) -> Option<Secret> {
        self.get(name).map(Secret::from)
    }

    /// Whether a variable says `true`, in any case.
    pub fn says_true(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// A path in a variable; `~/` is the user's home, as in the files of clouds' tools.
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        let path = self.get(name)?;
        match path.strip_prefix("~/") {
            Some(rest) => self.at_home(rest),
            None => Some(path.into()),
        }
    }

    /// A path below the user's home.
    pub fn at_home(&self, path: &str) -> Option<PathBuf> {
        self.first(&["HOME", "USERPROFILE"]).map(|home| PathBuf::from(home).join(path))
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Environment")
    }
}
