//! The only file that knows `reqwest`: requests out, answers in, in the terms of `http` and `bytes`.
//!
//! There is one client in the process, so that all accounts share its pool of connections.

use std::error::Error;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use futures_util::{FutureExt, Stream, StreamExt, TryStreamExt};
use http::{HeaderMap, Method, StatusCode};
use isthmus_inference::failure::{Failure, Kind};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tower::{Layer, Service};

use crate::public_address::is_public;
use crate::timeouts::Phase;

/// Where requests can be sent, checked and parsed once.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    url: reqwest::Url,
    /// A machine that is reached without the proxy that the environment names: this one, or a
    /// metadata server.
    direct: bool,
}

/// An answer whose body is still coming.
pub(crate) struct Incoming {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Body,
}

/// The bytes of an answer as the network brings them.
pub(crate) struct Body(BoxStream<'static, Result<Bytes, Failure>>);

/// The two ways out.
struct Clients {
    /// Through the proxy that `HTTPS_PROXY` and its like name, if they do.
    outside: reqwest::Client,
    /// To this machine itself, and to its metadata server.
    direct: reqwest::Client,
}

static CLIENTS: LazyLock<Result<Clients, String>> = LazyLock::new(Clients::new);

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

/// Metadata servers whose address does not say so: Google's, and those of AWS over IPv6.
const METADATA_SERVERS: [&str; 3] = ["metadata.google.internal", "fd00:ec2::254", "fd00:ec2::23"];

/// Sends a request and waits for the head of the answer. Dropping the future gives the request up.
pub(crate) async fn send(
    method: Method,
    target: &Target,
    headers: HeaderMap,
    body: Bytes,
    connect_limit: Duration,
) -> Result<Incoming, Failure> {
    let clients = CLIENTS.as_ref().map_err(unable)?;
    let client = if target.direct { &clients.direct } else { &clients.outside };
    let mut request = reqwest::Request::new(method, target.url.clone());
    *request.headers_mut() = headers;
    *request.body_mut() = Some(body.into());
    received(CONNECT_LIMIT.scope(connect_limit, client.execute(request)).await, connect_limit)
}

fn received(
    sent: reqwest::Result<reqwest::Response>,
    connect_limit: Duration,
) -> Result<Incoming, Failure> {
    let mut response = sent.map_err(|error| not_sent(error, connect_limit))?;
    Ok(Incoming {
        status: response.status(),
        headers: std::mem::take(response.headers_mut()),
        body: Body(response.bytes_stream().map_err(broken_off).boxed()),
    })
}

/// Which machines a request may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Any.
    Anywhere,
    /// Those of the public internet. A caller named the address, and is not to see through the
    /// house's eyes what only the house can see.
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
    // An address in the place of a name is never resolved.
    let address = target.url.host_str().unwrap_or_default().trim_matches(['[', ']']).parse();
    if address.is_ok_and(|address| !is_public(address)) {
        return Err(forbidden());
    }
    let client = PUBLIC.as_ref().map_err(unable)?;
    let mut request = reqwest::Request::new(Method::GET, target.url.clone());
    *request.headers_mut() = headers;
    received(CONNECT_LIMIT.scope(connect_limit, client.execute(request)).await, connect_limit)
}

// === impl Target ===

impl Target {
    /// The URL made of a base and what is appended to it.
    pub(crate) fn new(base: &str, path: &str) -> Result<Self, String> {
        let mut target = Self::exactly(base)?;
        target.url.set_path(&format!("{}{path}", target.url.path().trim_end_matches('/')));
        Ok(target)
    }

    /// This very URL, its query and a slash at its end included.
    pub(crate) fn exactly(base: &str) -> Result<Self, String> {
        // What holds an `@` may hold a password, which is never shown.
        let shown = if base.contains('@') { "the URL".to_owned() } else { format!("`{base}`") };
        let url = reqwest::Url::parse(base).map_err(|error| format!("{shown}: {error}"))?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(format!("{shown} is not an http:// or https:// URL"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            let message = "a URL must not hold a user name or password; use `api_key` or `headers`";
            return Err(message.to_owned());
        }
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let direct = host == "localhost"
            || METADATA_SERVERS.contains(&host)
            || host.parse().is_ok_and(is_beside_us);
        Ok(Self { url, direct })
    }

    /// The URL as it is sent.
    pub(crate) fn as_str(&self) -> &str {
        self.url.as_str()
    }

    /// The same with one more pair in its query.
    pub(crate) fn with_query(mut self, name: &str, value: &str) -> Self {
        self.url.query_pairs_mut().append_pair(name, value);
        self
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

/// Whether this is the machine itself or on its own link, as the clouds' metadata servers are.
fn is_beside_us(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_loopback() || address.is_link_local(),
        IpAddr::V6(address) => address.is_loopback() || address.is_unicast_link_local(),
    }
}

// === impl Body ===

impl Body {
    /// The body with what was read of it before put back.
    pub(crate) fn behind(self, first: Bytes) -> Self {
        Self(futures_util::stream::iter([Ok(first)]).chain(self.0).boxed())
    }
}

impl Stream for Body {
    type Item = Result<Bytes, Failure>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(context)
    }
}

// === impl Clients ===

impl Clients {
    fn new() -> Result<Self, String> {
        // An error says that another part of the process has chosen already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Ok(Self { outside: build(Self::builder)?, direct: build(|| Self::builder().no_proxy())? })
    }

