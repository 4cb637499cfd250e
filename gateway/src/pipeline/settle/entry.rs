//! What a call was, as the ledger writes it down.

use std::sync::Arc;

use isthmus_inference::money::Money;
use isthmus_inference::usage::Usage;
use isthmus_ledger::entry::{About, Entry, ExchangeId, Line, Options, Settled};
use isthmus_ledger::journal::{Journal, Written};

use super::attempts::Attempted;
use super::{Outcome, Record};
use crate::calendar::unix_milliseconds;

/// Money that is held for a call.
#[derive(Debug)]
pub struct Held {
    /// For which exchange.
    pub exchange: ExchangeId,
    /// Whose it is and what it is about.
    pub about: Arc<About>,
    /// Where it is settled.
    pub journal: Journal,
}

impl Record {
    /// Writes down what became of the call, if money was held for it.
    pub(super) fn write_down(&self, held: &Held, outcome: Outcome<'_>) -> Written {
        let settled = Settled {
            exchange: held.exchange,
            at: unix_milliseconds(),
            request_id: self.id.clone(),
            about: Arc::clone(&held.about),
            outcome: match outcome {
                Outcome::Answered => isthmus_ledger::entry::Outcome::Answered,
                Outcome::Failed(failure) => {
                    isthmus_ledger::entry::Outcome::Failed(failure.kind.as_str().into())
                }
                Outcome::Abandoned => isthmus_ledger::entry::Outcome::Abandoned,
            },
            lines: self.lines(),
            options: self.options(),
            cache: self.cache.written(),
        };
        held.journal.write(Entry::Settled(Box::new(settled)))
    }

    fn lines(&self) -> Vec<Line> {
        let counts = self.attempts.current().map(|attempted| attempted.number);
        let line = |attempted| line(attempted, counts);
        self.attempts.iter().map(line).collect()
    }

    /// What the tokens of the answer would have cost at the other endpoints of the pool.
    fn options(&self) -> Options {
        let Some(pool) = self.pool.as_ref().filter(|_| self.answer_is_priced()) else {
            return Options::default();
        };
        let usage = self.attempts.usage();
        let allowed = self.permitted.as_ref().map(|permitted| &permitted.route.allowed);
        let mut options = Options::default();
        for (number, endpoint) in pool.endpoints.iter().enumerate() {
            let Some(cost) = endpoint.list_cost(&usage) else { continue };
            let lower = |least: Option<Money>| Some(least.map_or(cost, |least| least.min(cost)));
            options.cheapest = lower(options.cheapest);
            if allowed.is_some_and(|allowed| allowed.has(number)) {
                options.cheapest_allowed = lower(options.cheapest_allowed);
            }
            if pool.baseline == Some(number) {
                options.baseline = Some(cost);
            }
        }
        options
    }

    fn answer_is_priced(&self) -> bool {
        self.attempts.iter().any(Attempted::contributed) && self.attempts.cost().is_some()
    }
}

fn line(attempted: &Attempted, counts: Option<u32>) -> Line {
    let endpoint = &attempted.endpoint;
    let usage = if attempted.consumed() { attempted.usage_or_estimate() } else { Usage::default() };
    Line {
        number: attempted.number,
        endpoint: endpoint.name.clone(),
        provider: endpoint.provider.clone(),
        upstream_model: endpoint.model.clone(),
        reason: attempted.reason.as_str().into(),
        fate: attempted.fate.as_str().into(),
        counts: counts == Some(attempted.number),
        usage,
        price: attempted.rates.price_id(&usage),
        cost: if attempted.consumed() { attempted.cost() } else { Some(Money::ZERO) },
        began: unix_milliseconds() - milliseconds(attempted.began.elapsed()),
        first_output_ms: attempted.first_output.map(|time| milliseconds(time).unsigned_abs()),
        took_ms: milliseconds(attempted.took()).unsigned_abs(),
    }
}

fn milliseconds(time: std::time::Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
