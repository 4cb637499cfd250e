//! A scripted HTTP/1.1 server: it says exactly what a test tells it to, and reports what it was sent.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use isthmus_adapters::adapter::{Adapter, Answer, Attempt, Piece, Timeouts};
use isthmus_adapters::dialects;
use isthmus_adapters::registry;
use isthmus_adapters::settings::AccountSettings;
use isthmus_inference::failure::Failure;
use isthmus_inference::request::Operation;
use isthmus_inference::secret::Secret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};

/// The credential of all test accounts.
pub(crate) const KEY: &str = "sk-a-test-key";

/// Limits that no healthy loopback call meets.
pub(crate) const LIMITS: Timeouts = Timeouts {
    connect: Duration::from_secs(5),
    first_byte: Duration::from_secs(30),
    between_chunks: Duration::from_secs(30),
    total: Duration::from_secs(60),
};

/// What the upstream does next.
pub(crate) enum Step {
    /// Writes these bytes, at once and by themselves.
    Send(Bytes),
    /// Waits for a test's word.
    Await(Arc<Notify>),
    /// Says nothing more until the client leaves.
    Stall,
    /// Closes the connection.
    Close,
}

/// A request as it arrived.
#[derive(Debug)]
pub(crate) struct Seen {
    /// Like `POST /v1/chat/completions`.
    pub(crate) line: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
}

/// A server that follows a script.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    seen: mpsc::UnboundedReceiver<Seen>,
    left: mpsc::UnboundedReceiver<()>,
    connections: Arc<AtomicUsize>,
}

/// How each request is answered.
type Script = dyn Fn(&Seen) -> Vec<Step> + Send + Sync;

// === impl Upstream ===

