//! A name that callers use and the endpoints behind it, with all that is known of them.

mod learnt;
mod rates;
mod shown;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use arc_swap::ArcSwap;
use isthmus_adapters::adapter::{Adapter, Timeouts};
use isthmus_adapters::tokens::Tokenizer;
use isthmus_config::settings::charging::Charging;
use isthmus_inference::capability::Capabilities;
use isthmus_inference::ident::{EndpointName, ModelName, ProviderName, UpstreamModel};
use isthmus_inference::money::Money;
use isthmus_inference::usage::Usage;
use isthmus_policies::affinity::Prompt;
use isthmus_policies::facts::Facts;
use isthmus_policies::monitor::{Limits, Monitor};
use isthmus_policies::offer::{Offer, Pricing};
use isthmus_policies::permit::Described;
use isthmus_policies::plan::Strategy;
use isthmus_policies::prior::Prior;
use isthmus_policies::terms::Demand;
use tokio::sync::Semaphore;

pub use learnt::{Learnt, Reading};
pub use rates::{LEASE, Rates};
pub use shown::Shown;

use crate::telemetry::metrics::EndpointMetrics;

/// The endpoints that serve one name, in the operator's order. An endpoint's number is its place
/// here: what policy and preference say of it is said by number.
pub struct Pool {
    /// The name.
    pub name: ModelName,
    /// What metrics call it: its name, or `provider/*`, since callers choose the rest.
    pub label: Arc<str>,
    /// The endpoints; never empty.
    pub endpoints: Vec<Arc<Endpoint>>,
    /// What is preferred among those that are permitted.
    pub strategy: Strategy,
    /// The endpoint, by number, that the operator declared what costs are compared with.
    pub baseline: Option<usize>,
    /// What its calls have taught.
    pub learnt: Learnt,
}

/// One concrete way to get an answer.
pub struct Endpoint {
    /// Its name.
    pub name: EndpointName,
    /// The account that it belongs to.
    pub provider: ProviderName,
    /// The upstream's name for the model.
    pub model: UpstreamModel,
    /// Whoever calls it.
    pub adapter: Arc<dyn Adapter>,
    /// The tokenizer of its model, where that is known.
    pub tokenizer: Option<Arc<dyn Tokenizer>>,
    /// Whether it understands OpenRouter's `provider` object.
    pub narrows: bool,
    /// What it can do; `None` leaves that to its adapter, which refuses what its language cannot say.
    pub capabilities: Option<Capabilities>,
    /// Whether it goes on with an answer that another one began.
    pub continues: bool,
    /// Room for as many requests at once as the operator allows; `None` if he set no bound. Whoever
    /// finds no room and has no other endpoint waits for it.
    pub places: Option<Arc<Semaphore>>,
    /// How long each phase may take.
    pub timeouts: Timeouts,
    /// Its counters, looked up once.
    pub metrics: EndpointMetrics,
    /// Whether it is the engine in this process.
    pub in_process: bool,
    /// How callers are told of it.
    pub shown: Shown,
    /// What it charges, and what else preference may know of it.
    rates: ArcSwap<Rates>,
    /// How it fares.
    pub monitor: Monitor,
    /// Whether it answered when it was last asked, if only with an error of its own. One that does is
    /// asked even in bad times where there is no other: its error is truer than one of the house's.
    pub answers: AtomicBool,
}

/// What an endpoint is made of.
pub struct EndpointParts {
    /// Its name.
    pub name: EndpointName,
    /// The account that it belongs to.
    pub provider: ProviderName,
    /// The kind of provider, such as `openai`.
    pub kind: Arc<str>,
    /// The upstream's name for the model.
    pub model: UpstreamModel,
    /// Whoever calls it.
    pub adapter: Arc<dyn Adapter>,
    /// Whether it understands OpenRouter's `provider` object.
    pub narrows: bool,
    /// How it is paid.
    pub charging: Charging,
    /// What it can do.
    pub capabilities: Option<Capabilities>,
    /// Whether it goes on with an answer that another one began.
    pub continues: bool,
    /// How long each phase may take.
    pub timeouts: Timeouts,
    /// Its counters.
    pub metrics: EndpointMetrics,
    /// Whether it is the engine in this process.
    pub in_process: bool,
    /// What is claimed of it.
    pub facts: Arc<Facts>,
    /// What the operator allows it.
    pub limits: Limits,
}

