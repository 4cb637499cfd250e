//! What happens to the policies while the house runs.

use isthmus_policies::rollout::Tally;
use tracing::{error, info, warn};

use crate::permits::Unusable;

/// Other policies are in force for everyone.
pub struct PoliciesChanged<'a> {
    /// The version before.
    pub from: &'a str,
    /// The version now.
    pub to: &'a str,
}

/// Other policies decide for some keys.
pub struct PoliciesOnTrial<'a> {
    /// Their version.
    pub version: &'a str,
    /// For how many keys in a hundred.
    pub percent: u8,
}

/// The policies on trial denied too much and are withdrawn.
pub struct PoliciesRolledBack<'a> {
    /// Their version.
    pub version: &'a str,
    /// What the trial saw.
    pub tally: Tally,
}

/// Policies could not be loaded; those in force stay.
pub struct PoliciesNotLoaded<'a> {
    /// Every complaint.
    pub error: &'a Unusable,
}

/// Other policies are compared with those in force.
pub struct ShadowChanged<'a> {
    /// Their version.
    pub version: &'a str,
}

/// Two editions answer a question differently; told once for each question.
pub struct EditionsDiffer<'a> {
    /// The version in force.
    pub live: &'a str,
    /// The version that it is compared with.
    pub other: &'a str,
    /// The model that was asked for.
    pub model: &'a str,
    /// The app that asked.
    pub app: &'a str,
    /// The classes of its data.
    pub class: String,
    /// The endpoints that only the other would permit.
    pub gained: String,
    /// The endpoints that only the one in force permits.
    pub lost: String,
}

// === impl PoliciesChanged ===

impl PoliciesChanged<'_> {
    /// Tells.
    pub fn emit(self) {
        info!(from = self.from, to = self.to, "policies changed");
    }
}

// === impl PoliciesOnTrial ===

impl PoliciesOnTrial<'_> {
    /// Tells.
    pub fn emit(self) {
        info!(version = self.version, percent = self.percent, "policies on trial");
    }
}

// === impl PoliciesRolledBack ===

impl PoliciesRolledBack<'_> {
    /// Tells.
    pub fn emit(self) {
        let Self { version, tally } = self;
        error!(
            version,
            judged = tally.judged,
            newly_denied = tally.newly_denied,
            "policies withdrawn: they leave too many requests without an endpoint; the last ones stay in force until the folder changes again"
        );
    }
}

// === impl PoliciesNotLoaded ===

impl PoliciesNotLoaded<'_> {
    /// Tells.
    pub fn emit(self) {
        error!(error = %self.error, "policies not loaded, those in force stay");
    }
}

// === impl ShadowChanged ===

impl ShadowChanged<'_> {
    /// Tells.
    pub fn emit(self) {
        info!(version = self.version, "policies in the shadow are compared");
    }
}

// === impl EditionsDiffer ===

impl EditionsDiffer<'_> {
    /// Tells.
    pub fn emit(self) {
        let Self { live, other, model, app, class, gained, lost } = self;
        warn!(live, other, model, app, class, gained, lost, "policies would decide differently");
    }
}
