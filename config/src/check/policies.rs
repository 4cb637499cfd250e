//! `policies:`, where the files are that say which endpoints may have a request.

use std::path::PathBuf;

use crate::reader::Value;
use crate::settings::Policies;

/// Reads the section if it is there.
pub(super) fn policies(section: Option<&Value<'_>>) -> Policies {
    let mut policies = Policies::default();
    let Some(section) = section else { return policies };
    section.fields(|fields| {
        policies.dir = fields.optional("dir", directory);
        policies.shadow_dir = fields.optional("shadow_dir", directory);
        Some(())
    });
    policies
}

fn directory(value: &Value<'_>) -> Option<PathBuf> {
    value.text().map(PathBuf::from)
}
