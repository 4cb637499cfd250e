//! A hedge: when the first choice is slow with its first piece, a second copy of the request goes to
//! another endpoint. The first to give a piece wins; the other is dropped, which cancels it upstream.

use std::pin::pin;
use std::sync::Arc;

use futures_util::future::{Either, select};
use isthmus_inference::failure::Failure;

use super::super::plan::{Hedge, Planned};
use super::super::settle::Ticket;
use super::super::settle::attempts::Reason;
use super::attempt::{Place, Won, call};
use super::{Content, note};
use crate::pool::Endpoint;

/// Tries the first choice, and the hedge's partner too if it is slow. Their failures are noted; of two
/// the first choice's is told.
pub(super) async fn run(
    planned: &Planned,
    endpoint: &Arc<Endpoint>,
    place: Place,
    hedge: Hedge<'_>,
    ticket: &mut Ticket,
) -> Result<Won, Failure> {
    let number = ticket.attempting(endpoint, Reason::First);
    let first = Runner { number, endpoint };
    let mut running = pin!(call(planned, endpoint, place, None));
    let patience = pin!(tokio::time::sleep(hedge.after));
    if let Either::Left((told, _)) = ticket.waiting(select(&mut running, patience)).await {
        return first.finish(told, ticket);
    }
    // A partner that is busy itself would only queue, and a copy that nobody budgeted for is not sent.
    let place = Place::at(hedge.partner).filter(|_| planned.affords_hedge());
    let Some(place) = place else {
        let told = ticket.waiting(running).await;
        return first.finish(told, ticket);
    };
    let number = ticket.attempting(hedge.partner, Reason::Hedge);
    let second = Runner { number, endpoint: hedge.partner };
    let copy = pin!(call(planned, hedge.partner, place, None));
    // Whoever answers first wins; after a failure the other is awaited.
    match ticket.waiting(select(running, copy)).await {
        Either::Left((Ok(content), _)) => {
            ticket.lost(second.number);
            first.finish(Ok(content), ticket)
        }
        Either::Right((Ok(content), _)) => {
            ticket.lost(first.number);
            second.finish(Ok(content), ticket)
        }
        Either::Left((Err(failure), copy)) => {
            note(ticket, first.number, first.endpoint, &failure);
            let told = ticket.waiting(copy).await;
            second.finish(told, ticket).map_err(|_| failure)
        }
        Either::Right((Err(failure), running)) => {
            note(ticket, second.number, second.endpoint, &failure);
            let told = ticket.waiting(running).await;
            first.finish(told, ticket)
        }
    }
}

/// One of the two.
struct Runner<'e> {
    number: u32,
    endpoint: &'e Arc<Endpoint>,
}

impl Runner<'_> {
    /// Notes how it went.
    fn finish(self, told: Result<Content, Failure>, ticket: &mut Ticket) -> Result<Won, Failure> {
        match &told {
            Ok(content) => ticket.answered(self.number, content.streams()),
            Err(failure) => note(ticket, self.number, self.endpoint, failure),
        }
        told.map(|content| Won { endpoint: Arc::clone(self.endpoint), content })
    }
}
