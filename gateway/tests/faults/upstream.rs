//! Scripted upstreams on raw sockets, which do as their fault has it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::speech::Speech;

/// How an upstream fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Not at all.
    None,
    /// Nobody listens.
    Refused,
    /// The connection is reset instead of an answer.
    ResetAtOnce,
    /// Nothing comes.
    StallAtOnce,
    /// This status, with so many seconds in `retry-after`.
    Status(u16, Option<u32>),
    /// Success, and a body or an event that is cut JSON.
    NoJson,
    /// Success, and an end with nothing before it.
    NothingButTheEnd,
    /// Success, and a page for people.
    WrongType,
    /// Success, byte by byte, and too slowly to ever end.
    Drip,
    /// The same in the middle of the answer: behind half of its body or two of its pieces.
    ResetInside,
    StallInside,
    CutInside,
    NoJsonInside,
    DripInside,
    /// An error in the place of the rest.
    ErrorInside,
}

/// A running upstream.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
    /// A socket that does not listen.
    deaf: Option<TcpSocket>,
}

/// What an upstream speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wire {
    Chat,
    Responses,
    Messages,
}

/// What is done with a connection.
pub(crate) enum Step {
    Send(String),
    Drip(String),
    Pause,
    Stall,
    Reset,
    Close,
}

/// How long a reset waits for what was sent before to be read, which it would otherwise overtake.
const READ: Duration = Duration::from_millis(300);
/// How long a dripping upstream waits before each byte.
const DROP: Duration = Duration::from_millis(150);

// === impl Upstream ===

impl Upstream {
    pub(crate) fn start(fault: Fault) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let address = socket.local_addr().unwrap();
        let (connections, requests) =
            (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let mut upstream = Self {
            address,
            connections: connections.clone(),
            requests: requests.clone(),
            deaf: None,
        };
        if fault == Fault::Refused {
            // The port stays taken, so that nobody else is given it.
            upstream.deaf = Some(socket);
            return upstream;
        }
        let listener = socket.listen(64).unwrap();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(socket, fault, requests.clone()));
            }
        });
        upstream
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

async fn serve(mut socket: TcpStream, fault: Fault, requests: Arc<AtomicUsize>) {
    let Some((head, body)) = receive(&mut socket).await else { return };
    requests.fetch_add(1, Ordering::SeqCst);
    for step in Speech::answering(&head, &body).steps(fault) {
        match step {
            Step::Send(text) => {
                if socket.write_all(text.as_bytes()).await.is_err() {
                    return;
                }
            }
            Step::Drip(text) => {
                for byte in text.bytes() {
                    tokio::time::sleep(DROP).await;
                    if socket.write_all(&[byte]).await.is_err() {
                        return;
                    }
                }
            }
            // A read gives nothing once the other side has closed.
            Step::Stall => while socket.read(&mut [0; 64]).await.is_ok_and(|count| count > 0) {},
            Step::Pause => tokio::time::sleep(READ).await,
            Step::Reset => {
                socket.set_zero_linger().unwrap();
                return;
            }
            Step::Close => return,
        }
    }
}

async fn receive(socket: &mut TcpStream) -> Option<(String, Value)> {
    let mut read = Vec::new();
    let end = loop {
        if let Some(at) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        if socket.read_buf(&mut read).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(read[..end].to_vec()).unwrap().to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.map_or(0, |text| text.parse().unwrap());
    while read.len() < end + length {
        socket.read_buf(&mut read).await.ok()?;
    }
    Some((head, serde_json::from_slice(&read[end..end + length]).unwrap()))
}
