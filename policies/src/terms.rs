//! What a decision weighs of one endpoint, for one request. Kept as it was, it explains the decision.

use isthmus_inference::money::Money;
use serde::{Deserialize, Serialize};

use crate::affinity::{Prompt, Warm};
use crate::lease;
use crate::live::{LiveView, Quantiles};
use crate::offer::{Consumption, Pricing};
use crate::usual::Usual;

/// What is expected of a request, and how long it may take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Demand {
    /// Tokens of the prompt.
    pub input_tokens: u64,
    /// Tokens of the answer.
    pub output_tokens: u64,
    /// Who probably has how much of the prompt in a cache.
    pub warm: Warm,
    /// What is usual of its pool.
    #[serde(default)]
    pub usual: Usual,
}

/// What speaks for and against an endpoint.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Terms {
    /// Its place in the order that the operator wrote.
    pub place: usize,
    /// What the exchange is expected to add to the bill; `None` where no price is known.
    pub cost: Option<Money>,
    /// Tokens of the prompt that its cache is expected to have.
    pub cached_tokens: u64,
    /// Seconds to the first token.
    pub ttft: Quantiles,
    /// Seconds for which a first token waits behind the work of a saturated machine (leases only).
    pub queue: f64,
    /// Seconds to the last token: p95 of the first, the queue, and the expected answer at its pace.
    pub latency: f64,
    /// Output tokens per second.
    pub tps: f64,
    /// The probability that an attempt fails.
    pub failure: f64,
    /// Seconds beyond the bounds on time.
    pub over: f64,
    /// The probability that the first token comes after the bound on it.
    pub late: f64,
    /// What that weighs, in pico-dollars.
    pub fine: f64,
}

// === impl Demand ===

impl Demand {
    /// The prompt as an endpoint sees it: what its figures are looked up by.
    #[inline]
    pub fn prompt(&self, number: usize) -> Prompt {
        Prompt { tokens: self.input_tokens, read: self.warm.read(number) }
    }

    /// What the exchange is expected to consume of an endpoint with so much of the prompt in its cache.
    pub(crate) const fn consumption(&self, cached_tokens: u64, output_tokens: u64) -> Consumption {
        let uncached_input = self.input_tokens.saturating_sub(cached_tokens);
        Consumption {
            uncached_input,
            cache_read: self.input_tokens - uncached_input,
            output_tokens,
        }
    }
}

// === impl Terms ===

impl Terms {
    /// The terms of one endpoint; [`Terms::over`] is left to the bounds.
    #[inline]
    pub(crate) fn of(demand: &Demand, place: usize, pricing: &Pricing, live: &LiveView) -> Self {
        let consumption = demand.consumption(live.cached_tokens, demand.output_tokens);
        let generation = demand.output_tokens as f64 / live.tokens_per_second.max(0.001);
        let waiting = lease::waiting(live.queue);
        Self {
            place,
            cost: pricing.marginal(&consumption, live.queue),
            cached_tokens: consumption.cache_read,
            ttft: live.ttft,
            queue: waiting,
            latency: live.ttft.p95 + waiting + generation,
            tps: live.tokens_per_second,
            failure: live.failure,
            over: 0.0,
            late: 0.0,
            fine: 0.0,
        }
    }

    /// The cost in pico-dollars; nothing where it is unknown, since those are compared among
    /// themselves.
    pub(crate) fn pico_dollars(&self) -> f64 {
        self.cost.map_or(0.0, |cost| approximate(cost.pico_dollars()))
    }
}

/// A number of pico-dollars to reckon with; exact up to 9,007 dollars, beyond any exchange.
pub(crate) fn approximate(pico_dollars: i128) -> f64 {
    match i64::try_from(pico_dollars) {
        Ok(usual) => usual as f64,
        Err(_) => huge(pico_dollars),
    }
}

/// Numbers of 128 bits become floating ones by a long calculation, which in one place with the short one
/// would be made each time, wanted or not.
#[cold]
#[inline(never)]
const fn huge(pico_dollars: i128) -> f64 {
    pico_dollars as f64
}
