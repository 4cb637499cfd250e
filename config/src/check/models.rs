//! `models:`, the names that callers use.

use std::collections::BTreeMap;

use isthmus_inference::ident::{EndpointName, ModelName};

use crate::check::endpoints::Endpoints;
use crate::check::names::{self, Section, callers_name};
use crate::check::providers::{self, Providers};
use crate::check::unavailable;
use crate::reader::Value;
use crate::settings::{DEFAULT_TIMEOUTS, Endpoint, Pool, Retry};

/// Reads the section if it is there. Beside the pools come the endpoints that only a pool names, as
/// `provider/model`.
pub(super) fn models(
    section: Option<&Value<'_>>,
    providers: &Providers,
    endpoints: &Endpoints,
) -> (BTreeMap<ModelName, Pool>, BTreeMap<EndpointName, Endpoint>) {
    let mut direct = BTreeMap::new();
    let pools = Section::read(section, callers_name, |name, value| {
        pool(name, value, |value| reference(value, providers, endpoints, &mut direct))
    });
    (pools.read, direct)
}

fn pool<'a>(
    name: ModelName,
    value: &Value<'a>,
    reference: impl FnMut(&Value<'a>) -> Option<EndpointName>,
) -> Option<Pool> {
    value.fields(|fields| {
        let endpoints = fields.required("endpoints", |value| members(value, reference));
        let mut fallback = true;
        fields.set("fallback", &mut fallback, Value::boolean);
        let mut retry = Retry::default();
        fields.set("retry", &mut retry, retries);
        let mut splice = false;
        fields.set("splice", &mut splice, Value::boolean);
        fields.optional("objective", objective);
        fields.optional("hedge", hedge);
        Some(Pool { name, endpoints: endpoints?, fallback, retry, splice })
    })
}

fn members<'a>(
    value: &Value<'a>,
    mut reference: impl FnMut(&Value<'a>) -> Option<EndpointName>,
) -> Option<Vec<EndpointName>> {
    let mut seen: Vec<EndpointName> = vec![];
    let mut items = 0;
    value.list(|value| {
        items += 1;
        let name = reference(value)?;
        if seen.contains(&name) {
            let name = value.quoted(name.as_str());
            return value.refuse(format!("{name} is named twice; `retry` says how often to try"));
        }
        seen.push(name);
        Some(())
    })?;
    if items == 0 { value.refuse("at least one endpoint is needed") } else { Some(seen) }
}

/// The name of an endpoint, or `provider/model`.
fn reference(
    value: &Value<'_>,
    providers: &Providers,
    endpoints: &Endpoints,
    direct: &mut BTreeMap<EndpointName, Endpoint>,
) -> Option<EndpointName> {
    let text = value.text()?;
    if endpoints.written.contains(&text) {
        return Some(text.into());
    }
    let Some((provider, model)) = text.split_once('/').filter(|(_, model)| !model.is_empty())
    else {
        return names::unknown(value, "endpoint", &text, &endpoints.written);
    };
    if text.contains(char::is_control) {
        return value.refuse("a model's name is one line of text");
    }
    if !providers.written.contains(provider) {
        return providers::unknown(value, provider, providers);
    }
    let known = providers.read.get(provider);
    let timeouts = known.map_or(DEFAULT_TIMEOUTS, |known| known.timeouts);
    let mut endpoint = Endpoint::direct(provider.into(), model.into(), timeouts);
    endpoint.facts.network = known.and_then(|known| known.account.usual_network());
    let name = endpoint.name.clone();
    direct.insert(name.clone(), endpoint);
    Some(name)
}

fn retries(value: &Value<'_>) -> Option<Retry> {
    let mut retry = Retry::default();
    value.fields(|fields| {
        fields.set("attempts", &mut retry.attempts, |value| value.integer(1..=10));
        fields.set("max_wait", &mut retry.max_wait, Value::duration);
        Some(retry)
    })
}

// === wishes that this version does not grant ===

/// One word, or what to minimise or maximise within which bounds.
fn objective(value: &Value<'_>) -> Option<()> {
    const WORDS: &[(&str, bool)] =
        &[("ordered", true), ("cheapest", false), ("fastest", false), ("balanced", false)];
    let ordered = if value.is_map() { optimum(value).map(|()| false) } else { value.word(WORDS) }?;
    if !ordered {
        unavailable::warn(value, "endpoints are tried in the order in which they are written");
    }
    Some(())
}

fn optimum(value: &Value<'_>) -> Option<()> {
    value.fields(|fields| {
        let minimise = fields.get("minimise");
        let maximise = fields.get("maximise");
        match (&minimise, &maximise) {
            (Some(what), None) | (None, Some(what)) => what.text().map(drop),
            _ => value.refuse_field("expected one of `minimise` and `maximise`"),
        };
        fields.optional("subject_to", |bounds| {
            bounds.each(|_, bound| {
                bound.number();
            })
        });
        Some(())
    })
}

fn hedge(value: &Value<'_>) -> Option<()> {
    if value.is_word("false") {
        return Some(());
    }
    value.fields(|fields| {
        // A percentile of the endpoint's own latency, or a fixed time.
        fields.required("after", |value| match value.text()?.strip_prefix('p') {
            Some(percentile) if matches!(percentile.parse(), Ok(1..=99u8)) => Some(()),
            _ => value.duration().map(drop),
        });
        fields.optional("max_extra_cost_percent", Value::number);
        Some(())
    })?;
    unavailable::warn(value, "a slow endpoint is waited for until its timeout");
    Some(())
}
