//! The one path that every call takes. Each stage hands its own type to the next, so that none
//! can be left out or moved: an attempt needs a [`plan::Planned`], and only [`plan`] makes one.

pub mod admit;
pub mod declared;
pub mod dispatch;
pub mod identify;
pub mod plan;
pub mod recall;
pub mod receive;
pub mod reserve;
pub mod settle;
mod spend;
pub mod tags;

use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http_body::Body;
use isthmus_inference::failure::Failure;
use isthmus_inference::ident::RequestId;
use isthmus_inference::request::{Dialect, Operation};
use tokio::time::Instant;

use crate::app::App;
use dispatch::Answer;
use recall::Recalled;
use settle::Ticket;

/// A call at the door: its head is read, its body is not.
#[derive(Debug)]
pub struct Call {
    /// The caller's `x-request-id`, or one of ours.
    pub id: RequestId,
    /// When its head was complete.
    pub arrived: Instant,
    /// What the URL asks for.
    pub operation: Operation,
    /// In which language.
    pub dialect: Dialect,
    /// The head.
    pub headers: HeaderMap,
    /// The query string, unless it is longer than any that is meant.
    pub query: Option<String>,
    /// By when the caller must have an answer.
    pub deadline: Instant,
}

/// The most that the body of a call may cost.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimits {
    /// In bytes.
    pub size: usize,
    /// From the head to the last byte.
    pub time: Duration,
}

/// Takes a call from its head to its answer.
///
/// `ticket` learns on the way how far the call came, and whoever holds it settles it: when the
/// answer's last byte is out, or at once if there is none.
pub async fn run<B>(
    app: &App,
    call: Box<Call>,
    body: B,
    ticket: &mut Ticket,
) -> Result<Answer, Failure>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let identified = identify::identify(&app.keyring, call, ticket)?;
    let received =
        receive::receive(app.body_limits, &app.body_room, identified, body, ticket).await?;
    let admitted = admit::admit(&app.classifier, received, ticket).await?;
    let (admitted, keep) = match recall::recall(app, admitted, ticket).await {
        Recalled::Known(answer) => return Ok(answer),
        Recalled::Unknown(admitted, keep) => (admitted, keep),
    };
    let planned = plan::plan(app, admitted, ticket).await?;
    let funded = reserve::reserve(app, planned, ticket).await?;
    let answer = dispatch::dispatch(funded, ticket).await?;
    // What another pool answered for want of money is not what was asked for.
    let keep = keep.filter(|_| ticket.record().notes.downgraded.is_none());
    Ok(Answer { keep, ..answer })
}
