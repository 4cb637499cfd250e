//! What an endpoint offers, as far as preference asks: the part that changes only with the
//! catalogue.

use std::sync::Arc;

use isthmus_inference::ident::{EndpointName, ProviderName};
use isthmus_inference::money::{Money, Price};
use isthmus_inference::usage::Usage;

use crate::facts::Facts;
use crate::lease::Lease;

/// One endpoint on offer.
#[derive(Debug, Clone)]
pub struct Offer {
    /// Its name.
    pub name: EndpointName,
    /// The account that it belongs to.
    pub provider: ProviderName,
    /// What kind of provider that is, such as `openai`.
    pub kind: Arc<str>,
    /// What it costs.
    pub pricing: Pricing,
    /// What is claimed of it.
    pub facts: Arc<Facts>,
}

/// How an endpoint is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pricing {
    /// By the token.
    Tokens(Price),
    /// By the hour, used or not.
    Lease(Lease),
    /// Nobody said. For bounds that is the worst case; for preferences it comes last.
    Unknown,
}

/// Tokens that an exchange of text is expected to consume.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Consumption {
    /// Of the prompt, those that are computed.
    pub uncached_input: u64,
    /// Of the prompt, those that are read from a cache.
    pub cache_read: u64,
    /// Of the answer.
    pub output_tokens: u64,
}

const MILLION: u64 = 1_000_000;

// === impl Consumption ===

impl Consumption {
    /// The same in buckets.
    pub(crate) fn usage(&self) -> Usage {
        Usage {
            uncached_input: self.uncached_input,
            cache_read: self.cache_read,
            text_output: self.output_tokens,
            ..Usage::default()
        }
    }
}

// === impl Pricing ===

impl Pricing {
    /// What an exchange of these tokens would add to the bill, with so many seconds of work
    /// waiting: exact for tokens, nothing for a lease that has room, the lease's share for one that
    /// has none, and `None` where nobody knows.
    pub fn marginal(&self, consumption: &Consumption, queue: f64) -> Option<Money> {
        match self {
            Self::Tokens(price) => {
                let Consumption { uncached_input, cache_read, output_tokens } = *consumption;
                Some(price.cost_of_text(uncached_input, cache_read, output_tokens))
            }
            Self::Lease(lease) if lease.is_saturated(queue) => {
                Some(lease.share(&consumption.usage()))
            }
            Self::Lease(_) => Some(Money::ZERO),
            Self::Unknown => None,
        }
    }

    /// What a token of input and one of output cost at most, in pico-dollars: the list price, and of
    /// a lease its share at full capacity.
    pub fn rates(&self) -> Option<(i128, i128)> {
        match self {
            Self::Tokens(price) => {
                Some((price.input.pico_dollars_per_token(), price.output.pico_dollars_per_token()))
            }
            Self::Lease(lease) => {
                // A million at once, so that rounding is of no account.
                let input = Usage { uncached_input: MILLION, ..Usage::default() };
                let output = Usage { text_output: MILLION, ..Usage::default() };
                let per_token = |usage| lease.share(&usage).pico_dollars() / i128::from(MILLION);
                Some((per_token(input), per_token(output)))
            }
            Self::Unknown => None,
        }
    }
}
