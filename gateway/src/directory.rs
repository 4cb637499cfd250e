//! Which endpoints stand behind a model's name.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use http::HeaderValue;
use isthmus_adapters::adapter::{Adapter, Timeouts};
use isthmus_inference::capability::Capabilities;
use isthmus_inference::failure::{Failure, Kind};
use isthmus_inference::ident::{EndpointName, ModelName, ProviderName, UpstreamModel};
use isthmus_inference::money::Price;
use isthmus_policies::retry::RetryRules;

use crate::telemetry::metrics::EndpointMetrics;

/// All that can be asked for.
pub struct Directory {
    pools: HashMap<ModelName, Arc<Pool>>,
    accounts: BTreeMap<ProviderName, Account>,
    prices: Prices,
}

/// What is known of prices, for models that are asked for without their endpoint's name.
pub type Prices = HashMap<(ProviderName, UpstreamModel), Price>;

/// The endpoints that serve one name, in the operator's order.
pub struct Pool {
    /// The name.
    pub name: ModelName,
    /// What metrics call it: its name, or `provider/*`, since callers choose the rest.
    pub label: Arc<str>,
    /// The endpoints; never empty.
    pub endpoints: Vec<Arc<Endpoint>>,
    /// Whether the second and further ones may be tried.
    pub fallback: bool,
    /// How patient to be with each.
    pub retry: RetryRules,
}

/// One concrete way to get an answer.
pub struct Endpoint {
    /// Its name.
    pub name: EndpointName,
    /// The account that it belongs to.
    pub provider: ProviderName,
    /// The upstream's name for the model.
    pub model: UpstreamModel,
    /// Its names as callers are told them.
    pub shown: Shown,
    /// Whoever calls it.
    pub adapter: Arc<dyn Adapter>,
    /// Whether it understands OpenRouter's `provider` object.
    pub narrows: bool,
    /// What it charges, if known.
    pub price: Option<Price>,
    /// What it can do; `None` leaves that to its adapter, which refuses what its language cannot say.
    pub capabilities: Option<Capabilities>,
    /// How long each phase may take.
    pub timeouts: Timeouts,
    /// Its counters, looked up once.
    pub metrics: EndpointMetrics,
}

/// The names of an endpoint as the values of headers, made once. `None` where a name has characters
/// that no header can hold.
#[derive(Debug, Clone)]
pub struct Shown {
    /// Its name.
    pub name: Option<HeaderValue>,
    /// The account that it belongs to.
    pub provider: Option<HeaderValue>,
    /// The upstream's name for the model.
    pub model: Option<HeaderValue>,
}

/// One account, through which any of its provider's models can be asked for.
pub struct Account {
    /// Whoever calls it.
    pub adapter: Arc<dyn Adapter>,
    /// How long each phase may take.
    pub timeouts: Timeouts,
    /// `provider/*`.
    pub label: Arc<str>,
    /// Whether it understands OpenRouter's `provider` object.
    pub narrows: bool,
    /// The counters of all that is asked by `provider/model`: one row, since callers choose the
    /// names and a metric must not grow with them.
    pub metrics: EndpointMetrics,
}

/// Names offered after a miss.
const SUGGESTIONS: usize = 3;
/// How alike a name must be to be offered (Jaro-Winkler).
const LIKENESS: f64 = 0.75;

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({})", self.name)
    }
}

// === impl Directory ===

impl Directory {
    /// Puts pools and accounts together.
    pub fn new(
        pools: Vec<Pool>,
        accounts: BTreeMap<ProviderName, Account>,
        prices: Prices,
    ) -> Self {
        let pools = pools.into_iter().map(|pool| (pool.name.clone(), Arc::new(pool))).collect();
        Self { pools, accounts, prices }
    }

    /// The pool of this name, or the one endpoint that `provider/upstream-model` means.
    pub fn resolve(&self, model: &ModelName) -> Result<Arc<Pool>, Failure> {
        if let Some(pool) = self.pools.get(model) {
            return Ok(Arc::clone(pool));
        }
        self.direct(model).map(Arc::new).ok_or_else(|| self.unknown(model))
    }

    /// The names that a caller can be told of, sorted.
    pub fn names(&self) -> Vec<&ModelName> {
        let mut names: Vec<_> = self.pools.keys().collect();
        names.sort_unstable();
        names
    }

    /// The accounts by name.
    pub fn accounts(&self) -> &BTreeMap<ProviderName, Account> {
        &self.accounts
    }

    fn direct(&self, model: &ModelName) -> Option<Pool> {
        let (provider, upstream) = model.as_str().split_once('/')?;
        let (provider, account) = self.accounts.get_key_value(provider)?;
        if upstream.is_empty() {
            return None;
        }
        let endpoint = Endpoint {
            name: model.as_str().into(),
            provider: provider.clone(),
            model: upstream.into(),
            shown: Shown::of(model.as_str(), provider.as_str(), upstream),
            adapter: Arc::clone(&account.adapter),
            narrows: account.narrows,
            price: self.prices.get(&(provider.clone(), upstream.into())).copied(),
            capabilities: None,
            timeouts: account.timeouts,
            metrics: account.metrics.clone(),
        };
        Some(Pool {
            name: model.clone(),
            label: Arc::clone(&account.label),
            endpoints: vec![Arc::new(endpoint)],
            fallback: false,
            retry: RetryRules::default(),
        })
    }

    fn unknown(&self, model: &ModelName) -> Failure {
        let near = near(model.as_str(), self.pools.keys().map(ModelName::as_str));
        let hint = if near.is_empty() {
            self.names().iter().map(ToString::to_string).collect()
        } else {
            near
        };
        let hint = hint.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let accounts = self.accounts.keys().map(|name| format!("`{name}/…`")).collect::<Vec<_>>();
        let message = format!(
            "the model `{model}` does not exist; did you mean {hint}? A provider's own model can be asked for as {}",
            accounts.join(", ")
        );
        Failure::new(Kind::NotFound, message).with_param("model")
    }
}

// === impl Shown ===

impl Shown {
    /// The headers' values for these names.
    pub fn of(name: &str, provider: &str, model: &str) -> Self {
        let [name, provider, model] =
            [name, provider, model].map(|name| HeaderValue::from_str(name).ok());
        Self { name, provider, model }
    }
}

/// The names most like `wanted`, the likest first.
fn near<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut scored: Vec<_> = names
        .map(|name| (strsim::jaro_winkler(wanted, name), name))
        .filter(|(likeness, _)| *likeness >= LIKENESS)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    scored.into_iter().take(SUGGESTIONS).map(|(_, name)| name.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_come_likest_first_and_strangers_not_at_all() {
        let names = ["chat", "chat-large", "embeddings"];
        assert_eq!(near("chta", names.into_iter()), ["chat", "chat-large"]);
        assert!(near("zzz", names.into_iter()).is_empty());
    }
}
