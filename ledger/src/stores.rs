//! The stores, one line each, and the one that the operator chose.

mod chosen;
pub mod postgres;
pub mod sqlite;

use std::collections::BTreeMap;

pub use chosen::{Ledger, Place};

/// A key's tags, as they are kept. Texts can always be written.
fn tags_text(tags: &BTreeMap<String, String>) -> String {
    serde_json::to_string(tags).unwrap_or_default()
}

/// And read back.
fn tags_of(text: &str) -> Result<BTreeMap<String, String>, sqlx::Error> {
    serde_json::from_str(text).map_err(|error| sqlx::Error::Decode(Box::new(error)))
}
