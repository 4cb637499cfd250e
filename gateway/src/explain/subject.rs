//! What a decision is about, from the configuration alone: nothing is started, and nobody is asked.

use std::sync::Arc;

use isthmus_config::settings::{Account, Endpoint, Settings};
use isthmus_inference::capability::Capabilities;
use isthmus_inference::ident::{ModelName, ProviderName};
use isthmus_policies::facts::Facts;
use isthmus_policies::moment::Moment;
use isthmus_policies::monitor::Monitor;
use isthmus_policies::offer::Offer;
use isthmus_policies::permit::{Described, Permit};
use isthmus_policies::plan::Strategy;
use isthmus_policies::prior::Prior;
use isthmus_policies::question::{Action, Context, Principal};
use isthmus_policies::recorded::Seen;
use isthmus_policies::terms::Demand;

use crate::catalogue::describe;
use crate::prices;

/// A pool, as far as the configuration tells.
pub struct Subject {
    /// The endpoints, in their order.
    pub endpoints: Vec<SubjectEndpoint>,
    /// How it is routed.
    pub strategy: Strategy,
}

/// One of its endpoints.
pub struct SubjectEndpoint {
    /// What it offers.
    pub offer: Offer,
    /// What policy may know of it.
    pub described: Described,
    /// What it can do, if somebody said so.
    pub capabilities: Option<Capabilities>,
}

impl Subject {
    /// The pool of this name, or the one endpoint that `provider/model` means.
    pub fn of(settings: &Settings, model: &ModelName) -> Option<Self> {
        if let Some(pool) = settings.models.get(model) {
            let endpoints = pool.endpoints.iter().filter_map(|name| settings.endpoints.get(name));
            let endpoints = endpoints.map(|endpoint| subject(settings, endpoint)).collect();
            return Some(Self { endpoints, strategy: pool.strategy() });
        }
        let (provider, upstream) = model.as_str().split_once('/')?;
        let provider = ProviderName::from(provider);
        let account = &settings.providers.get(&provider)?.account;
        let same = settings
            .endpoints
            .values()
            .filter(|known| known.provider == provider && known.model.as_str() == upstream);
        let same: Vec<&Endpoint> = same.collect();
        let usual = || Facts { network: account.usual_network(), ..Facts::default() };
        let facts = match same.as_slice() {
            [one, rest @ ..] if rest.iter().all(|other| other.facts == one.facts) => {
                one.facts.clone()
            }
            _ => usual(),
        };
        let listed = || prices::listed(account.kind(), upstream, account.region()).pricing();
        let pricing = same.first().map_or_else(listed, |known| known.pricing());
        let offer = Offer {
            name: model.as_str().into(),
            provider: provider.clone(),
            kind: kind(account).into(),
            pricing,
            facts: Arc::new(facts.clone()),
        };
        let described = Described {
            name: model.as_str().into(),
            provider,
            model: upstream.into(),
            facts,
            in_process: matches!(account, Account::Embedded(_)),
        };
        let endpoint = SubjectEndpoint { offer, described, capabilities: None };
        Some(Self {
            endpoints: vec![endpoint],
            strategy: Strategy { fallback: false, ..Strategy::default() },
        })
    }

    /// What these policies say of each endpoint, and how it fares if it is as usual. `able`: whether
    /// it can do what the request needs.
    pub fn seen(
        &self,
        permit: &Permit,
        principal: &Principal,
        context: &Context,
        demand: &Demand,
        able: impl Fn(&SubjectEndpoint) -> bool,
    ) -> Vec<Seen> {
        let ways = [Action::Route, Action::Fallback, Action::Hedge];
        let decisions = ways.map(|way| permit.decide(principal, way, context));
        let rules = permit.bundle().rules();
        let seen = self.endpoints.iter().enumerate().map(|(number, endpoint)| {
            let decided = &decisions[0].verdicts[number].rules;
            let decided = decided.iter().filter_map(|rule| rules.get(usize::from(*rule)));
            let network = endpoint.described.facts.network.as_ref().map(|fact| fact.value);
            let monitor = Monitor::new(Prior::of(network), Default::default(), None);
            let live = monitor.view(Moment::START, demand.prompt(number));
            Seen {
                name: endpoint.offer.name.clone(),
                may: [0, 1, 2].map(|way| decisions[way].allowed.has(number)),
                rules: decided.map(|rule| rule.id.clone()).collect(),
                live: able(endpoint).then_some(live),
            }
        });
        seen.collect()
    }

    /// The endpoints as policy sees them.
    pub fn catalogue(&self) -> Vec<Described> {
        self.endpoints.iter().map(|endpoint| endpoint.described.clone()).collect()
    }

    /// What the endpoints of these names offer, as far as they still exist.
    pub fn offers<'s>(&'s self, names: &[Seen]) -> Vec<Option<&'s Offer>> {
        let find = |seen: &Seen| {
            let found = self.endpoints.iter().find(|endpoint| endpoint.offer.name == seen.name);
            found.map(|endpoint| &endpoint.offer)
        };
        names.iter().map(find).collect()
    }
}

fn subject(settings: &Settings, endpoint: &Endpoint) -> SubjectEndpoint {
    let account = settings.providers.get(&endpoint.provider).map(|provider| &provider.account);
    SubjectEndpoint {
        offer: Offer {
            name: endpoint.name.clone(),
            provider: endpoint.provider.clone(),
            kind: account.map_or("unknown", kind).into(),
            pricing: endpoint.pricing(),
            facts: Arc::new(endpoint.facts.clone()),
        },
        described: describe(settings, endpoint),
        capabilities: endpoint.capabilities,
    }
}

/// The kind of an account, such as `openai`.
pub(crate) fn kind(account: &Account) -> &'static str {
    match account {
        Account::Remote(account) => account.kind.kind,
        Account::Embedded(_) => "embedded",
    }
}
