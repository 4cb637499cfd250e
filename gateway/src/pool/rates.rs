//! What an endpoint charges from some moment on. It is replaced as a whole when a list price or a rate
//! of exchange changes; an attempt is charged by what held when it began.

use std::sync::Arc;

use isthmus_config::settings::charging::Charging;
use isthmus_inference::ident::PriceId;
use isthmus_inference::money::Money;
use isthmus_inference::tariff::{Priced, Tariff};
use isthmus_inference::tier::Tier;
use isthmus_inference::usage::Usage;
use isthmus_policies::offer::{Offer, Pricing};

/// What an endpoint charges.
#[derive(Debug, Clone)]
pub struct Rates {
    /// What preference may know of it.
    pub offer: Offer,
    /// What it charges by the token in all circumstances, if known.
    pub tariff: Option<Arc<Tariff>>,
}

/// The price of what is paid by the hour.
pub const LEASE: &str = "lease";

impl Rates {
    /// The same endpoint, paid in another way.
    pub(super) fn charging(&self, charging: &Charging) -> Self {
        let offer = Offer { pricing: charging.pricing(), ..self.offer.clone() };
        Self { offer, tariff: charging.tariff().cloned() }
    }

    /// Whether they come to the same.
    pub(super) fn are(&self, charging: &Charging) -> bool {
        self.offer.pricing == charging.pricing() && self.tariff.as_ref() == charging.tariff()
    }

    /// The price of a request with this many input tokens, if the endpoint is paid by the token.
    pub fn priced(&self, tier: Option<Tier>, input_tokens: u64) -> Option<&Priced> {
        Some(self.tariff.as_ref()?.price(tier, input_tokens))
    }

    /// What these tokens cost by the list; nothing on a lease, whose hour is paid, and `None` where
    /// nobody knows a price.
    pub fn list_cost(&self, usage: &Usage) -> Option<Money> {
        match self.priced(usage.tier, usage.input()) {
            Some(priced) => Some(priced.written.price.cost(usage)),
            None => self.is_leased().then_some(Money::ZERO),
        }
    }

    /// By which the ledger knows the price of these tokens.
    pub fn price_id(&self, usage: &Usage) -> Option<PriceId> {
        match self.priced(usage.tier, usage.input()) {
            Some(priced) => Some(priced.id.clone()),
            None => self.is_leased().then(|| LEASE.into()),
        }
    }

    /// Whether there is a price for beginnings of prompts that are kept.
    pub fn has_cache_price(&self) -> bool {
        let standard = self.tariff.as_ref().map(|tariff| &tariff.standard().written.price);
        standard.is_some_and(|price| price.cache_read.is_some())
    }

    fn is_leased(&self) -> bool {
        matches!(self.offer.pricing, Pricing::Lease(_))
    }
}