    fn builder() -> reqwest::ClientBuilder {
        reqwest::Client::builder()
            .user_agent(concat!("isthmus/", env!("CARGO_PKG_VERSION")))
            // A redirected POST would lose its body or carry the credential to another host.
            .redirect(reqwest::redirect::Policy::none())
            // Whether to try again is decided where budgets and policies are known.
            .retry(reqwest::retry::never())
            .tcp_nodelay(true)
            .tcp_keepalive(ALIVE_EVERY)
            .pool_idle_timeout(KEPT_IDLE)
            .pool_max_idle_per_host(MOST_IDLE)
            .http2_initial_stream_window_size(STREAM_WINDOW)
            .http2_initial_connection_window_size(CONNECTION_WINDOW)
            .http2_keep_alive_interval(ALIVE_EVERY)
            .connector_layer(ConnectTimer)
    }
}

/// Builds a client. Where the system has no root certificates, one that trusts nobody still serves
/// the providers that are reached by plain HTTP.
fn build(builder: impl Fn() -> reqwest::ClientBuilder) -> Result<reqwest::Client, String> {
    builder().build().or_else(|error| {
        tracing::warn!(
            error = %chain(&error),
            "no root certificates: HTTPS providers cannot be reached; install `ca-certificates`"
        );
        builder().tls_certs_only([]).build().map_err(|error| chain(&error))
    })
}

// === connecting in time ===

tokio::task_local! {
    /// How long the request that is being sent may take to connect. `reqwest` knows one such limit
    /// for each client, but attempts have their own and still share connections.
    static CONNECT_LIMIT: Duration;
}

/// Bounds each connection's making by the limit of the request that needs it.
#[derive(Clone)]
struct ConnectTimer;

/// A connector with that bound.
#[derive(Clone)]
struct Timed<S>(S);

/// Connecting took too long.
#[derive(Debug, thiserror::Error)]
#[error("connecting took too long")]
struct ConnectTimedOut;

impl<S> Layer<S> for ConnectTimer {
    type Service = Timed<S>;

    fn layer(&self, connector: S) -> Timed<S> {
        Timed(connector)
    }
}

impl<S, R> Service<R> for Timed<S>
where
    S: Service<R, Error = Box<dyn Error + Send + Sync>>,
    S::Future: Send + 'static,
    S::Response: 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, destination: R) -> Self::Future {
        let connecting = self.0.call(destination);
        // The pool starts a connection within the task that asked for it, so the limit is at hand.
        match CONNECT_LIMIT.try_get() {
            Ok(limit) => tokio::time::timeout(limit, connecting)
                .map(|outcome| outcome.unwrap_or_else(|_| Err(Box::new(ConnectTimedOut))))
                .boxed(),
            Err(_) => connecting.boxed(),
        }
    }
}

// === reaching only the public internet ===

/// The way to addresses that callers named. It takes no proxy, which would look names up itself.
static PUBLIC: LazyLock<Result<reqwest::Client, String>> = LazyLock::new(|| {
    let _ = rustls::crypto::ring::default_provider().install_default();
    build(|| Clients::builder().no_proxy().dns_resolver(PublicOnly))
});

/// Looks names up, and knows no machines but public ones. What it finds is what is connected to, so
/// that a name cannot mean something else a moment later.
#[derive(Clone)]
struct PublicOnly;

/// A name stands for no machine of the public internet.
#[derive(Debug, thiserror::Error)]
#[error("the address is not of the public internet")]
struct NotPublic;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public: Vec<_> = found.filter(|address| is_public(address.ip())).collect();
            if public.is_empty() {
                return Err(NotPublic.into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        }
        .boxed()
    }
}

fn forbidden() -> Failure {
    Failure::new(Kind::Forbidden, NotPublic.to_string())
}

// === failures ===

fn unable(error: &String) -> Failure {
    Failure::new(Kind::Internal, "the gateway cannot make connections").with_detail(error)
}

fn not_sent(error: reqwest::Error, connect_limit: Duration) -> Failure {
    let error = error.without_url();
    let failure = if causes(&error).any(<dyn Error>::is::<NotPublic>) {
        forbidden()
    } else if causes(&error).any(<dyn Error>::is::<ConnectTimedOut>) {
        Phase::Connect.failure(connect_limit)
    } else if error.is_connect() {
        Failure::new(Kind::Unreachable, "no connection to the provider could be made")
    } else {
        Failure::new(Kind::Unreachable, "the provider closed the connection without an answer")
    };
    failure.with_detail(chain(&error))
}

fn broken_off(error: reqwest::Error) -> Failure {
    Failure::new(Kind::Malformed, "the provider broke off in the middle of its answer")
        .with_detail(chain(&error.without_url()))
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

    #[test]
    fn this_machine_is_reached_without_a_proxy() {
        for (base, direct) in [
            ("http://localhost:1", true),
            ("http://127.0.0.1:1", true),
            ("http://127.8.8.8", true),
            ("http://[::1]:1", true),
            ("http://169.254.169.254/latest/", true),
            ("http://[fd00:ec2::254]", true),
            ("http://metadata.google.internal/", true),
            ("http://10.0.0.1", false),
            ("https://localhost.example.com", false),
        ] {
            assert_eq!(Target::new(base, "/").unwrap().direct, direct, "{base}");
        }
    }
}
