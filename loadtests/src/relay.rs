//! A bare relay: what HTTP/1.1 by hyper costs in itself, both ways, with nothing of a gateway in it.
//!
//! Nginx is what everybody knows, but how it compares with a program on hyper differs between machines:
//! this says what part of a difference is hyper's and the kernel's, and what part is the gateway's own.
//! Each connection of a caller has one of its own to the upstream; messages pass unread.

use std::cell::RefCell;
use std::net::SocketAddr;

use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, client};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{LocalSet, spawn_local};

use crate::fault::{Doing, Fault};

/// Relays until the task is dropped; on one thread.
pub async fn serve(listen: SocketAddr, upstream: SocketAddr) -> Result<(), Fault> {
    let listener = TcpListener::bind(listen).await.doing(|| format!("listen on `{listen}`"))?;
    let accepting = async {
        loop {
            let (caller, _) = listener.accept().await.doing(|| "accept".to_owned())?;
            spawn_local(async move {
                // A connection that breaks is the caller's to notice: a round with a failure does not
                // count.
                let _ = relay(caller, upstream).await;
            });
        }
    };
    LocalSet::new().run_until(accepting).await
}

async fn relay(caller: TcpStream, upstream: SocketAddr) -> hyper::Result<()> {
    let (Ok(()), Ok(provider)) = (caller.set_nodelay(true), TcpStream::connect(upstream).await)
    else {
        return Ok(());
    };
    let _ = provider.set_nodelay(true);
    let (sender, connection) = client::conn::http1::handshake(TokioIo::new(provider)).await?;
    spawn_local(connection);
    let sender = RefCell::new(sender);
    http1::Builder::new()
        .serve_connection(TokioIo::new(caller), service_fn(|request| ask(&sender, request)))
        .await
}

/// Sends a request on. A caller's requests come one after the other, so the sender is never asked twice
/// at once.
fn ask(
    sender: &RefCell<SendRequest<Incoming>>,
    request: Request<Incoming>,
) -> impl Future<Output = hyper::Result<hyper::Response<Incoming>>> + use<> {
    sender.borrow_mut().send_request(request)
}
