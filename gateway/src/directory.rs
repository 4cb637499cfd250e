//! Which endpoints stand behind a model's name.

mod known;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arc_swap::ArcSwap;
use foldhash::quality::RandomState;
use isthmus_adapters::adapter::{Adapter, Timeouts};
use isthmus_config::settings::Settings;
use isthmus_config::settings::charging::Charging;
use isthmus_inference::failure::{Failure, Kind};
use isthmus_inference::ident::{ModelName, ProviderName, UpstreamModel};
use isthmus_policies::facts::Facts;
use isthmus_policies::monitor::Limits;
use isthmus_policies::plan::Strategy;
use moka::sync::Cache;

use known::{Known, known};

use crate::pool::{Endpoint, EndpointParts, Learnt, Pool};
use crate::prices;
use crate::telemetry::metrics::EndpointMetrics;

/// All that can be asked for.
pub struct Directory {
    pools: HashMap<ModelName, Arc<Pool>, RandomState>,
    accounts: BTreeMap<ProviderName, Account>,
    known: ArcSwap<Known>,
    /// Pools of one endpoint, for models that were asked for as `provider/model`.
    guests: Cache<ModelName, Arc<Pool>>,
}

/// One account, through which any of its provider's models can be asked for.
pub struct Account {
    /// Whoever calls it.
    pub adapter: Arc<dyn Adapter>,
    /// How long each phase may take.
    pub timeouts: Timeouts,
    /// `provider/*`.
    pub label: Arc<str>,
    /// The kind of provider, such as `openai`.
    pub kind: Arc<str>,
    /// The region that prices may depend on.
    pub region: Option<Arc<str>>,
    /// Whether it understands OpenRouter's `provider` object.
    pub narrows: bool,
    /// Whether it is the engine in this process.
    pub in_process: bool,
    /// What is known of all its endpoints.
    pub facts: Arc<Facts>,
    /// The counters of all that is asked by `provider/model`: one row, since callers choose the
    /// names and a metric must not grow with them.
    pub metrics: EndpointMetrics,
}

/// Names offered after a miss.
const SUGGESTIONS: usize = 3;
/// How alike a name must be to be offered (Jaro-Winkler).
const LIKENESS: f64 = 0.75;
/// How many models that are asked for as `provider/model` are kept: callers choose the names.
const MOST_GUESTS: u64 = 1024;

// === impl Directory ===

impl Directory {
    /// Puts pools and accounts together.
    pub fn new(
        pools: Vec<Pool>,
        accounts: BTreeMap<ProviderName, Account>,
        settings: &Settings,
    ) -> Self {
        let pools = pools.into_iter().map(|pool| (pool.name.clone(), Arc::new(pool))).collect();
        let known = ArcSwap::from_pointee(known(settings, &accounts));
        Self { pools, accounts, known, guests: Cache::new(MOST_GUESTS) }
    }

    /// The pool of this name, or the one endpoint that `provider/upstream-model` means.
    pub fn resolve(&self, model: &ModelName) -> Result<Arc<Pool>, Failure> {
        if let Some(pool) = self.pools.get(model).cloned().or_else(|| self.guests.get(model)) {
            return Ok(pool);
        }
        let guest = self.direct(model).map(Arc::new).ok_or_else(|| self.unknown(model))?;
        self.guests.insert(model.clone(), Arc::clone(&guest));
        Ok(guest)
    }

    /// Every pool that is written down.
    pub fn pools(&self) -> impl Iterator<Item = &Arc<Pool>> {
        self.pools.values()
    }

    /// Every endpoint that has been asked or could be: those of written pools, and of models that were
    /// asked for as `provider/model`.
    pub fn endpoints(&self) -> impl Iterator<Item = Arc<Endpoint>> {
        let guests = self.guests.iter().map(|(_, pool)| pool);
        let pools = self.pools.values().cloned().chain(guests);
        pools.flat_map(|pool| pool.endpoints.clone())
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

    /// From now on endpoints are paid as these settings say: those of written pools by their names, and
    /// all others by what is known of their models.
    pub fn reprice(&self, settings: &Settings) {
        self.known.store(Arc::new(known(settings, &self.accounts)));
        for endpoint in self.pools.values().flat_map(|pool| &pool.endpoints) {
            if let Some(written) = settings.endpoints.get(&endpoint.name) {
                endpoint.reprice(&written.charging);
            }
        }
        for endpoint in self.guests.iter().flat_map(|(_, pool)| pool.endpoints.clone()) {
            if let Some((charging, _)) = self.known_of(&endpoint.provider, &endpoint.model) {
                endpoint.reprice(&charging);
            }
        }
    }

    /// How a model is paid that is asked for without its endpoint's name, and what is claimed of it: as
    /// some endpoint says, else as the catalogue lists it and the account is. `None` without an account.
    fn known_of(
        &self,
        provider: &ProviderName,
        model: &UpstreamModel,
    ) -> Option<(Charging, Arc<Facts>)> {
        let account = self.accounts.get(provider)?;
        let known = self.known.load();
        let known = known.get(&(provider.clone(), model.clone())).cloned();
        let listed = || (account.listed(model.as_str()), Arc::clone(&account.facts));
        Some(known.unwrap_or_else(listed))
    }

    fn direct(&self, model: &ModelName) -> Option<Pool> {
        let (provider, upstream) = model.as_str().split_once('/')?;
        let (provider, account) = self.accounts.get_key_value(provider)?;
        if upstream.is_empty() {
            return None;
        }
        let upstream = UpstreamModel::from(upstream);
        let (charging, facts) = self.known_of(provider, &upstream)?;
        let endpoint = Endpoint::new(EndpointParts {
            name: model.as_str().into(),
            provider: provider.clone(),
            kind: Arc::clone(&account.kind),
            model: upstream,
            adapter: Arc::clone(&account.adapter),
            narrows: account.narrows,
            charging,
            capabilities: None,
            continues: false,
            timeouts: account.timeouts,
            metrics: account.metrics.clone(),
            in_process: account.in_process,
            facts,
            limits: Limits::default(),
        });
        Some(Pool {
            name: model.clone(),
            label: Arc::clone(&account.label),
            endpoints: vec![Arc::new(endpoint)],
            strategy: Strategy { fallback: false, ..Strategy::default() },
            baseline: None,
            learnt: Learnt::default(),
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

// === impl Account ===

impl Account {
    /// What a model costs that nobody wrote down.
    fn listed(&self, model: &str) -> Charging {
        prices::listed(&self.kind, model, self.region.as_deref())
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
