//! What was decided for each request, kept so that it can be explained and decided anew. One suite
//! (`tests/decisions.rs`) runs on every implementation.

use std::future::Future;

use isthmus_inference::money::Money;
use isthmus_inference::usage::Usage;

use crate::store::StoreError;

/// One request's decision and what came of it. No prompt, no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// When the request arrived: Unix milliseconds.
    pub at: i64,
    /// The exchange's id. Callers may choose it, so several rows may have the same.
    pub request_id: String,
    /// Whose key it was: the organisation.
    pub organisation: String,
    /// The team.
    pub team: String,
    /// The app.
    pub app: String,
    /// The model, as the caller asked for it.
    pub model: String,
    /// The version of the policy that decided.
    pub policy: String,
    /// The endpoint that answered, or was tried last.
    pub endpoint: Option<String>,
    /// `answered`, `abandoned`, or the kind of failure.
    pub outcome: String,
    /// What was used, as reported or estimated; `None` where nothing was.
    pub usage: Option<Usage>,
    /// What they cost, where a price is known.
    pub cost: Option<Money>,
    /// What was known when it was decided: JSON, of the room that decides.
    pub features: String,
}

/// A row and its number in the order of writing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbered {
    /// From 1, never given twice while the row exists.
    pub number: i64,
    /// The row.
    pub decided: Decided,
}

/// A stretch of time, in Unix milliseconds: from the first, up to and without the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// The first moment in it.
    pub from: i64,
    /// The first moment after it.
    pub to: i64,
}

/// A place where decisions outlive the process.
pub trait DecisionLog: Send + Sync {
    /// Adds rows, all of them or none.
    fn append(&self, rows: &[Decided]) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The newest decision of this request.
    fn decision(
        &self,
        request_id: &str,
    ) -> impl Future<Output = Result<Option<Decided>, StoreError>> + Send;

    /// Rows of the period in the order of writing: at most `most` of those with a number above
    /// `after`. The last one's number is where to go on.
    fn decisions(
        &self,
        period: Period,
        after: i64,
        most: u32,
    ) -> impl Future<Output = Result<Vec<Numbered>, StoreError>> + Send;

    /// How many rows the period has.
    fn count(&self, period: Period) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// Removes what is older than this (Unix milliseconds), and says how many rows that were.
    fn forget_before(&self, at: i64) -> impl Future<Output = Result<u64, StoreError>> + Send;
}
