//! What a caller narrows a request to: OpenRouter's `provider` object and `x-isthmus-objective`.
//!
//! It is applied to endpoints that policy permits and to nothing else, and every part of it either
//! takes endpoints away or changes their order. A fact that nobody stated counts as the worst, so a
//! wish for privacy is never granted by silence.

mod provider_object;

use isthmus_inference::date::Date;
use isthmus_inference::money::Rate;

use crate::facts::{Fact, Quantisation};
use crate::live::{LiveView, Quantile};
use crate::objective::{Aim, Weights};
use crate::objectives::{cheapest, minimise};
use crate::offer::Offer;

pub use provider_object::NarrowError;

/// A caller's narrowing of one request.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Narrowing {
    order: Vec<String>,
    only: Option<Vec<String>>,
    ignore: Vec<String>,
    allow_fallbacks: bool,
    /// Whether an endpoint must know every parameter of the request. The adapters see to that.
    pub require_parameters: bool,
    zero_data_retention: bool,
    no_data_collection: bool,
    /// `None` in it stands for `unknown`.
    quantisations: Option<Vec<Option<Quantisation>>>,
    max_price_in: Option<Rate>,
    max_price_out: Option<Rate>,
    sort: Option<Sort>,
    objective: Option<&'static Aim>,
    min_tps: Option<f64>,
    max_latency: Vec<(Quantile, f64)>,
}

/// What OpenRouter's `sort` goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Price,
    Throughput,
    Latency,
}

// === impl Narrowing ===

impl Narrowing {
    /// Behind everyone whom the caller named in `order`.
    const UNORDERED: u16 = u16::MAX;

    /// Nothing is narrowed.
    pub fn none() -> Self {
        Self { allow_fallbacks: true, ..Self::default() }
    }

    /// Reads a `provider` object as it stands in a request's body.
    pub fn of_provider_object(json: &[u8]) -> Result<Self, NarrowError> {
        provider_object::read(json)
    }

    /// The same, with the aim that `x-isthmus-objective` names. The operator's bounds stay.
    pub fn with_objective(self, word: &str) -> Result<Self, NarrowError> {
        let aim = Aim::of(word).ok_or_else(|| NarrowError::unknown_objective(word))?;
        Ok(Self { objective: Some(aim), ..self })
    }

    /// Whether it changes nothing, so that no decision need look at it.
    pub fn is_none(&self) -> bool {
        *self == Self { require_parameters: self.require_parameters, ..Self::none() }
    }

    /// Whether another endpoint may be tried after one failed.
    pub const fn allows_fallbacks(&self) -> bool {
        self.allow_fallbacks
    }

    /// What is sought instead of the pool's aim. `sort` was written for this request alone, and goes
    /// before the header.
    pub(crate) fn aim(&self) -> Option<(&'static Aim, Weights)> {
        let only_by = |weights| (&minimise::MINIMISE, weights);
        let none = Weights::default();
        match self.sort {
            Some(Sort::Price) => Some((&cheapest::CHEAPEST, none)),
            Some(Sort::Throughput) => Some(only_by(Weights { ms_per_token: 1.0, ..none })),
            Some(Sort::Latency) => Some(only_by(Weights { p95_ttft_ms: 1.0, ..none })),
            None => self.objective.map(|aim| (aim, none)),
        }
    }

    /// Whether an endpoint is left; otherwise which part of the narrowing rules it out.
    pub(crate) fn admits(&self, offer: &Offer, today: Date) -> Result<(), &'static str> {
        let facts = &offer.facts;
        let named = |names: &[String]| names.iter().any(|name| is_named(offer, name));
        let claims = |fact: &Option<Fact<bool>>, wanted: bool| {
            fact.as_ref().and_then(|fact| fact.on(today)) == Some(&wanted)
        };
        let keeps_nothing = || claims(&facts.zero_data_retention, true);
        let stays_in_order = self.allow_fallbacks || self.order.is_empty() || named(&self.order);
        let keeps = |by: &'static str, kept: bool| if kept { Ok(()) } else { Err(by) };
        keeps("provider.only", self.only.as_deref().is_none_or(named))?;
        keeps("provider.ignore", !named(&self.ignore))?;
        keeps("provider.order", stays_in_order)?;
        keeps("provider.zdr", !self.zero_data_retention || keeps_nothing())?;
        let trains_on_nothing = !self.no_data_collection || claims(&facts.trains_on_data, false);
        keeps("provider.data_collection", trains_on_nothing)?;
        keeps("provider.quantizations", self.has_quantisation(offer, today))?;
        keeps("provider.max_price", self.is_affordable(offer))
    }

    /// An endpoint's place in the caller's order, behind which all others come.
    pub(crate) fn place(&self, offer: &Offer) -> u16 {
        let place = self.order.iter().position(|name| is_named(offer, name));
        place.and_then(|place| u16::try_from(place).ok()).unwrap_or(Self::UNORDERED)
    }

    /// Whether an endpoint fares as the caller would like.
    pub(crate) fn prefers(&self, live: &LiveView) -> bool {
        let fast = self.min_tps.is_none_or(|least| live.tokens_per_second >= least);
        fast && self.max_latency.iter().all(|(quantile, most)| live.ttft.at(*quantile) <= *most)
    }

    fn has_quantisation(&self, offer: &Offer, today: Date) -> bool {
        self.quantisations.as_ref().is_none_or(|wanted| {
            let claimed = offer.facts.quantisation.as_ref().and_then(|fact| fact.on(today));
            wanted.contains(&claimed.copied())
        })
    }

    fn is_affordable(&self, offer: &Offer) -> bool {
        if self.max_price_in.is_none() && self.max_price_out.is_none() {
            return true;
        }
        let Some((input, output)) = offer.pricing.rates() else { return false };
        let within = |bound: Option<Rate>, rate: i128| {
            bound.is_none_or(|bound| rate <= bound.pico_dollars_per_token())
        };
        within(self.max_price_in, input) && within(self.max_price_out, output)
    }
}

/// Whether a caller's name means this endpoint: its own, its account's, or its provider's kind.
fn is_named(offer: &Offer, name: &str) -> bool {
    is_same(offer.name.as_str(), name)
        || is_same(offer.provider.as_str(), name)
        || is_same(&offer.kind, name)
}

/// Whether two names are the same but for their case. Names of one house tend to begin alike and to
/// differ at the end, so that is where the first look goes.
fn is_same(known: &str, name: &str) -> bool {
    let last = |name: &str| name.bytes().last().map(|byte| byte.to_ascii_lowercase());
    known.len() == name.len() && last(known) == last(name) && known.eq_ignore_ascii_case(name)
}

#[cfg(test)]
mod tests;
