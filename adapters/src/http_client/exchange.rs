//! One request and the head of its answer: over a connection that is kept, or over a new one.

use std::sync::Arc;
use std::time::Duration;

use http::header::HOST;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming as Arriving;
use hyper::client::conn::http2;
use hyper_util::client::legacy::connect::Connection as _;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::connect::{ALIVE_EVERY, BoxError, Stream};
use super::line::Line;
use super::pool::{Connection, Pool, Sender};
use super::target::{Origin, Target};
use crate::pieces::Pieces;

/// An HTTP/1 connection on which an answer is coming, and where it belongs.
pub(super) struct Lent {
    pub(super) line: Line,
    pool: Arc<Pool>,
    origin: Origin,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unanswered {
    #[error("connecting failed")]
    Connect(#[source] BoxError),
    #[error("connecting took too long")]
    ConnectTooLong,
    #[error("the exchange failed")]
    Exchange(#[source] hyper::Error),
}

/// How much of one HTTP/2 stream may lie unread in memory: far more than a token stream needs.
const STREAM_WINDOW: u32 = 256 << 10;
/// How much of all streams of one HTTP/2 connection together.
const CONNECTION_WINDOW: u32 = 4 << 20;

/// Sends a request and waits for the head of the answer. What comes with it brings the body.
///
/// Nothing is sent twice, except what a kept connection, just closed by the other side, never took: that
/// is put back into `request`.
pub(super) async fn exchange<Opening>(
    pool: &Arc<Pool>,
    open: impl FnOnce(&Target) -> Opening,
    target: &Target,
    request: &mut Option<Request<Full<Pieces>>>,
    connect_limit: Duration,
) -> Result<(Response<Arriving>, Option<Lent>), Unanswered>
where
    Opening: Future<Output = Result<Stream, BoxError>>,
{
    while let Some(kept) = pool.take(&target.origin) {
        let told = deliver(kept, pool, target, request).await;
        if request.is_none() {
            return told.map_err(Unanswered::Exchange);
        }
    }
    // Boxed: a connection in the making is large, and most requests find one that is kept.
    let connecting = Box::pin(connection(pool, target, open(target)));
    let fresh = tokio::time::timeout(connect_limit, connecting)
        .await
        .map_err(|_| Unanswered::ConnectTooLong)??;
    deliver(fresh, pool, target, request).await.map_err(Unanswered::Exchange)
}

/// Sends what is there to be sent. It is still there after an error if the connection has not begun to
/// send it.
async fn deliver(
    connection: Connection,
    pool: &Arc<Pool>,
    target: &Target,
    outgoing: &mut Option<Request<Full<Pieces>>>,
) -> Result<(Response<Arriving>, Option<Lent>), hyper::Error> {
    let mut request = outgoing.take().unwrap_or_default();
    let told = match connection {
        Connection::Http1(mut line) => {
            let uri = if line.read_by_proxy { &target.uri } else { &target.path };
            *request.uri_mut() = uri.clone();
            request.headers_mut().entry(HOST).or_insert_with(|| target.host.clone());
            line.send(request).await.map(|response| {
                let (pool, origin) = (Arc::clone(pool), target.origin.clone());
                (response, Some(Lent { line, pool, origin }))
            })
        }
        Connection::Http2(mut sender) => {
            *request.uri_mut() = target.uri.clone();
            sender.try_send_request(request).await.map(|response| (response, None))
        }
    };
    told.map_err(|mut error| {
        *outgoing = error.take_message();
        error.into_error()
    })
}

async fn connection(
    pool: &Arc<Pool>,
    target: &Target,
    opening: impl Future<Output = Result<Stream, BoxError>>,
) -> Result<Connection, Unanswered> {
    let stream = opening.await.map_err(Unanswered::Connect)?;
    let connected = stream.connected();
    if connected.is_negotiated_h2() {
        let sender = shared(stream).await.map_err(Unanswered::Exchange)?;
        return Ok(Connection::Http2(pool.share(&target.origin, sender)));
    }
    let line = Line::on(stream, connected.is_proxied()).await.map_err(Unanswered::Exchange)?;
    Ok(Connection::Http1(line))
}

/// Speaks HTTP/2 on a stream that has just been opened.
async fn shared(stream: Stream) -> Result<Sender, hyper::Error> {
    let (sender, driver) = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .keep_alive_interval(ALIVE_EVERY)
        .handshake(stream)
        .await?;
    // Each of its streams is told when it ends; nobody asks for the connection itself.
    tokio::spawn(async move { drop(driver.await) });
    Ok(sender)
}

// === impl Lent ===

impl Lent {
    /// The answer has come: the connection waits for its next request.
    pub(super) fn give_back(self) {
        self.pool.give_back(&self.origin, self.line);
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use bytes::Bytes;
    use futures_util::FutureExt;
    use futures_util::future::join_all;
    use http_body::Body as _;
    use http_body_util::BodyExt;
    use hyper::server::conn::http2 as server;
    use hyper::service::service_fn;
    use hyper_util::rt::TokioIo;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::http_client::connect::Wire;

    const LIMIT: Duration = Duration::from_secs(5);

    /// A server that speaks HTTP/2, and answers with what it was asked for and with what.
    async fn serve_http2() -> Target {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = format!("http://{}/v1/chat?a=b", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let asked = service_fn(async |request: Request<Arriving>| {
                    let (head, body) = request.into_parts();
                    let told = body.size_hint().exact();
                    let body = body.collect().await.unwrap().to_bytes();
                    assert_eq!(told, Some(body.len() as u64));
                    let is_http2 = head.version == http::Version::HTTP_2;
                    let said = format!("{is_http2} {} ", head.uri).into_bytes();
                    let said = Bytes::from([said, body.into()].concat());
                    Ok::<_, Infallible>(Response::new(Full::new(said)))
                });
                let serving = server::Builder::new(TokioExecutor::new());
                tokio::spawn(serving.serve_connection(TokioIo::new(socket), asked));
            }
        });
        Target::exactly(&target).unwrap()
    }

    #[tokio::test]
    async fn all_share_an_http2_connection() {
        let (target, pool, opened) =
            (serve_http2().await, Arc::new(Pool::default()), AtomicUsize::new(0));
        // TLS would tell that the server speaks HTTP/2; here it is known.
        let first = TcpStream::connect(target.host_and_port()).await.unwrap();
        let sender = shared(Wire::straight(TokioIo::new(first)).into()).await.unwrap();
        pool.share(&target.origin, sender);
        let open = |_: &Target| {
            opened.fetch_add(1, Ordering::SeqCst);
            std::future::pending().boxed()
        };
        // Pieces that end within frames and within windows.
        let texts: Vec<Vec<u8>> = (b'a'..=b'f').map(|byte| vec![byte; 50_000]).collect();
        let calls = (0..20).map(async |_| {
            let mut body = Pieces::default();
            texts.iter().for_each(|text| body.push(text.clone().into()));
            let mut request = Some(Request::new(Full::new(body)));
            let (response, lent) =
                exchange(&pool, open, &target, &mut request, LIMIT).await.unwrap();
            assert!(lent.is_none());
            response.into_body().collect().await.unwrap().to_bytes()
        });
        for said in join_all(calls).await {
            let expected = [format!("true {} ", target.as_str()).into_bytes(), texts.concat()];
            assert!(said == expected.concat());
        }
        assert_eq!(opened.load(Ordering::SeqCst), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn connecting_takes_no_longer_than_its_limit() {
        let target = Target::exactly("http://h.test").unwrap();
        let mut request = Some(Request::new(Full::default()));
        let open = |_: &Target| std::future::pending().boxed();
        let told = exchange(&Arc::default(), open, &target, &mut request, LIMIT).await;
        assert!(matches!(told, Err(Unanswered::ConnectTooLong)));
    }
}
