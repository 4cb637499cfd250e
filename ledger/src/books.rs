//! Where entries end up for good, and the sums over them that reports are made of. One suite
//! (`tests/books/`) runs on every implementation.
//!
//! A process writes into its own journal first ([`crate::journal`]); [`Books::post`] takes from there.
//! It may be told the same thing twice: what it has, it leaves as it is.

use std::borrow::Cow;
use std::future::Future;
use std::sync::Arc;

use isthmus_inference::ident::{EndpointName, PriceId, ProviderName, UpstreamModel};
use isthmus_inference::money::Money;
use isthmus_inference::usage::Usage;
use serde::{Deserialize, Serialize};

use crate::entry::{About, Chained, Head, Hold, NodeId};
use crate::store::StoreError;

/// The books.
pub trait Books: Send + Sync {
    /// Writes links of one journal, in their order, and adds them to the sums: all or nothing, durable
    /// on return. Links that are there already are left out; behind a gap nothing is taken. Where the
    /// journal's chain ends afterwards.
    fn post(&self, links: &[Chained]) -> impl Future<Output = Result<Head, StoreError>> + Send;

    /// Where a journal's chain ends, as far as it was posted.
    fn head(&self, node: &NodeId) -> impl Future<Output = Result<Head, StoreError>> + Send;

    /// Every journal that ever posted, and where its chain ends.
    fn heads(&self) -> impl Future<Output = Result<Vec<(NodeId, Head)>, StoreError>> + Send;

    /// Links of a journal behind the one with this number, in their order, at most so many.
    fn links(
        &self,
        node: &NodeId,
        after: u64,
        most: u32,
    ) -> impl Future<Output = Result<Vec<Chained>, StoreError>> + Send;

    /// All entries about the exchanges with this request id, oldest first.
    fn of_request(
        &self,
        request_id: &str,
    ) -> impl Future<Output = Result<Vec<Chained>, StoreError>> + Send;

    /// Holds that nobody settled, oldest first; of one journal, or of all.
    fn open_holds(
        &self,
        node: Option<&NodeId>,
    ) -> impl Future<Output = Result<Vec<(NodeId, Hold)>, StoreError>> + Send;

    /// The sums of the hours of a period, in the order of time.
    fn buckets(
        &self,
        period: Hours,
    ) -> impl Future<Output = Result<Vec<Bucket>, StoreError>> + Send;

    /// Keeps a version of a price, unless it is there already. `body` is JSON, and `id` follows from it.
    fn keep_price(
        &self,
        id: &str,
        body: &str,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Every version of a price that was kept: id and JSON.
    fn prices(&self) -> impl Future<Output = Result<Vec<(String, String)>, StoreError>> + Send;
}

/// Hours since 1970 in UTC: from the first to before the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hours {
    /// The first.
    pub from: i64,
    /// The first that is no longer in it.
    pub to: i64,
}

/// The sums of one hour for one set of dimensions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// Hours since 1970 in UTC, of the moment at which exchanges were settled.
    pub hour: i64,
    /// What they have in common.
    pub of: Dimensions,
    /// What they amount to.
    pub sums: Sums,
}

/// What lines have in common that are summed up together. Everything a report may group by.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Dimensions {
    /// Whose they are.
    pub about: Arc<About>,
    /// How the exchange ended: the word for it.
    pub outcome: Cow<'static, str>,
    /// The endpoint; empty for an exchange without an attempt, as are the next two.
    pub endpoint: EndpointName,
    /// The account.
    pub provider: ProviderName,
    /// The upstream's own name for the model.
    pub upstream_model: UpstreamModel,
    /// Why it was tried.
    pub reason: Cow<'static, str>,
    /// The version of the price; empty where nobody knows one.
    pub price: PriceId,
    /// Whether the house estimated the tokens.
    pub estimated: bool,
    /// `off`, `miss` or `hit`.
    pub cache: Cow<'static, str>,
    /// Whether these are corrections of what was charged before.
    pub correction: bool,
}

/// Sums. All can be added up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sums {
    /// Exchanges, each counted at the one line that counts for it.
    pub requests: u64,
    /// Attempts.
    pub attempts: u64,
    /// Tokens. Whether they were estimated is a dimension; the mark in here says nothing.
    pub usage: Usage,
    /// What they cost, as far as prices are known.
    pub cost: Money,
    /// Attempts that used tokens for which nobody knows a price.
    pub unpriced: u64,
    /// Milliseconds from first to last word, of all attempts together.
    pub took_ms: u64,
    /// Of the exchanges whose options are all known: how many,
    pub compared: u64,
    /// what they cost,
    pub compared_cost: Money,
    /// what they would have cost at the cheapest endpoint that policy allowed,
    pub cheapest_allowed: Money,
    /// and at the cheapest of all.
    pub cheapest: Money,
    /// Of the exchanges that have a baseline: what they cost,
    pub based_cost: Money,
    /// and what they would have cost there.
    pub baseline: Money,
    /// What the house's memory of answers avoided.
    pub cache_avoided: Money,
}
