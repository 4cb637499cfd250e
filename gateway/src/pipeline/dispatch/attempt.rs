//! One try at one endpoint: its place there, its time, and the first piece of its answer.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use isthmus_adapters::adapter::{self, Attempt, Beginning, Timeouts};
use isthmus_inference::capability::Capability;
use isthmus_inference::failure::{Failure, Kind, Retry};
use isthmus_policies::stall;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::super::plan::Planned;
use super::super::settle::Ticket;
use super::super::settle::attempts::Reason;
use super::{Content, Streamed, note};
use crate::calendar::moment;
use crate::pool::Endpoint;

/// An endpoint that answers.
pub(super) struct Won {
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) content: Content,
}

/// A place among the requests that an endpoint takes at once; free again when dropped.
pub struct Place {
    _permit: Option<OwnedSemaphorePermit>,
}

// === impl Place ===

impl Place {
    /// A place that is free now.
    pub(super) fn at(endpoint: &Endpoint) -> Option<Self> {
        let Some(places) = &endpoint.places else { return Some(Self { _permit: None }) };
        Some(Self { _permit: Some(Arc::clone(places).try_acquire_owned().ok()?) })
    }

    /// The place of an answer that no endpoint is asked for.
    pub(in crate::pipeline) fn nowhere() -> Self {
        Self { _permit: None }
    }

    /// The next place that becomes free.
    pub(super) async fn awaited(endpoint: &Endpoint, deadline: Instant) -> Result<Self, Failure> {
        let Some(places) = &endpoint.places else { return Ok(Self { _permit: None }) };
        let next = Arc::clone(places).acquire_owned();
        match tokio::time::timeout_at(deadline, next).await {
            Ok(Ok(permit)) => Ok(Self { _permit: Some(permit) }),
            Ok(Err(_)) | Err(_) => Err(no_place(endpoint)),
        }
    }
}

/// As many requests are under way at the endpoint as its operator allows.
pub(super) fn no_place(endpoint: &Endpoint) -> Failure {
    let message =
        format!("the endpoint `{}` has as many requests under way as it may", endpoint.name);
    Failure::new(Kind::Overloaded, message).retried(Retry::Elsewhere)
}

/// Tries once, and notes how it went.
pub(super) async fn run(
    planned: &Planned,
    endpoint: &Arc<Endpoint>,
    place: Place,
    reason: Reason,
    ticket: &mut Ticket,
) -> Result<Won, Failure> {
    let number = ticket.attempting(endpoint, reason);
    let tried = ticket.waiting(call(planned, endpoint, place, None)).await;
    match &tried {
        Ok(content) => ticket.answered(number, content.streams()),
        Err(failure) => note(ticket, number, endpoint, failure),
    }
    tried.map(|content| Won { endpoint: Arc::clone(endpoint), content })
}

/// Calls once. A stream counts as answered once its first piece is here.
pub(super) async fn call(
    planned: &Planned,
    endpoint: &Endpoint,
    place: Place,
    beginning: Option<Arc<Beginning>>,
) -> Result<Content, Failure> {
    let time_left = planned.deadline.saturating_duration_since(Instant::now());
    let total = endpoint.timeouts.total.min(time_left);
    let timeouts = Timeouts { total, ..endpoint.timeouts };
    let request = Arc::clone(&planned.request);
    let reasons = endpoint.capabilities.is_some_and(|able| able.has(Capability::Reasoning));
    let attempt = Attempt { request, model: endpoint.model.clone(), reasons, timeouts, beginning };
    let answered = async {
        match endpoint.adapter.call(attempt).await? {
            adapter::Answer::Whole(whole) => Ok(Content::Whole(whole)),
            adapter::Answer::Stream(mut rest) => match rest.pieces.next().await {
                Some(first) => {
                    let streamed = Streamed { first: first?, rest, place, spare: None };
                    Ok(Content::Stream(Box::new(streamed)))
                }
                None => Err(Failure::new(Kind::Malformed, "the endpoint's stream was empty")),
            },
        }
    };
    // Adapters keep their own time; this holds even one that does not.
    let limit = patience(planned, endpoint, total);
    tokio::time::timeout(limit, answered).await.unwrap_or_else(|_| {
        let message = format!("no answer within {:.1} s", limit.as_secs_f64());
        Err(Failure::new(Kind::Timeout, message))
    })
}

/// First tokens that must have been seen before one is called late.
pub(super) const KNOWN_WELL: u32 = 100;

/// How long the first piece is waited for. A stream that is silent far beyond what is usual here is
/// given up before its time, if another endpoint could answer; a whole answer comes when it is done.
fn patience(planned: &Planned, endpoint: &Endpoint, total: Duration) -> Duration {
    if !planned.request.stream {
        return total;
    }
    let others = planned.endpoints().skip_while(|other| other.name != endpoint.name).skip(1);
    // A cache may turn out not to have what it is expected to have.
    let live = endpoint.monitor.view(moment(Instant::now()), planned.whole_prompt());
    let has_alternative = others.count() > 0 && live.samples >= KNOWN_WELL;
    stall::until_first_token(&live, total, has_alternative)
}
