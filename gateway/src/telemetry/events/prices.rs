//! What can happen to prices.

use isthmus_inference::ident::EndpointName;
use isthmus_ledger::fx::FxError;
use isthmus_ledger::store::StoreError;
use tracing::{error, warn};

/// An endpoint's price cannot be told in dollars any more.
pub struct EndpointUnpriced<'a> {
    /// Which one.
    pub endpoint: &'a EndpointName,
    /// Why.
    pub reason: &'a FxError,
}

/// The books did not take new prices, so nothing is charged by them yet.
pub struct PricesNotKept<'a> {
    /// Why.
    pub error: &'a StoreError,
}

impl EndpointUnpriced<'_> {
    /// Tells.
    pub fn emit(self) {
        warn!(
            endpoint = %self.endpoint,
            reason = %self.reason,
            "an endpoint has no price in dollars any more; it comes last by cost until it has one"
        );
    }
}

impl PricesNotKept<'_> {
    /// Tells.
    pub fn emit(self) {
        error!(
            error = %self.error,
            "the books did not take new prices; endpoints are charged by the old ones until they do"
        );
    }
}
