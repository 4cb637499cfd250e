//! Why a measurement could not be taken, in words for the person at the terminal.

use std::io;

/// A measurement that could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The system refused something.
    #[error("cannot {doing}: {source}")]
    System {
        /// What was being done, as the object of "cannot".
        doing: String,
        /// What the system said.
        source: io::Error,
    },
    /// Something that was written down, by hand or on the command line, is not usable.
    #[error("{0}")]
    Unusable(String),
    /// The measured program, or the tool that starts it, did not do its part.
    #[error("{0}")]
    Target(String),
}

/// Says what was being done when the system refused.
pub(crate) trait Doing<T> {
    /// Wraps an I/O error in the words of `doing`, for instance "read `/proc/1/stat`".
    fn doing(self, doing: impl FnOnce() -> String) -> Result<T, Fault>;
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, doing: impl FnOnce() -> String) -> Result<T, Fault> {
        self.map_err(|source| Fault::System { doing: doing(), source })
    }
}