// === impl Pool ===

impl Pool {
    /// The pool's endpoints as policy sees them.
    pub fn catalogue(&self) -> Vec<Described> {
        self.endpoints.iter().map(|endpoint| endpoint.described()).collect()
    }

    /// The first tokenizer that is known of its models.
    pub fn tokenizer(&self) -> Option<&Arc<dyn Tokenizer>> {
        self.endpoints.iter().find_map(|endpoint| endpoint.tokenizer.as_ref())
    }

    /// The number of one of its endpoints.
    pub fn number(&self, endpoint: &Endpoint) -> Option<usize> {
        self.endpoints.iter().position(|it| std::ptr::eq(&**it, endpoint))
    }

    /// A caller had the first piece of a stream after so long.
    pub fn had_first_token(&self, after: Duration) {
        if let Some(bound) = self.strategy.objective.bounds.p95_ttft {
            self.learnt.had_first_token(after.as_secs_f64() > bound);
        }
    }

    /// A request's prompt as one of its endpoints sees it.
    pub fn prompt(&self, demand: &Demand, endpoint: &Endpoint) -> Prompt {
        let number = self.number(endpoint);
        number.map_or(Prompt::new(demand.input_tokens), |number| demand.prompt(number))
    }

    /// What its endpoints charge now, in their order.
    pub fn rates(&self) -> impl Iterator<Item = Arc<Rates>> {
        self.endpoints.iter().map(|endpoint| endpoint.rates())
    }
}

// === impl Endpoint ===

impl Endpoint {
    /// An endpoint that nobody has asked yet.
    pub fn new(parts: EndpointParts) -> Self {
        let EndpointParts { name, provider, kind, model, charging, facts, limits, .. } = parts;
        let network = facts.network.as_ref().map(|fact| fact.value);
        let pricing = charging.pricing();
        let lease = match pricing {
            Pricing::Lease(lease) => Some(lease),
            Pricing::Tokens(_) | Pricing::Unknown => None,
        };
        let regions = facts.processing_regions.as_ref().map(|fact| &fact.value);
        let region = regions
            .filter(|regions| !regions.is_empty())
            .map(|regions| regions.iter().map(String::as_str).collect::<Vec<_>>().join(","));
        let shown = Shown::of(name.as_str(), provider.as_str(), model.as_str(), region.as_deref());
        let offer = Offer { name: name.clone(), provider: provider.clone(), kind, pricing, facts };
        let rates = Rates { offer, tariff: charging.tariff().cloned() };
        Self {
            name,
            provider,
            tokenizer: parts.adapter.tokenizer(&model),
            model,
            adapter: parts.adapter,
            narrows: parts.narrows,
            capabilities: parts.capabilities,
            continues: parts.continues,
            places: limits.concurrency.map(|most| Arc::new(Semaphore::new(most.get() as usize))),
            timeouts: parts.timeouts,
            metrics: parts.metrics,
            in_process: parts.in_process,
            shown,
            rates: ArcSwap::from_pointee(rates),
            monitor: Monitor::new(Prior::of(network), limits, lease),
            answers: AtomicBool::new(true),
        }
    }

    /// What it charges now.
    pub fn rates(&self) -> Arc<Rates> {
        self.rates.load_full()
    }

    /// What these tokens would cost here now, by the list.
    pub fn list_cost(&self, usage: &Usage) -> Option<Money> {
        self.rates.load().list_cost(usage)
    }

    /// From now on it is paid like this. Attempts under way are charged as before.
    pub fn reprice(&self, charging: &Charging) {
        let rates = self.rates.load();
        if !rates.are(charging) {
            self.rates.store(Arc::new(rates.charging(charging)));
        }
    }

    /// What policy may know of it.
    pub fn described(&self) -> Described {
        Described {
            name: self.name.clone(),
            provider: self.provider.clone(),
            model: self.model.clone(),
            facts: (*self.rates.load().offer.facts).clone(),
            in_process: self.in_process,
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pool({})", self.name)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({})", self.name)
    }
}
