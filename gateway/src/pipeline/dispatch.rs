//! Stage 7: carry out the plan. `policies` decides after each failure; this does.
//!
//! * [`attempt`]: one try at one endpoint
//! * [`race`]: a second copy beside a slow first one
//! * [`silence`]: an endpoint that says nothing for too long has broken off
//! * [`splice`]: another endpoint goes on where one broke off

use std::sync::Arc;

use isthmus_adapters::adapter::{AnswerStream, Piece, Whole};
use isthmus_inference::failure::{Failure, Kind};
use isthmus_inference::request::Request;
use isthmus_policies::retry::{Next, Progress};
use tokio::time::Instant;

use super::plan::Planned;
use super::recall::keep::Keep;
use super::reserve::{Funded, unwritable};
use super::settle::Ticket;
use super::settle::attempts::Reason;
use crate::pool::Endpoint;
use crate::telemetry::events::AttemptFailed;

mod attempt;
mod race;
mod silence;
pub mod splice;

pub use attempt::Place;
use attempt::Won;
use splice::Spare;

/// What an endpoint answered.
pub struct Answer {
    /// Which endpoint.
    pub endpoint: Arc<Endpoint>,
    /// What was asked.
    pub request: Arc<Request>,
    /// The answer.
    pub content: Content,
    /// Its id, if it has one already.
    pub id: Option<String>,
    /// Who gathers it, if it is to be remembered.
    pub keep: Option<Box<Keep>>,
}

/// All of an answer, or its beginning; boxed, since it is handed on through all of the stages.
pub enum Content {
    /// All of it.
    Whole(Box<Whole>),
    /// Its beginning. As long as nothing had come, the call could still go elsewhere.
    Stream(Box<Streamed>),
}

/// An answer that has begun.
pub struct Streamed {
    /// The first piece, which is here.
    pub first: Piece,
    /// The rest, which is to come.
    pub rest: AnswerStream,
    /// The place at the endpoint, which is taken until the answer is over.
    pub place: Place,
    /// How it goes on if the endpoint breaks off; `None` if it does not.
    pub spare: Option<Box<Spare>>,
}

impl Content {
    /// Whether it comes piece by piece.
    fn streams(&self) -> bool {
        matches!(self, Self::Stream(_))
    }

    /// The fields of the request that were left out.
    fn dropped(&mut self) -> &mut Vec<String> {
        match self {
            Self::Whole(whole) => &mut whole.dropped,
            Self::Stream(streamed) => &mut streamed.rest.dropped,
        }
    }
}

/// Tries the endpoints of the plan until one answers, or none is left, or time is up.
///
/// Nothing of a streamed answer leaves before what is held for it is on the disk. A whole one waits
/// for its settlement, which is written behind that.
pub async fn dispatch(funded: Funded, ticket: &mut Ticket) -> Result<Answer, Failure> {
    let Won { endpoint, mut content } = first_to_answer(funded.plan(), ticket).await?;
    if content.streams() {
        ticket.hold_is_written().await.map_err(unwritable)?;
    }
    ticket.dropped(content.dropped());
    let planned = funded.into_plan();
    let request = Arc::clone(&planned.request);
    if let Content::Stream(streamed) = &mut content {
        Spare::of(planned, &endpoint, streamed, ticket);
    }
    Ok(Answer { endpoint, request, content, id: None, keep: None })
}

async fn first_to_answer(planned: &Planned, ticket: &mut Ticket) -> Result<Won, Failure> {
    let mut endpoints = planned.endpoints().peekable();
    let mut last = Failure::new(Kind::Overloaded, "no endpoint is left to serve the request");
    let mut reason = Reason::First;
    while let Some(endpoint) = endpoints.next() {
        // Whoever failed as a hedge's partner had its turn.
        if ticket.record().attempts.tried(endpoint) {
            continue;
        }
        let has_alternative = endpoints.peek().is_some();
        match persist(planned, endpoint, has_alternative, reason, ticket).await {
            Ok(won) => return Ok(won),
            Err((failure, Verdict::Final)) => return Err(failure),
            Err((failure, Verdict::TryNext)) => last = failure,
        }
        reason = Reason::Fallback;
    }
    Err(last)
}

/// Whether one endpoint's failure ends the call.
enum Verdict {
    Final,
    TryNext,
}

/// Tries one endpoint until it answers or is given up.
async fn persist(
    planned: &Planned,
    endpoint: &Arc<Endpoint>,
    has_alternative: bool,
    mut reason: Reason,
    ticket: &mut Ticket,
) -> Result<Won, (Failure, Verdict)> {
    let mut attempts_here = 0;
    loop {
        let place = match Place::at(endpoint) {
            Some(place) => place,
            None if has_alternative => {
                return Err((attempt::no_place(endpoint), Verdict::TryNext));
            }
            None => ticket
                .waiting(Place::awaited(endpoint, planned.deadline))
                .await
                .map_err(|failure| (failure, Verdict::Final))?,
        };
        attempts_here += 1;
        let tried = match planned.hedge().filter(|_| reason == Reason::First) {
            Some(hedge) => race::run(planned, endpoint, place, hedge, ticket).await,
            None => attempt::run(planned, endpoint, place, reason, ticket).await,
        };
        let failure = match tried {
            Ok(won) => return Ok(won),
            Err(failure) => failure,
        };
        let time_left = planned.deadline.saturating_duration_since(Instant::now());
        let progress = Progress { attempts_here, has_alternative, time_left };
        match planned.after(&failure, progress) {
            Next::Again { after } => ticket.waiting(tokio::time::sleep(after)).await,
            Next::Elsewhere => return Err((failure, Verdict::TryNext)),
            Next::GiveUp => return Err((failure, Verdict::Final)),
        }
        reason = Reason::Again;
    }
}

/// Notes that an attempt failed before its first piece.
fn note(ticket: &mut Ticket, number: u32, endpoint: &Endpoint, failure: &Failure) {
    ticket.failed(number, failure);
    AttemptFailed { request_id: ticket.id(), endpoint, failure }.emit();
}
