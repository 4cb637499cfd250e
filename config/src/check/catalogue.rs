//! Endpoints as policy sees them: their facts, and where they run.

use std::collections::BTreeMap;

use isthmus_inference::ident::EndpointName;
use isthmus_policies::facts::Facts;
use isthmus_policies::permit::Described;

use crate::check::facts;
use crate::check::names::plain_name;
use crate::check::providers::EMBEDDED;
use crate::reader::Value;

/// Endpoints that a file of tests describes: `name: { provider, model, in_process, facts }`, all of
/// it optional.
pub(super) fn written(section: &Value<'_>) -> Option<Vec<Described>> {
    let mut catalogue = vec![];
    section.each(|name, value| {
        catalogue.extend(named(name, value).and_then(|()| described(name, value)));
    })?;
    Some(catalogue)
}

fn named(name: &str, value: &Value<'_>) -> Option<()> {
    match plain_name(name) {
        Ok(()) => Some(()),
        Err(reason) => value.refuse_field(format!("a name {reason}")),
    }
}

fn described(name: &str, value: &Value<'_>) -> Option<Described> {
    value.fields(|fields| {
        let provider = fields.optional("provider", Value::text);
        let model = fields.optional("model", Value::text);
        let in_process = fields.optional("in_process", Value::boolean);
        let claims = fields.optional("facts", facts::facts);
        Some(Described {
            name: EndpointName::from(name),
            provider: provider.as_deref().unwrap_or(name).into(),
            model: model.as_deref().unwrap_or(name).into(),
            facts: claims.unwrap_or_default(),
            in_process: in_process.unwrap_or(false),
        })
    })
}

/// The endpoints of a configuration. What else is in it may lack its variables, and is not read.
pub(crate) fn of_configuration(root: &Value<'_>) -> Option<Vec<Described>> {
    root.fields(|fields| {
        fields.allow_unknown();
        let kinds = fields.optional("providers", kinds).unwrap_or_default();
        fields.required("endpoints", |section| {
            let mut catalogue = vec![];
            section.each(|name, value| catalogue.extend(endpoint(name, value, &kinds)))?;
            Some(catalogue)
        })
    })
}

/// The kind of each account.
fn kinds(section: &Value<'_>) -> Option<BTreeMap<String, String>> {
    let mut kinds = BTreeMap::new();
    section.each(|name, value| {
        let kind = value.fields(|fields| {
            fields.allow_unknown();
            fields.required("kind", Value::text)
        });
        kinds.extend(kind.map(|kind| (name.to_owned(), kind)));
    })?;
    Some(kinds)
}

fn endpoint(name: &str, value: &Value<'_>, kinds: &BTreeMap<String, String>) -> Option<Described> {
    value.fields(|fields| {
        fields.allow_unknown();
        let provider = fields.required("provider", Value::text);
        let model = fields.required("model", Value::text);
        let claims: Facts = fields.optional("facts", facts::facts).unwrap_or_default();
        let provider = provider?;
        let kind = kinds.get(&provider).unwrap_or(&provider);
        Some(Described {
            name: EndpointName::from(name),
            in_process: kind == EMBEDDED,
            provider: provider.as_str().into(),
            model: model?.as_str().into(),
            facts: claims,
        })
    })
}
