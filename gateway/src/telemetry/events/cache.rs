//! What can happen to remembered answers.

use tracing::{info, warn};

/// The Redis with remembered answers cannot be asked.
pub struct MemoryUnreachable<'a> {
    /// Why.
    pub error: &'a str,
}

/// It can be asked again.
pub struct MemoryReachable;

impl MemoryUnreachable<'_> {
    /// Tells.
    pub fn emit(self) {
        warn!(error = self.error, "cache.url cannot be reached; every request is answered afresh");
    }
}

impl MemoryReachable {
    /// Tells.
    pub fn emit(self) {
        info!("cache.url can be reached again");
    }
}
