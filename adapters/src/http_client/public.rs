//! The way to addresses that a caller named: to machines of the public internet alone. A caller is not
//! to see through the house's eyes what only the house can see.

use std::net::SocketAddr;
use std::task::{Context, Poll};
use std::vec;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::Request;
use http_body_util::Full;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::client::legacy::{Client, ResponseFuture};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tower::Service;

use super::connect::{BoxError, tls};
use super::{ALIVE_EVERY, KEPT_IDLE};
use crate::public_address::is_public;

thread_local! {
    static CLIENT: Client<HttpsConnector<HttpConnector<PublicOnly>>, Full<Bytes>> = client();
}

/// Looks names up, and knows no machines but public ones. What it finds is what is connected to, so
/// that a name cannot mean something else a moment later.
#[derive(Clone)]
struct PublicOnly;

/// A name stands for no machine of the public internet.
#[derive(Debug, thiserror::Error)]
#[error("the address is not of the public internet")]
pub(super) struct NotPublic;

/// Sends a request, straight: a proxy would look names up itself.
pub(super) fn request(request: Request<Full<Bytes>>) -> ResponseFuture {
    CLIENT.with(|client| client.request(request))
}

/// Whether a host is an address, which nobody would look up, that is not public.
pub(super) fn is_forbidden(host: &str) -> bool {
    host.trim_matches(['[', ']']).parse().is_ok_and(|address| !is_public(address))
}

fn client() -> Client<HttpsConnector<HttpConnector<PublicOnly>>, Full<Bytes>> {
    let mut straight = HttpConnector::new_with_resolver(PublicOnly);
    straight.enforce_http(false);
    straight.set_nodelay(true);
    straight.set_keepalive(Some(ALIVE_EVERY));
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(KEPT_IDLE)
        .build((straight, tls()).into())
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
