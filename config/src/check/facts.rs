//! `facts:` of an endpoint. Each may be plain, or `{ value, until, evidence }`.

use std::collections::BTreeSet;

use isthmus_policies::facts::{Fact, Facts, Network, Quantisation, Status, Tee, Trust};

use crate::reader::{Fields, Value};

/// Reads all facts of one endpoint.
pub(super) fn facts(value: &Value<'_>) -> Option<Facts> {
    value.fields(|fields| {
        Some(Facts {
            network: claim(fields, "network", |value| value.word(Network::WORDS)),
            operator: claim(fields, "operator", Value::text),
            jurisdiction: claim(fields, "jurisdiction", jurisdiction),
            parent_jurisdiction: claim(fields, "parent_jurisdiction", jurisdiction),
            processing_regions: claim(fields, "processing_regions", regions),
            storage_regions: claim(fields, "storage_regions", regions),
            certifications: fields.optional("certifications", certifications).unwrap_or_default(),
            retention_days: claim(fields, "retention_days", |value| value.integer(0..=36_500)),
            zero_data_retention: claim(fields, "zero_data_retention", Value::boolean),
            trains_on_data: claim(fields, "trains_on_data", Value::boolean),
            baa: claim(fields, "baa", Value::boolean),
            trust: claim(fields, "trust", |value| value.word(Trust::WORDS)),
            quantisation: claim(fields, "quantisation", |value| value.word(Quantisation::WORDS)),
            tee: claim(fields, "tee", |value| value.word(Tee::WORDS)),
            export_cleared: claim(fields, "export_cleared", Value::boolean),
            status: claim(fields, "status", |value| value.word(Status::WORDS)),
        })
    })
}

fn claim<'a, T>(
    fields: &mut Fields<'_, 'a>,
    name: &'static str,
    read: impl FnOnce(&Value<'a>) -> Option<T>,
) -> Option<Fact<T>> {
    fields.optional(name, |value| fact(value, "value", read))
}

/// A fact; `value_field` is the field of the value in the long form.
fn fact<'a, T>(
    value: &Value<'a>,
    value_field: &'static str,
    read: impl FnOnce(&Value<'a>) -> Option<T>,
) -> Option<Fact<T>> {
    if !value.is_map() {
        return Some(Fact { value: read(value)?, until: None, evidence: None });
    }
    value.fields(|fields| {
        let value = fields.required(value_field, read);
        let until = fields.optional("until", |value| value.parsed("a date such as 2027-06-30"));
        let evidence = fields.optional("evidence", Value::text);
        Some(Fact { value: value?, until, evidence })
    })
}

/// A certificate's name, or `{ name, until, evidence }`.
fn certifications(value: &Value<'_>) -> Option<Vec<Fact<String>>> {
    value.list(|value| fact(value, "name", Value::text))
}

fn jurisdiction(value: &Value<'_>) -> Option<String> {
    let code = value.text()?;
    if code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Some(code);
    }
    value.refuse("expected a country's two-letter code such as `US` or `DE`, or `EU`")
}

fn regions(value: &Value<'_>) -> Option<BTreeSet<String>> {
    Some(value.list(Value::text)?.into_iter().collect())
}
