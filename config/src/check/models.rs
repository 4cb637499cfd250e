//! `models:`, the names that callers use.

use std::collections::BTreeMap;

use isthmus_inference::ident::{EndpointName, ModelName};
use isthmus_ledger::catalogue::Catalogue;
use isthmus_policies::objective::Objective;

use crate::check::cache;
use crate::check::endpoints::Endpoints;
use crate::check::names::{self, Section, callers_name};
use crate::check::objective::{hedge, objective};
use crate::check::providers::{self, Providers};
use crate::reader::Value;
use crate::settings::charging::Charging;
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
        let pool = pool(name, value, |value| reference(value, providers, endpoints, &mut direct))?;
        unpriced(
            value,
            &pool,
            |name| endpoints.read.get(name).or_else(|| direct.get(name)),
            providers,
        );
        Some(pool)
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
        let mut preferred = Objective::default();
        fields.set("objective", &mut preferred, objective);
        let mut second_copy = None;
        fields.set("hedge", &mut second_copy, hedge);
        let mut splice = false;
        fields.set("splice", &mut splice, Value::boolean);
        let mut remembered = None;
        fields.set("cache", &mut remembered, cache::of_pool);
        let baseline = fields.get("baseline");
        let endpoints = endpoints?;
        let baseline = baseline.and_then(|value| one_of(&value, &endpoints));
        Some(Pool {
            name,
            endpoints,
            baseline,
            fallback,
            retry,
            objective: preferred,
            hedge: second_copy,
            splice,
            cache: remembered,
        })
    })
}

/// What costs are compared with has to be something that could have been asked.
fn one_of(value: &Value<'_>, endpoints: &[EndpointName]) -> Option<EndpointName> {
    let text = value.text()?;
    let known = endpoints.iter().map(ToString::to_string).collect();
    match endpoints.iter().find(|name| name.as_str() == text) {
        Some(name) => Some(name.clone()),
        None => names::unknown(value, "endpoint of this pool", &text, &known),
    }
}

/// Warns of endpoints that come last by an objective that counts money, for want of a price.
fn unpriced<'e>(
    value: &Value<'_>,
    pool: &Pool,
    find: impl Fn(&str) -> Option<&'e Endpoint>,
    providers: &Providers,
) {
    if !pool.objective.aim.counts_money(&pool.objective.weights) {
        return;
    }
    let has_price =
        |name: &EndpointName| find(name.as_str()).is_some_and(|it| may_have_price(it, providers));
    for name in pool.endpoints.iter().filter(|name| !has_price(name)) {
        let name = value.quoted(name.as_str());
        value.warn(format!(
            "{name} has no price, so it comes last by cost; if it is free, write `price: {{ input: \"0\", output: \"0\" }}`"
        ));
    }
}

/// Whether somebody said what an endpoint costs, or the catalogue may know. Whether it does today is for
/// the day to tell.
pub(super) fn may_have_price(endpoint: &Endpoint, providers: &Providers) -> bool {
    let provider = providers.read.get(&endpoint.provider);
    let kind = provider.map_or("", |provider| provider.account.kind());
    endpoint.charging != Charging::Unsaid
        || Catalogue::shipped().knows(kind, endpoint.model.as_str())
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
