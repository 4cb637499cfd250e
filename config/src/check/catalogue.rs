//! Endpoints as policy sees them: their facts, and where they run.

use std::collections::BTreeMap;

use isthmus_inference::ident::EndpointName;
use isthmus_policies::permit::Described;

use crate::check::names::plain_name;
use crate::check::providers::EMBEDDED;
use crate::check::{facts, networks};
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

/// What tells the network of an account: its kind, and the address if one is written.
struct Account {
    kind: String,
    base_url: Option<String>,
}

/// The endpoints of a configuration. What else is in it may lack its variables, and is not read.
pub(crate) fn of_configuration(root: &Value<'_>) -> Option<Vec<Described>> {
    root.fields(|fields| {
        fields.allow_unknown();
        let accounts = fields.optional("providers", accounts).unwrap_or_default();
        fields.required("endpoints", |section| {
            let mut catalogue = vec![];
            section.each(|name, value| catalogue.extend(endpoint(name, value, &accounts)))?;
            Some(catalogue)
        })
    })
}

fn accounts(section: &Value<'_>) -> Option<BTreeMap<String, Account>> {
    let mut accounts = BTreeMap::new();
    section.each(|name, value| {
        let account = value.fields(|fields| {
            fields.allow_unknown();
            let base_url = fields.get("base_url").map(|url| url.known_text().unwrap_or_default());
            let kind = fields.required("kind", Value::text)?;
            Some(Account { kind, base_url })
        });
        accounts.extend(account.map(|account| (name.to_owned(), account)));
    })?;
    Some(accounts)
}

fn endpoint(
    name: &str,
    value: &Value<'_>,
    accounts: &BTreeMap<String, Account>,
) -> Option<Described> {
    value.fields(|fields| {
        fields.allow_unknown();
        let provider = fields.required("provider", Value::text);
        let model = fields.required("model", Value::text);
        let mut claims = fields.optional("facts", facts::facts).unwrap_or_default();
        let provider = provider?;
        // An account that exists by its variable alone has the name of its kind.
        let account = accounts.get(&provider);
        let kind = account.map_or(provider.as_str(), |account| &account.kind);
        if claims.network.is_none() {
            let base_url = account.and_then(|account| account.base_url.as_deref());
            claims.network = networks::of_kind(kind, base_url);
        }
        Some(Described {
            name: EndpointName::from(name),
            in_process: kind == EMBEDDED,
            provider: provider.as_str().into(),
            model: model?.as_str().into(),
            facts: claims,
        })
    })
}
