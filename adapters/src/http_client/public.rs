//! The way to addresses that a caller named: to machines of the public internet alone. A caller is not
//! to see through the house's eyes what only the house can see.

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll};
use std::time::Duration;
use std::vec;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::{Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming as Arriving;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use tower::Service;

use super::connect::{ALIVE_EVERY, BoxError, Stream, Wire, tls};
use super::exchange::{Lent, Unanswered, exchange};
use super::pool::Pool;
use super::target::Target;
use crate::pieces::Pieces;
use crate::public_address::is_public;

thread_local! {
    /// Apart from those to providers, which may lead to machines that a caller must not reach.
    static POOL: Arc<Pool> = Arc::default();
}

static CONNECTOR: LazyLock<HttpsConnector<PublicRoad>> = LazyLock::new(connector);

/// Makes what TLS may be put on, straight: a proxy would look names up itself.
#[derive(Clone)]
struct PublicRoad(HttpConnector<PublicOnly>);

/// Looks names up, and knows no machines but public ones. What it finds is what is connected to, so
/// that a name cannot mean something else a moment later.
#[derive(Clone)]
struct PublicOnly;

/// A name stands for no machine of the public internet.
#[derive(Debug, thiserror::Error)]
#[error("the address is not of the public internet")]
pub(super) struct NotPublic;

/// Sends a request.
pub(super) async fn request(
    target: &Target,
    request: Request<Full<Pieces>>,
    connect_limit: Duration,
) -> Result<(Response<Arriving>, Option<Lent>), Unanswered> {
    let pool = POOL.with(Arc::clone);
    exchange(&pool, open, target, &mut Some(request), connect_limit).await
}

fn open(target: &Target) -> BoxFuture<'static, Result<Stream, BoxError>> {
    CONNECTOR.clone().call(target.uri.clone())
}

/// Whether a host is an address, which nobody would look up, that is not public.
pub(super) fn is_forbidden(host: &str) -> bool {
    host.trim_matches(['[', ']']).parse().is_ok_and(|address| !is_public(address))
}

fn connector() -> HttpsConnector<PublicRoad> {
    let mut straight = HttpConnector::new_with_resolver(PublicOnly);
    straight.enforce_http(false);
    straight.set_nodelay(true);
    straight.set_keepalive(Some(ALIVE_EVERY));
    (PublicRoad(straight), tls()).into()
}

impl Service<Uri> for PublicRoad {
    type Response = Wire;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Wire, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let connecting = self.0.call(to);
        async move { Ok(Wire::straight(connecting.await?)) }.boxed()
    }
}

impl Service<Name> for PublicOnly {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public: Vec<_> = found.filter(|address| is_public(address.ip())).collect();
            if public.is_empty() { Err(NotPublic.into()) } else { Ok(public.into_iter()) }
        }
        .boxed()
    }
}
