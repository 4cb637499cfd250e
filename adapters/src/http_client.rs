//! Requests out, answers in, in the terms of `http` and `bytes`: this file and `http_client/` are the
//! only ones that know hyper's client.
//!
//! Each thread has one client, so that all accounts share its pool of connections, and a connection
//! is driven by the thread that uses it: no answer waits for another thread to wake up.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use http::header::{ACCEPT, PROXY_AUTHORIZATION, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body::Body as _;
use http_body_util::Full;
use hyper::body::Incoming as Arriving;
use hyper_util::client::legacy::{self, Client};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use isthmus_inference::failure::{Failure, Kind};
use url::Url;

use crate::timeouts::Phase;
use connect::{CONNECT_LIMIT, ConnectTimedOut, Connector};
use public::NotPublic;

mod connect;
mod public;

/// Where requests can be sent, checked and parsed once.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    url: Url,
    /// The same, as it is sent.
    uri: Uri,
    /// What the proxy on the way to it asks for, where requests go to the proxy itself.
    proxy_credential: Option<HeaderValue>,
}

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
}

thread_local! {
    static CLIENT: Client<Connector, Full<Bytes>> = client();
}

/// How long an idle connection is kept. Shorter than the idle limit of common load balancers (60 s),
/// so that a request seldom meets a connection that is just being closed.
const KEPT_IDLE: Duration = Duration::from_secs(50);
/// How many idle connections are kept for each host.
const MOST_IDLE: usize = 512;
/// How much of one HTTP/2 stream may lie unread in memory: far more than a token stream needs.
const STREAM_WINDOW: u32 = 256 << 10;
/// How much of all streams of one HTTP/2 connection together.
const CONNECTION_WINDOW: u32 = 4 << 20;
/// How often a silent connection is asked whether the other side is still there.
const ALIVE_EVERY: Duration = Duration::from_secs(30);

const AGENT: HeaderValue = HeaderValue::from_static(concat!("isthmus/", env!("CARGO_PKG_VERSION")));
const ANYTHING: HeaderValue = HeaderValue::from_static("*/*");

/// Sends a request and waits for the head of the answer. Dropping the future gives the request up.
///
/// A redirect is an answer like any other: a redirected POST would lose its body or carry the
/// credential to another host. Nothing is sent twice, except what a connection that had just been
/// closed never took.
pub(crate) async fn send(
    method: Method,
    target: &Target,
    headers: HeaderMap,
    body: Bytes,
    connect_limit: Duration,
) -> Result<Incoming, Failure> {
    let request = written(method, target, headers, body);
    let sending = CLIENT.with(|client| client.request(request));
    received(CONNECT_LIMIT.scope(connect_limit, sending).await, connect_limit)
}

fn written(
    method: Method,
    target: &Target,
    headers: HeaderMap,
    body: Bytes,
) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = method;
    *request.uri_mut() = target.uri.clone();
    *request.headers_mut() = headers;
    let headers = request.headers_mut();
    headers.entry(ACCEPT).or_insert(ANYTHING);
    headers.entry(USER_AGENT).or_insert(AGENT);
    if let Some(credential) = &target.proxy_credential {
        headers.insert(PROXY_AUTHORIZATION, credential.clone());
    }
    request
}

fn received(
    sent: Result<Response<Arriving>, legacy::Error>,
    connect_limit: Duration,
) -> Result<Incoming, Failure> {
    let (head, body) = sent.map_err(|error| not_sent(&error, connect_limit))?.into_parts();
    Ok(Incoming {
        status: head.status,
        headers: head.headers,
        body: Body { first: None, rest: body },
    })
}

/// Which machines a request may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Any.
    Anywhere,
    /// Those of the public internet, for an address that a caller named.
    Public,
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
    if public::is_forbidden(target.url.host_str().unwrap_or_default()) {
        return Err(forbidden());
    }
    let mut request = written(Method::GET, target, headers, Bytes::new());
    request.headers_mut().remove(PROXY_AUTHORIZATION);
    let sent = tokio::time::timeout(connect_limit, public::request(request)).await;
    received(sent.map_err(|_| Phase::Connect.failure(connect_limit))?, connect_limit)
}

fn client() -> Client<Connector, Full<Bytes>> {
    Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(KEPT_IDLE)
        .pool_max_idle_per_host(MOST_IDLE)
        .http2_initial_stream_window_size(STREAM_WINDOW)
        .http2_initial_connection_window_size(CONNECTION_WINDOW)
        .http2_keep_alive_interval(ALIVE_EVERY)
        .build(Connector::new())
}

// === impl Target ===

impl Target {
    /// The URL made of a base and what is appended to it.
    pub(crate) fn new(base: &str, path: &str) -> Result<Self, String> {
        let mut url = Self::exactly(base)?.url;
        url.set_path(&format!("{}{path}", url.path().trim_end_matches('/')));
        Self::of(url)
    }

