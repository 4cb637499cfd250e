//! Text that must never be printed.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer};

/// A credential. `Debug` and logs show dots; only [`Secret::expose`] gives the text, so that every
/// use of one can be found by that word.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    /// The text itself, for the wire alone.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

/// A text that is a credential from the moment it is read.
impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("•••")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_print() {
        let secret = Secret::from("sk-very-secret");
        assert!(!format!("{:?} {:#?}", secret, Some(&secret)).contains("very"));
        assert_eq!(secret.expose(), "sk-very-secret");
    }
}
