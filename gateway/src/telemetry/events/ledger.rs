//! What can happen to the ledger.

use isthmus_ledger::store::StoreError;
use tracing::{error, warn};

/// The journal could not be written; nothing new is served until it can.
pub struct EntriesNotWritten<'a> {
    /// Why.
    pub error: &'a StoreError,
}

/// The books did not take what the journal has; it is kept and posted later.
pub struct EntriesNotPosted<'a> {
    /// Why.
    pub error: &'a StoreError,
}

/// A process ended before its exchanges did; what was held for them is settled.
pub struct HoldsSettled {
    /// How many exchanges.
    pub count: u64,
}

impl EntriesNotWritten<'_> {
    /// Tells.
    pub fn emit(self) {
        error!(
            error = %self.error,
            "the ledger's journal cannot be written; calls are refused until it can"
        );
    }
}

impl EntriesNotPosted<'_> {
    /// Tells.
    pub fn emit(self) {
        warn!(
            error = %self.error,
            "the books did not take what the journal has; it is safe there and is posted later"
        );
    }
}

impl HoldsSettled {
    /// Tells.
    pub fn emit(self) {
        warn!(
            count = self.count,
            "a gateway ended before these exchanges did; each is settled at what was held for it"
        );
    }
}