    /// This very URL, its query and a slash at its end included.
    pub(crate) fn exactly(base: &str) -> Result<Self, String> {
        // What holds an `@` may hold a password, which is never shown.
        let shown = if base.contains('@') { "the URL".to_owned() } else { format!("`{base}`") };
        let mut url = Url::parse(base).map_err(|error| format!("{shown}: {error}"))?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(format!("{shown} is not an http:// or https:// URL"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            let message = "a URL must not hold a user name or password; use `api_key` or `headers`";
            return Err(message.to_owned());
        }
        url.set_fragment(None);
        Self::of(url)
    }

    fn of(url: Url) -> Result<Self, String> {
        let uri = Uri::try_from(url.as_str()).map_err(|error| error.to_string())?;
        let proxy_credential = connect::proxy_credential(&uri);
        Ok(Self { url, uri, proxy_credential })
    }

    /// The same with one more pair in its query.
    pub(crate) fn with_query(mut self, name: &str, value: &str) -> Self {
        self.url.query_pairs_mut().append_pair(name, value);
        // A URL that could be sent still can: what was appended is percent-encoded.
        self.uri = Uri::try_from(self.url.as_str()).unwrap_or(self.uri);
        self
    }

    /// The URL as it is sent.
    pub(crate) fn as_str(&self) -> &str {
        self.url.as_str()
    }

    /// Like `host:443`.
    pub(crate) fn host_and_port(&self) -> String {
        let port = self.url.port_or_known_default().unwrap_or_default();
        format!("{}:{port}", self.url.host_str().unwrap_or_default())
    }

    /// Whether both are at one scheme, host and port, so that a credential for one may go to the
    /// other.
    pub(crate) fn same_origin(&self, other: &Self) -> bool {
        self.url.origin() == other.url.origin()
    }

    /// Where a `Location` in an answer from here points; it may leave out all but a path.
    pub(crate) fn redirected(&self, location: &str) -> Result<String, String> {
        self.url.join(location).map(String::from).map_err(|error| error.to_string())
    }
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
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(first)));
        }
        loop {
            let Some(frame) = ready!(Pin::new(&mut self.rest).poll_frame(context)) else {
                return Poll::Ready(None);
            };
            match frame {
                // Trailers say nothing that anybody here reads.
                Ok(frame) => {
                    if let Ok(data) = frame.into_data() {
                        return Poll::Ready(Some(Ok(data)));
                    }
                }
                Err(error) => return Poll::Ready(Some(Err(broken_off(&error)))),
            }
        }
    }
}

// === failures ===

fn forbidden() -> Failure {
    Failure::new(Kind::Forbidden, NotPublic.to_string())
}

fn not_sent(error: &legacy::Error, connect_limit: Duration) -> Failure {
    let failure = if causes(error).any(<dyn Error>::is::<NotPublic>) {
        forbidden()
    } else if causes(error).any(<dyn Error>::is::<ConnectTimedOut>) {
        Phase::Connect.failure(connect_limit)
    } else if error.is_connect() {
        Failure::new(Kind::Unreachable, "no connection to the provider could be made")
    } else {
        Failure::new(Kind::Unreachable, "the provider closed the connection without an answer")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_whole_web_address() {
        let target = Target::new("http://host:1/v1/", "/models").unwrap();
        assert_eq!(target.url.as_str(), "http://host:1/v1/models");
        for base in ["", "host:1/v1", "ftp://host", "http://", "unix:/socket"] {
            let message = Target::new(base, "/models").unwrap_err();
            assert!(message.contains(&format!("`{base}`")), "{message}");
        }
    }

    #[test]
    fn an_exact_target_is_left_as_it_is() {
        for url in ["http://h:1/a/", "http://h/a?b=c%20d", "http://h/model/v1%3A0/converse"] {
            assert_eq!(Target::exactly(url).unwrap().as_str(), url);
        }
    }

    #[test]
    fn what_is_added_to_a_query_is_sent() {
        let target = Target::exactly("http://h/a").unwrap().with_query("b", "c&d");
        let target = target.with_query("e", "f");
        assert_eq!(target.uri, "http://h/a?b=c%26d&e=f");
        assert_eq!(target.as_str(), "http://h/a?b=c%26d&e=f");
    }

    #[test]
    fn an_origin_is_no_prefix() {
        let hub = Target::new("https://hub.co", "").unwrap();
        for (url, same) in [
            ("https://hub.co/a/b?c", true),
            ("https://HUB.co:443/", true),
            ("http://hub.co/", false),
            ("https://hub.co.evil.net/", false),
            ("https://hub.co:8443/", false),
            ("https://hub.com/", false),
        ] {
            assert_eq!(hub.same_origin(&Target::new(url, "").unwrap()), same, "{url}");
        }
    }

    #[test]
    fn a_redirect_may_leave_out_the_host() {
        let from = Target::new("http://h:1/a/b", "").unwrap();
        assert_eq!(from.redirected("/c?d").unwrap(), "http://h:1/c?d");
        assert_eq!(from.redirected("//cdn/x").unwrap(), "http://cdn/x");
        assert_eq!(from.redirected("https://cdn/x").unwrap(), "https://cdn/x");
    }

    #[test]
    fn a_password_in_an_address_is_refused_and_not_shown() {
        for base in ["https://user:pw-x@host/v1", "ftp://user:pw-x@host", "user :pw-x@host"] {
            let message = Target::new(base, "/models").unwrap_err();
            assert!(!message.contains("pw-x"), "{message}");
        }
        let message = Target::new("https://user:pw-x@host/v1", "").unwrap_err();
        assert!(message.contains("`api_key`"), "{message}");
        assert!(Target::new("https://host/a@b", "").is_ok(), "in a path it is a plain character");
    }
}
