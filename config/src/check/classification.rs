//! `tenancy:`, and those fields of `policies:` that say how requests are classified.

use isthmus_policies::class::DataClass;
use isthmus_policies::classify::UNCLASSIFIED;

use crate::check::unavailable;
use crate::reader::{Fields, Value};
use crate::settings::classification::{Classification, Organisation};

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

/// The section `tenancy:`.
pub(super) fn tenancy(section: Option<&Value<'_>>) -> Organisation {
    let read = |section: &Value<'_>| {
        section.fields(|fields| {
            let organisation = fields.optional("organisation", organisation);
            unavailable::tenancy(fields);
            organisation
        })
    };
    section.and_then(read).unwrap_or_default()
}

fn organisation(value: &Value<'_>) -> Option<Organisation> {
    value.fields(|fields| {
        let mut organisation = Organisation::default();
        fields.set("name", &mut organisation.name, Value::text);
        organisation.data_class_floor = fields.optional("data_class_floor", class);
        Some(organisation)
    })
}

fn class(value: &Value<'_>) -> Option<DataClass> {
    value.word(DataClass::WORDS)
}
