//! The door itself: accept, serve, and on the way out let streams finish. It speaks HTTP/1.1, as
//! the SDKs do to a plain-text address; a proxy in front may speak what it likes to its own callers.

use std::convert::Infallible;
use std::error::Error;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper::service::Service;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulShutdown;
use prometheus::IntGauge;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::patience::Patience;
use super::workers::Workers;

/// What one door allows.
#[derive(Debug, Clone, Copy)]
pub struct DoorLimits {
    /// Connections open at once; further ones wait in the system's queue.
    pub connections: usize,
    /// From a connection (or the last answer on it) to the end of the next request's head.
    pub header_time: Duration,
    /// From the order to stop to the moment when what is left is cut.
    pub drain_time: Duration,
}

/// Whether everything came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    /// Every call was answered.
    Wholly,
    /// Time was up.
    Cut,
}

/// The most that a connection buffers of a request's head; a longer head is answered 431.
const HEAD_BUFFER: usize = 64 * 1024;

/// Takes the address, or says plainly why not. `setting` is where the operator can change it.
pub async fn bind(address: SocketAddr, setting: &str) -> Result<TcpListener, String> {
    TcpListener::bind(address).await.map_err(|error| {
        let why = match error.kind() {
            io::ErrorKind::AddrInUse => "another program listens there already".to_owned(),
            io::ErrorKind::PermissionDenied => {
                "the system does not permit it; ports below 1024 need privileges".to_owned()
            }
            _ => error.to_string(),
        };
        format!("cannot listen on {address}: {why}; set {setting} to another address")
    })
}

/// Serves until `stop`, then drains. When it returns, no connection is left: what did not end in
/// time was cut, and every ticket is settled or with the reaper.
pub async fn serve<S, B>(
    listener: TcpListener,
    service: S,
    limits: DoorLimits,
    stop: CancellationToken,
    gauge: IntGauge,
    workers: &Workers,
) -> Drained
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let graceful = GracefulShutdown::new();
    let permits = Arc::new(Semaphore::new(limits.connections));
    let (tasks, cut) = (TaskTracker::new(), CancellationToken::new());
    while let Some((stream, permit)) = until(&stop, accept(&listener, &permits)).await {
        let service = service.clone();
        let (seat, runtime) = workers.seat();
        let (open, cut) = (Open::new(gauge.clone()), cut.clone());
        let (builder, watcher) = (builder(limits), graceful.watcher());
        let serving = async move {
            // The worker's reactor watches the socket from here on.
            let Ok(stream) = stream.and_then(TcpStream::from_std) else { return };
            let connection = builder.serve_connection(TokioIo::new(stream), service);
            // A connection that breaks is the caller's affair; its ticket is settled elsewhere.
            until(&cut, watcher.watch(connection)).await;
            drop((open, permit, seat));
        };
        tasks.spawn_on(serving, runtime);
    }
    drop(listener);
    tasks.close();
    let drained = match tokio::time::timeout(limits.drain_time, graceful.shutdown()).await {
        Ok(()) => Drained::Wholly,
        Err(_) => Drained::Cut,
    };
    cut.cancel();
    tasks.wait().await;
    drained
}

/// One open connection in the gauge, however it ends.
struct Open(IntGauge);

impl Open {
    fn new(gauge: IntGauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}

fn builder(limits: DoorLimits) -> Builder {
    let mut builder = Builder::new();
    builder
        .timer(Patience::default())
        // Runs from the first moment of a connection, and again after each answer on it.
        .header_read_timeout(limits.header_time)
        .max_buf_size(HEAD_BUFFER);
    builder
}

/// The next connection, once there is room for it, free to go to any reactor.
async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> (io::Result<std::net::TcpStream>, Option<OwnedSemaphorePermit>) {
    let permit = Arc::clone(permits).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Without it the last packet of an event waits for the peer's delayed ACK (40 ms).
                let _ = stream.set_nodelay(true);
                return (stream.into_std(), permit);
            }
            // Out of file handles, or the peer left already: neither is a reason to stop, and
            // the first one passes when a connection closes.
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
}

async fn until<T>(stop: &CancellationToken, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        () = stop.cancelled() => None,
        done = work => Some(done),
    }
}