impl Upstream {
    /// Starts a server on a free port.
    pub(crate) async fn start(script: impl Fn(&Seen) -> Vec<Step> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (tell_seen, seen) = mpsc::unbounded_channel();
        let (tell_left, left) = mpsc::unbounded_channel();
        let connections = Arc::new(AtomicUsize::new(0));
        let (script, count): (Arc<Script>, _) = (Arc::new(script), connections.clone());
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(socket, script.clone(), tell_seen.clone(), tell_left.clone()));
            }
        });
        Self { address, seen, left, connections }
    }

    /// An account of this kind that calls this server.
    pub(crate) fn account(&self, kind: &str) -> Arc<dyn Adapter> {
        self.try_account(kind, &[]).unwrap()
    }

    /// The same with headers of the operator's own.
    pub(crate) fn try_account(
        &self,
        kind: &str,
        headers: &[(&str, &str)],
    ) -> Result<Arc<dyn Adapter>, registry::BuildError> {
        let kind = registry::find(kind).expect("the kind is registered");
        let settings = AccountSettings {
            base_url: Some(format!("http://{}/v1", self.address)),
            api_key: Some(Secret::from(KEY)),
            headers: headers.iter().map(|(n, v)| ((*n).to_owned(), Secret::from(*v))).collect(),
            ..AccountSettings::new(kind)
        };
        (kind.build)(&settings)
    }

    /// An account of this kind with these options, at this server's origin.
    pub(crate) fn account_with(
        &self,
        kind: &str,
        options: &[(&'static str, &str)],
    ) -> Arc<dyn Adapter> {
        let kind = registry::find(kind).expect("the kind is registered");
        let options = options.iter().map(|(name, value)| (*name, Secret::from(*value)));
        let settings = AccountSettings {
            base_url: Some(format!("http://{}", self.address)),
            api_key: Some(Secret::from(KEY)),
            options: options.collect(),
            ..AccountSettings::new(kind)
        };
        (kind.build)(&settings).unwrap()
    }

    /// The next request.
    pub(crate) async fn next_seen(&mut self) -> Seen {
        self.seen.recv().await.expect("the server runs")
    }

    /// Waits for a client to leave while the server is stalling.
    pub(crate) async fn client_left(&mut self) {
        self.left.recv().await.expect("the server runs");
    }

    /// How many connections were made so far.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Seen {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

async fn serve(
    mut socket: TcpStream,
    script: Arc<Script>,
    seen: mpsc::UnboundedSender<Seen>,
    left: mpsc::UnboundedSender<()>,
) {
    let mut buffer = Vec::new();
    while let Some(request) = receive(&mut socket, &mut buffer).await {
        let steps = script(&request);
        let _ = seen.send(request);
        for step in steps {
            match step {
                Step::Send(bytes) => {
                    if socket.write_all(&bytes).await.is_err() {
                        return;
                    }
                }
                Step::Await(word) => word.notified().await,
                Step::Close => return,
                Step::Stall => {
                    // A read gives nothing (or an error) once the other side has closed.
                    while socket.read(&mut [0; 64]).await.is_ok_and(|count| count > 0) {}
                    let _ = left.send(());
                    return;
                }
            }
        }
    }
}

async fn receive(socket: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Seen> {
    let head_end = loop {
        if let Some(at) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        if socket.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(buffer[..head_end].to_vec()).unwrap();
    let mut lines = head.trim_end().split("\r\n");
    let line = lines.next()?.trim_end_matches(" HTTP/1.1").to_owned();
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let mut seen = Seen { line, headers, body: Bytes::new() };
    let length: usize = seen.header("content-length").map_or(0, |text| text.parse().unwrap());
    while buffer.len() < head_end + length {
        socket.read_buf(buffer).await.ok()?;
    }
    seen.body = Bytes::copy_from_slice(&buffer[head_end..head_end + length]);
    buffer.drain(..head_end + length);
    Some(seen)
}

// === scripts ===

/// A whole answer.
pub(crate) fn whole(status: u16, headers: &str, body: &str) -> Vec<Step> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n{headers}\r\n");
    vec![Step::Send((head + body).into())]
}

/// A whole JSON answer.
pub(crate) fn json(status: u16, body: &str) -> Vec<Step> {
    whole(status, "content-type: application/json\r\nx-request-id: up-1\r\n", body)
}

/// The head of a chunked answer of this type.
pub(crate) fn head(content_type: &str) -> Step {
    Step::Send(
        format!(
            "HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ntransfer-encoding: chunked\r\n\
             x-request-id: up-1\r\n\r\n"
        )
        .into(),
    )
}

/// One chunk of a chunked answer.
pub(crate) fn chunk(bytes: &[u8]) -> Step {
    let mut framed = format!("{:x}\r\n", bytes.len()).into_bytes();
    framed.extend_from_slice(bytes);
    framed.extend_from_slice(b"\r\n");
    Step::Send(framed.into())
}

/// The end of a chunked answer.
pub(crate) fn last_chunk() -> Step {
    Step::Send(Bytes::from_static(b"0\r\n\r\n"))
}

/// A whole event stream in these chunks.
pub(crate) fn stream(chunks: &[&str]) -> Vec<Step> {
    let mut steps = vec![head("text/event-stream")];
    steps.extend(chunks.iter().map(|text| chunk(text.as_bytes())));
    steps.push(last_chunk());
    steps
}

// === calling ===

/// An attempt with this body at the model `upstream-model`.
pub(crate) fn attempt(operation: Operation, body: &str) -> Attempt {
    attempt_within(operation, body, LIMITS)
}

/// The same within these limits.
pub(crate) fn attempt_within(operation: Operation, body: &str, timeouts: Timeouts) -> Attempt {
    let request =
        dialects::openai_request::decode(operation, Bytes::copy_from_slice(body.as_bytes()))
            .unwrap();
    Attempt {
        request: Arc::new(request),
        model: "upstream-model".into(),
        reasons: false,
        timeouts,
        beginning: None,
    }
}

/// A short chat request, streamed or not.
pub(crate) fn chat(stream: bool) -> Attempt {
    let body = format!(
        r#"{{"model":"m","stream":{stream},"messages":[{{"role":"user","content":"hi"}}]}}"#
    );
    attempt(Operation::Chat, &body)
}

/// The pieces of a streamed answer, and the failure that ended it, if one did.
pub(crate) async fn pieces(answer: Result<Answer, Failure>) -> (Vec<Piece>, Option<Failure>) {
    let Answer::Stream(mut stream) = answer.unwrap() else { panic!("a stream was asked for") };
    let mut pieces = Vec::new();
    while let Some(piece) = stream.pieces.next().await {
        match piece {
            Ok(piece) => pieces.push(piece),
            Err(failure) => return (pieces, Some(failure)),
        }
    }
    (pieces, None)
}

/// The failure of a call, whether it came at once or in the stream.
pub(crate) async fn failure(answer: Result<Answer, Failure>) -> Failure {
    match answer {
        Err(failure) => failure,
        answer => pieces(answer).await.1.expect("the stream must fail"),
    }
}
