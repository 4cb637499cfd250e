//! Stage 6: money is held for it, in its budgets and in the ledger, which knows so before the caller sees
//! anything.
//!
//! The commit overlaps the endpoint's own time: [`super::dispatch`] waits for it only when an answer
//! is there. Where the operator is strict (`ledger.durability: before_dispatch`), nobody is asked
//! before.

use std::sync::Arc;

use isthmus_inference::failure::{Failure, Kind};
use isthmus_inference::money::Money;
use isthmus_inference::request::Operation;
use isthmus_inference::usage::{Source, Usage};
use isthmus_ledger::entry::{Entry, ExchangeId, Hold};
use isthmus_ledger::journal::{Durability, NotWritten};

use super::plan::Planned;
use super::settle::{Held, Ticket};
use super::spend;
use crate::app::App;
use crate::calendar::unix_milliseconds;
use crate::pool::Endpoint;

/// A plan that is paid for. Only [`reserve`] makes one, and [`super::dispatch`] takes nothing else.
pub struct Funded(Box<Planned>);

/// Tokens of output that are reserved where the caller set no bound.
const USUAL_BOUND: u64 = 4096;

/// Holds what the exchange may cost.
pub async fn reserve(
    app: &App,
    planned: Box<Planned>,
    ticket: &mut Ticket,
) -> Result<Funded, Failure> {
    let journal = &app.journal;
    if !journal.is_open() {
        return Err(unwritable(NotWritten));
    }
    let planned = spend::within_budgets(app, planned, ticket).await?;
    let hold = hold(&planned, ticket);
    let (exchange, about) = (hold.exchange, Arc::clone(&hold.about));
    let held = Held { exchange, about, journal: journal.clone() };
    let written = journal.write(Entry::Hold(Box::new(hold)));
    ticket.held(held, written);
    if journal.durability() == Durability::BeforeDispatch {
        ticket.hold_is_written().await.map_err(unwritable)?;
    }
    Ok(Funded(planned))
}

/// What is told when nothing can be written down.
pub(super) fn unwritable(error: NotWritten) -> Failure {
    let message =
        "the gateway cannot record the request in its ledger, so it does not serve it; try again";
    let mut failure = Failure::new(Kind::Overloaded, message);
    failure.detail = Some(error.to_string());
    failure
}

fn hold(planned: &Planned, ticket: &Ticket) -> Hold {
    let record = ticket.record();
    let expected = most(planned, ticket);
    let priced = planned.endpoints().map(|endpoint| {
        let rates = endpoint.rates();
        (rates.list_cost(&expected), rates, &**endpoint)
    });
    let dearest = priced.max_by_key(|(cost, ..)| *cost);
    let (amount, price) = dearest.as_ref().map_or_else(Default::default, |(cost, rates, _)| {
        (cost.unwrap_or(Money::ZERO), rates.price_id(&expected))
    });
    let at = unix_milliseconds();
    let (endpoint, provider, upstream_model) = dearest.as_ref().map_or_else(
        Default::default,
        |(_, _, Endpoint { name, provider, model, .. })| {
            (name.clone(), provider.clone(), model.clone())
        },
    );
    Hold {
        exchange: ExchangeId::new(at, fastrand::u128(..)),
        at,
        request_id: record.id.clone(),
        about: record.about(),
        amount,
        expected,
        endpoint,
        provider,
        upstream_model,
        price,
    }
}

/// The most that the exchange is expected to use: the prompt with a margin, since nobody has counted
/// it yet, and all of the answer that the caller allows.
pub(super) fn most(planned: &Planned, ticket: &Ticket) -> Usage {
    let record = ticket.record();
    let (demand, bound) = (record.demand(), record.output_bound());
    let text_output = match planned.request.operation {
        Operation::Embedding => 0,
        _ => bound.unwrap_or(USUAL_BOUND.max(demand.output_tokens)),
    };
    Usage {
        uncached_input: demand.input_tokens + demand.input_tokens / 4,
        text_output,
        source: Source::Estimated,
        ..Usage::default()
    }
}

// === impl Funded ===

impl Funded {
    /// What is to be carried out.
    pub(super) fn plan(&self) -> &Planned {
        &self.0
    }

    /// The same, to be kept.
    pub(super) fn into_plan(self) -> Box<Planned> {
        self.0
    }
}
