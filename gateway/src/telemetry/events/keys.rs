//! What happens to keys.

use isthmus_ledger::key::Key;
use isthmus_ledger::store::StoreError;
use tracing::{error, info, warn};

/// Keys changed in the ledger and are in force.
pub struct KeysReloaded {
    /// Keys in all, live or not.
    pub count: usize,
}

/// Keys could not be read; those last seen stay in force.
pub struct KeysReloadFailed<'a> {
    /// Why.
    pub error: &'a StoreError,
}

/// A key is of a team that nobody declared, so no team's rules go for it.
pub struct KeyOutOfPlace<'a> {
    /// The key's name.
    pub key: &'a str,
    /// The team.
    pub team: &'a str,
}

/// Somebody did something to a key by the admin door.
pub struct KeyHandled<'a> {
    /// What: `made`, `changed`, `rotated`, `revoked`.
    pub what: &'static str,
    /// The key.
    pub key: &'a Key,
}

// === impl KeysReloaded ===

impl KeysReloaded {
    /// Tells.
    pub fn emit(self) {
        info!(count = self.count, "keys reloaded");
    }
}

// === impl KeysReloadFailed ===

impl KeysReloadFailed<'_> {
    /// Tells.
    pub fn emit(self) {
        error!(error = %self.error, "keys not reloaded, those last seen stay in force");
    }
}

// === impl KeyOutOfPlace ===

impl KeyOutOfPlace<'_> {
    /// Tells.
    pub fn emit(self) {
        let Self { key, team } = self;
        warn!(key, team, "a key is of a team that is not declared, so no team's rules go for it");
    }
}

// === impl KeyHandled ===

impl KeyHandled<'_> {
    /// Tells.
    pub fn emit(self) {
        let (what, id, name) = (self.what, &self.key.id, &self.key.name);
        info!(what, id, name, "a key was handled by the admin door");
    }
}
