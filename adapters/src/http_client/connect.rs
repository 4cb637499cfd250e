//! From an address to a connection: straight or through the proxy that the environment names, with
//! TLS where the address asks for it, within the time that the waiting request allows.

use std::error::Error;
use std::net::IpAddr;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::uri::Scheme;
use http::{HeaderValue, Uri};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use rustls::{ClientConfig, RootCertStore};
use tower::Service;

use super::target::Target;
pub(super) use wire::Wire;

mod wire;

/// A connection's bytes, with TLS or without.
pub(super) type Stream = MaybeHttpsStream<Wire>;

/// Makes what TLS may be put on: the way to the provider's own socket, or to the proxy's.
#[derive(Clone)]
struct Road {
    proxies: Arc<Matcher>,
    straight: HttpConnector,
    to_proxy: HttpsConnector<HttpConnector>,
}

pub(super) type BoxError = Box<dyn Error + Send + Sync>;

/// The proxies of `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, or of the system.
static PROXIES: LazyLock<Arc<Matcher>> = LazyLock::new(|| Arc::new(Matcher::from_system()));
/// Makes all connections of the process.
static CONNECTOR: LazyLock<HttpsConnector<Road>> = LazyLock::new(connector);

/// Metadata servers whose address does not say so: Google's, and those of AWS over IPv6.
const METADATA_SERVERS: [&str; 3] = ["metadata.google.internal", "fd00:ec2::254", "fd00:ec2::23"];

/// How often a silent connection is asked whether the other side is still there.
pub(super) const ALIVE_EVERY: Duration = Duration::from_secs(30);
/// How often a peer that does not answer to a keep-alive probe is asked again, and how many times.
const PROBE_AGAIN: Duration = Duration::from_secs(15);
const PROBES: u32 = 3;
/// How long what was sent may go without the peer's acknowledgement.
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);

/// What the proxy wants to be shown with each request; only plain HTTP goes to a proxy as requests.
pub(super) fn proxy_credential(to: &Uri) -> Option<HeaderValue> {
    if to.scheme() != Some(&Scheme::HTTP) {
        return None;
    }
    proxy(&PROXIES, to)?.basic_auth().cloned()
}

/// The proxy on the way, if there is one. This machine and its metadata server are reached without.
fn proxy(proxies: &Matcher, to: &Uri) -> Option<Intercept> {
    if is_beside_us(to.host()?) { None } else { proxies.intercept(to) }
}

fn is_beside_us(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    host == "localhost"
        || METADATA_SERVERS.contains(&host)
        || host.parse().is_ok_and(|address| match address {
            IpAddr::V4(address) => address.is_loopback() || address.is_link_local(),
            IpAddr::V6(address) => address.is_loopback() || address.is_unicast_link_local(),
        })
}

/// Opens a connection to where the target is.
pub(super) fn open(target: &Target) -> BoxFuture<'static, Result<Stream, BoxError>> {
    CONNECTOR.clone().call(target.uri.clone())
}

fn connector() -> HttpsConnector<Road> {
    let proxy_tls = tls();
    let mut provider_tls = proxy_tls.clone();
    provider_tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    (Road::new(Arc::clone(&PROXIES), proxy_tls), provider_tls).into()
}

/// Trusts whom the system trusts. Where the system has no root certificates, nobody is trusted, and
/// the providers that are reached by plain HTTP are still served.
pub(super) fn tls() -> ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = || {
        ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("ring knows the versions that are usual")
    };
    let config = builder().try_with_platform_verifier().unwrap_or_else(|error| {
        tracing::warn!(
            %error,
            "no root certificates: HTTPS providers cannot be reached; install `ca-certificates`"
        );
        builder().with_root_certificates(RootCertStore::empty())
    });
    config.with_no_client_auth()
}

// === impl Road ===

impl Road {
    fn new(proxies: Arc<Matcher>, proxy_tls: ClientConfig) -> Self {
        let mut straight = HttpConnector::new();
        straight.enforce_http(false);
        straight.set_nodelay(true);
        straight.set_keepalive(Some(ALIVE_EVERY));
        straight.set_keepalive_interval(Some(PROBE_AGAIN));
        straight.set_keepalive_retries(Some(PROBES));
        straight.set_tcp_user_timeout(Some(UNACKNOWLEDGED));
        let to_proxy = (straight.clone(), proxy_tls).into();
        Self { proxies, straight, to_proxy }
    }
}

impl Service<Uri> for Road {
    type Response = Wire;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Wire, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let Self { proxies, mut straight, mut to_proxy } = self.clone();
        let Some(proxy) = proxy(&proxies, &to) else {
            return async move { Ok(Wire::straight(straight.call(to).await?)) }.boxed();
        };
        async move {
            if to.scheme() == Some(&Scheme::HTTP) {
                return Ok(Wire::to_proxy(to_proxy.call(proxy.uri().clone()).await?));
            }
            let mut tunnel = Tunnel::new(proxy.uri().clone(), to_proxy);
            if let Some(credential) = proxy.basic_auth() {
                tunnel = tunnel.with_auth(credential.clone());
            }
            Ok(Wire::tunnel(tunnel.call(to).await?))
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use hyper_util::client::legacy::connect::Connection;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn this_machine_is_reached_without_a_proxy() {
        for (uri, here) in [
            ("http://localhost:1", true),
            ("http://127.0.0.1:1", true),
            ("http://127.8.8.8", true),
            ("http://[::1]:1", true),
            ("http://10.0.0.1", false),
            ("https://localhost.example.com", false),
        ] {
            let uri: Uri = uri.parse().unwrap();
            assert_eq!(is_beside_us(uri.host().unwrap()), here, "{uri}");
        }
    }

    #[tokio::test]
    async fn a_proxy_reads_plain_requests_and_tunnels_the_others() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let proxies = Matcher::builder().all(format!("http://user:pw@{address}")).no("un.test");
        let mut road = Road::new(Arc::new(proxies.build()), tls());

        let plain = road.call("http://api.test/v1".parse().unwrap()).await.unwrap();
        assert!(plain.connected().is_proxied(), "requests must name their host in full");

        drop(listener.accept().await.unwrap());
        let tunnel = road.call("https://api.test/v1".parse().unwrap());
        let proxy = async {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut asked = vec![0; 1024];
            let length = socket.read(&mut asked).await.unwrap();
            socket.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            String::from_utf8_lossy(&asked[..length]).into_owned()
        };
        let (tunnel, asked) = tokio::join!(tunnel, proxy);
        assert!(!tunnel.unwrap().connected().is_proxied());
        assert!(asked.starts_with("CONNECT api.test:443 HTTP/1.1\r\n"), "{asked}");
        assert!(asked.contains("Basic dXNlcjpwdw=="), "{asked}");

        let exempt = |uri: &'static str| proxy_of(&road, uri);
        assert!(exempt("https://un.test").is_none() && exempt("http://127.0.0.1:1").is_none());
    }

    fn proxy_of(road: &Road, uri: &'static str) -> Option<Intercept> {
        proxy(&road.proxies, &Uri::from_static(uri))
    }
}
