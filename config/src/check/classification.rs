//! Those fields of `policies:` that say how requests are classified.

use isthmus_policies::class::DataClass;
use isthmus_policies::classify::UNCLASSIFIED;

use crate::reader::{Fields, Value};
use crate::settings::classification::Classification;

/// How requests are classified. With policies that decide by it (`has_policies`), they are looked
/// through unless the operator says otherwise, and what nobody classified is confidential.
pub(super) fn classification(fields: &mut Fields<'_, '_>, has_policies: bool) -> Classification {
    let unclassified = fields.optional("unclassified", class);
    Classification {
        detect: fields.optional("detect", Value::boolean).unwrap_or(has_policies),
        unclassified: unclassified.or(has_policies.then_some(UNCLASSIFIED)),
        opaque_content: fields.optional("opaque_content", class),
    }
}

pub(super) fn class(value: &Value<'_>) -> Option<DataClass> {
    value.word(DataClass::WORDS)
}
