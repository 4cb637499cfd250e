//! The books as FOCUS, the FinOps Foundation's format for bills: one row for each price meter of an hour
//! and a set of dimensions, or of a request; a purchase, its use and its idle rest for each hour of a
//! lease; a row for each correction.
//!
//! * [`row`]: what a row says · [`columns`]: under which names, in which version
//! * [`charges`]: from buckets to rows · [`committed`]: from leases to rows
//! * [`export`]: from rows to a file · [`check`]: whether a file keeps the rules; [`rules`]: which these are
//! * [`read`]: a file's rows again, to check what somebody else wrote
//!
//! Unit price × quantity is the cost, exactly: both come from the version of the price that stands on
//! each line of the ledger.

pub mod charges;
pub mod check;
pub mod columns;
pub mod committed;
pub mod export;
pub mod read;
pub mod row;
mod rules;

use std::collections::BTreeMap;
use std::str::FromStr;

use isthmus_inference::tariff::Written;

pub use row::{Row, Seller};

/// Which FOCUS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// 1.2 of May 2025: what tools read today.
    V1_2,
    /// 1.4 of June 2026: other names for providers, and currencies of ISO 4217 alone.
    V1_4,
}

/// Why a text is no version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("FOCUS `{0}` cannot be written; 1.2 and 1.4 can")]
pub struct VersionError(String);

/// A price by its version.
pub type PriceOf<'p> = &'p dyn Fn(&str) -> Option<Written>;

/// What rows need beside the books.
pub struct Surroundings<'s> {
    /// The price of a version.
    pub price_of: PriceOf<'s>,
    /// Who sells an endpoint's answers. Who is not in here goes by the name of the account.
    pub sellers: &'s BTreeMap<String, Seller>,
}

// === impl Version ===

impl FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        match text {
            "1.2" => Ok(Self::V1_2),
            "1.4" => Ok(Self::V1_4),
            other => Err(VersionError(other.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests;
