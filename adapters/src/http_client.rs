//! Requests out, answers in, in the terms of `http` and `bytes`: this file and `http_client/` are the
//! only ones that know hyper's client.
//!
//! Each thread has its own connections, which all accounts share, and a connection is driven by the
//! thread that uses it: no answer waits for another thread to wake up.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use http::header::{ACCEPT, PROXY_AUTHORIZATION, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body::Body as _;
use http_body_util::Full;
use hyper::body::Incoming as Arriving;
use isthmus_inference::failure::{Failure, Kind};

use crate::pieces::Pieces;
use crate::timeouts::Phase;
use exchange::{Lent, Unanswered, exchange};
use pool::Pool;
use public::NotPublic;

mod bell;
mod connect;
mod exchange;
mod line;
mod pool;
mod public;
mod target;

pub(crate) use target::Target;

/// An answer whose body is still coming.
pub(crate) struct Incoming {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Body,
}

/// The bytes of an answer as the network brings them.
pub(crate) struct Body {
    /// What was read of it and put back.
    first: Option<Bytes>,
    rest: Arriving,
    /// What brings it, unless that goes on by itself. `None` once all of it is here.
    lent: Option<Lent>,
}

/// Which machines a request may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Any.
    Anywhere,
    /// Those of the public internet, for an address that a caller named.
    Public,
}

thread_local! {
    static POOL: Arc<Pool> = Arc::default();
}

const AGENT: HeaderValue = HeaderValue::from_static(concat!("isthmus/", env!("CARGO_PKG_VERSION")));
const ANYTHING: HeaderValue = HeaderValue::from_static("*/*");

/// Sends a request and waits for the head of the answer. Dropping the future gives the request up.
///
/// A redirect is an answer like any other: a redirected POST would lose its body or carry the
/// credential to another host. Nothing is sent twice, except what a connection that had just been
/// closed never took.
pub(crate) fn send(
    method: Method,
    target: &Target,
    headers: HeaderMap,
    body: impl Into<Pieces>,
    connect_limit: Duration,
) -> impl Future<Output = Result<Incoming, Failure>> {
    // No `async fn`, which would hold what it is given beside what it makes of it.
    let mut request = written(method, headers, body.into());
    if let Some(credential) = &target.proxy_credential {
        request.headers_mut().insert(PROXY_AUTHORIZATION, credential.clone());
    }
    let mut request = Some(request);
    async move {
        let pool = POOL.with(Arc::clone);
        let told = exchange(&pool, connect::open, target, &mut request, connect_limit).await;
        received(told, connect_limit)
    }
}

/// Asks for what is at an address that a caller named. Redirects are answers like any other.
pub(crate) async fn get(
    target: &Target,
    headers: HeaderMap,
    reach: Reach,
    connect_limit: Duration,
) -> Result<Incoming, Failure> {
    if reach == Reach::Anywhere {
        return send(Method::GET, target, headers, Bytes::new(), connect_limit).await;
    }
    if public::is_forbidden(target.host()) {
        return Err(forbidden());
    }
    let request = written(Method::GET, headers, Pieces::default());
    let told = tokio::time::timeout(connect_limit, public::request(target, request, connect_limit));
    received(told.await.unwrap_or(Err(Unanswered::ConnectTooLong)), connect_limit)
}

fn written(method: Method, headers: HeaderMap, body: Pieces) -> Request<Full<Pieces>> {
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = method;
    *request.headers_mut() = headers;
    usual(request.headers_mut());
    request
}

/// Adds what every request says, unless it says it otherwise.
pub(crate) fn usual(headers: &mut HeaderMap) {
    headers.entry(ACCEPT).or_insert(ANYTHING);
    headers.entry(USER_AGENT).or_insert(AGENT);
}

fn received(
    told: Result<(Response<Arriving>, Option<Lent>), Unanswered>,
    connect_limit: Duration,
) -> Result<Incoming, Failure> {
    let (response, lent) = told.map_err(|error| unanswered(&error, connect_limit))?;
    let (head, rest) = response.into_parts();
    let body = Body { first: None, rest, lent };
    Ok(Incoming { status: head.status, headers: head.headers, body })
}

// === impl Body ===

impl Body {
    /// The body with what was read of it before put back.
    pub(crate) fn behind(self, first: Bytes) -> Self {
        Self { first: Some(first), ..self }
    }
}

impl Stream for Body {
    type Item = Result<Bytes, Failure>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let body = &mut *self;
        if let Some(first) = body.first.take() {
            return Poll::Ready(Some(Ok(first)));
        }
        loop {
            let mut frame =
                |context: &mut Context<'_>| Pin::new(&mut body.rest).poll_frame(context);
            let frame = match &mut body.lent {
                Some(lent) => ready!(lent.line.poll_with(context, frame)),
                None => ready!(frame(context)),
            };
            // With its last byte, or at once if there is none.
            if (body.rest.is_end_stream() || frame.is_none())
                && let Some(lent) = body.lent.take()
            {
                lent.give_back();
            }
            match frame {
                // Trailers say nothing that anybody here reads.
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Poll::Ready(Some(Ok(data)));
                    }
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(broken_off(&error)))),
                None => return Poll::Ready(None),
            }
        }
    }
}

// === failures ===

fn forbidden() -> Failure {
    Failure::new(Kind::Forbidden, NotPublic.to_string())
}

fn unanswered(error: &Unanswered, connect_limit: Duration) -> Failure {
    let failure = match error {
        Unanswered::Connect(_) if causes(error).any(<dyn Error>::is::<NotPublic>) => forbidden(),
        Unanswered::Connect(_) => {
            Failure::new(Kind::Unreachable, "no connection to the provider could be made")
        }
        Unanswered::ConnectTooLong => return Phase::Connect.failure(connect_limit),
        Unanswered::Exchange(_) => {
            let message = "the provider closed the connection without an answer";
            Failure::new(Kind::Unreachable, message)
        }
    };
    failure.with_detail(chain(error))
}

fn broken_off(error: &hyper::Error) -> Failure {
    Failure::new(Kind::Malformed, "the provider broke off in the middle of its answer")
        .with_detail(chain(error))
}

/// An error with all its causes.
fn chain(error: &(dyn Error + 'static)) -> String {
    causes(error).fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

fn causes<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(error.source(), |&cause| cause.source())
}
