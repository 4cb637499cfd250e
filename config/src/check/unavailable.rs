//! What the configuration language has words for and this version does not do.
//!
//! A restriction or a promise that is not kept would break what the operator relies on, so it is
//! refused.

use crate::reader::{Fields, Value};

/// Refuses what somebody would rely upon.
pub(super) fn refuse(value: &Value<'_>, instead: &str) {
    value.refuse_field::<()>(format!("not available in this version: {instead}"));
}

/// The sections that nothing in this version reads.
pub(super) fn sections(fields: &mut Fields<'_, '_>) {
    if let Some(section) = fields.get("verify") {
        refuse(&section, "no endpoint is audited");
    }
}
