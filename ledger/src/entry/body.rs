//! Entries as JSON.

use std::fmt;

use bytes::{Bytes, BytesMut};

use super::{Entry, json};

/// An entry as JSON, exactly as it was hashed. Bodies that were written one after the other share their
/// memory.
#[derive(Clone, PartialEq, Eq)]
pub struct Body(Bytes);

/// Where bodies are written.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    /// Memory for the bodies that come,
    shared: BytesMut,
    /// and for the one that is written.
    text: String,
}

/// So much memory is shared. Later chunks are as large as the first.
const CHUNK: usize = 64 << 10;

// === impl Body ===

impl Body {
    /// The text.
    pub fn as_str(&self) -> &str {
        // It is made of texts alone.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

// === impl Draft ===

impl Draft {
    /// Writes an entry.
    pub(super) fn write(&mut self, entry: &Entry) -> Body {
        self.text.clear();
        // Numbers, words and texts, which the plain writer knows. Should an entry ever have something
        // else, it is written all the same.
        if json::write(&mut self.text, entry).is_err() {
            self.text = serde_json::to_string(entry).unwrap_or_default();
        }
        self.shared.extend_from_slice(self.text.as_bytes());
        Body(self.shared.split().freeze())
    }
}

impl Default for Draft {
    fn default() -> Self {
        Self { shared: BytesMut::with_capacity(CHUNK), text: String::new() }
    }
}
