//! Stage 5: carry out the plan. `policies::retry` decides after each failure; this does.

use std::sync::Arc;

use futures_util::StreamExt;
use isthmus_adapters::adapter::{self, Attempt, Piece, Timeouts, Whole};
use isthmus_inference::capability::Capability;
use isthmus_inference::failure::{Failure, Kind};
use isthmus_inference::request::Request;
use isthmus_policies::retry::{Next, Progress};
use tokio::time::Instant;

use super::plan::Planned;
use super::settle::Ticket;
use crate::directory::Endpoint;
use crate::telemetry::events::AttemptFailed;

/// What an endpoint answered.
pub struct Answer {
    /// Which endpoint.
    pub endpoint: Arc<Endpoint>,
    /// What was asked.
    pub request: Arc<Request>,
    /// The answer.
    pub content: Content,
}

/// All of an answer, or its beginning.
pub enum Content {
    /// All of it.
    Whole(Whole),
    /// The first piece, which is here, and the rest, which is to come. As long as nothing had
    /// come, the call could still go elsewhere.
    Stream {
        /// The first piece.
        first: Piece,
        /// The rest.
        rest: adapter::AnswerStream,
    },
}

impl Content {
    /// The fields of the request that were left out.
    fn dropped(&mut self) -> &mut Vec<String> {
        match self {
            Self::Whole(whole) => &mut whole.dropped,
            Self::Stream { rest, .. } => &mut rest.dropped,
        }
    }
}

/// Tries the endpoints of the plan until one answers, or none is left, or time is up.
pub async fn dispatch(planned: Planned, ticket: &mut Ticket) -> Result<Answer, Failure> {
    let mut endpoints = planned.endpoints().peekable();
    let mut last = Failure::new(Kind::Overloaded, "no endpoint is left to serve the request");
    while let Some(endpoint) = endpoints.next() {
        let has_alternative = endpoints.peek().is_some();
        match persist(&planned, endpoint, has_alternative, ticket).await {
            Ok(mut content) => {
                ticket.dropped(content.dropped());
                let endpoint = Arc::clone(endpoint);
                return Ok(Answer { endpoint, request: Arc::clone(&planned.request), content });
            }
            Err((failure, Verdict::Final)) => return Err(failure),
            Err((failure, Verdict::TryNext)) => last = failure,
        }
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
    ticket: &mut Ticket,
) -> Result<Content, (Failure, Verdict)> {
    let mut attempts_here = 0;
    loop {
        attempts_here += 1;
        ticket.attempting(endpoint);
        let attempt = attempt(&planned.request, endpoint, planned.deadline);
        let tried = ticket.waiting(attempt).await;
        ticket.attempted(tried.is_ok());
        let failure = match tried {
            Ok(content) => return Ok(content),
            Err(failure) => failure,
        };
        AttemptFailed { request_id: ticket.id(), endpoint, failure: &failure }.emit();

        let time_left = planned.deadline.saturating_duration_since(Instant::now());
        let progress = Progress { attempts_here, has_alternative, time_left };
        match planned.pool.retry.next(progress, &failure, fastrand::f64()) {
            Next::Again { after } => ticket.waiting(tokio::time::sleep(after)).await,
            Next::Elsewhere => return Err((failure, Verdict::TryNext)),
            Next::GiveUp => return Err((failure, Verdict::Final)),
        }
    }
}

/// One try. A stream counts as answered once its first piece is here.
async fn attempt(
    request: &Arc<Request>,
    endpoint: &Endpoint,
    deadline: Instant,
) -> Result<Content, Failure> {
    let time_left = deadline.saturating_duration_since(Instant::now());
    let total = endpoint.timeouts.total.min(time_left);
    let timeouts = Timeouts { total, ..endpoint.timeouts };
    let attempt = Attempt {
        request: Arc::clone(request),
        model: endpoint.model.clone(),
        reasons: endpoint.capabilities.is_some_and(|able| able.has(Capability::Reasoning)),
        timeouts,
    };
    let answered = async {
        match endpoint.adapter.call(attempt).await? {
            adapter::Answer::Whole(whole) => Ok(Content::Whole(whole)),
            adapter::Answer::Stream(mut rest) => match rest.pieces.next().await {
                Some(first) => Ok(Content::Stream { first: first?, rest }),
                None => Err(Failure::new(Kind::Malformed, "the endpoint's stream was empty")),
            },
        }
    };
    // Adapters keep their own time; this holds even one that does not.
    tokio::time::timeout(total, answered).await.unwrap_or_else(|_| {
        let message = format!("no answer within {:.1} s", total.as_secs_f64());
        Err(Failure::new(Kind::Timeout, message))
    })
}
