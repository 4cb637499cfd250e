//! Scripted upstreams on raw sockets: they speak as much HTTP as their fault leaves them.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// The pieces of the answer. A stream that breaks has said the first two.
pub(crate) const PIECES: [&str; 4] = ["The quick", " brown", " fox", " jumps."];

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

/// What an upstream says.
struct Speech {
    messages: bool,
    stream: bool,
    pieces: Vec<String>,
}

/// What is done with a connection.
enum Step {
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

// === impl Speech ===

impl Speech {
    /// The answer to a request. Where its last turn is the beginning of the answer, and it is asked to
    /// go on with it, the rest.
    fn answering(head: &str, body: &Value) -> Self {
        let messages = head.contains("/v1/messages");
        let last = body["messages"].as_array().and_then(|turns| turns.last());
        let last = last.filter(|turn| turn["role"] == "assistant");
        let whole = PIECES.concat();
        let pieces = match last.and_then(|turn| turn["content"].as_str()) {
            None => PIECES.map(str::to_owned).to_vec(),
            Some(begun) => {
                let open = body["continue_final_message"] == true
                    && body["add_generation_prompt"] == false;
                let rest = whole.strip_prefix(begun).filter(|_| open);
                rest.unwrap_or("(not asked to go on)")
                    .split_inclusive(' ')
                    .map(str::to_owned)
                    .collect()
            }
        };
        Self { messages, stream: body["stream"] == true, pieces }
    }

    fn steps(&self, fault: Fault) -> Vec<Step> {
        let send = |text: String| Step::Send(text);
        let error = json!({"type": "error", "error": {"type": "api_error", "message": "told by the upstream"}});
        match fault {
            Fault::None => vec![send(self.head() + &self.events(usize::MAX) + self.end())],
            Fault::Refused | Fault::ResetAtOnce => vec![Step::Reset],
            Fault::StallAtOnce => vec![Step::Stall],
            Fault::Status(status, wait) => {
                let wait = wait.map(|wait| format!("retry-after: {wait}\r\n")).unwrap_or_default();
                let kind = format!("{wait}content-type: application/json");
                vec![send(with_length(status, &kind, &error.to_string()))]
            }
            Fault::NoJson if self.stream => vec![send(self.head() + &chunk("data: {\"choi\n\n"))],
            Fault::NoJson => {
                vec![send(with_length(200, "content-type: application/json", "{\"choi"))]
            }
            Fault::NothingButTheEnd if self.stream => vec![send(self.head() + LAST_CHUNK)],
            Fault::NothingButTheEnd => {
                vec![send(with_length(200, "content-type: application/json", ""))]
            }
            Fault::WrongType => {
                vec![send(with_length(200, "content-type: text/html", "<html>Welcome</html>"))]
            }
            Fault::Drip => vec![send(self.head()), Step::Drip(self.events(usize::MAX))],
            Fault::ResetInside => vec![send(self.half()), Step::Pause, Step::Reset],
            Fault::StallInside => vec![send(self.half()), Step::Stall],
            Fault::CutInside if self.stream => vec![send(self.half() + LAST_CHUNK)],
            Fault::CutInside => vec![send(self.half()), Step::Close],
            Fault::NoJsonInside if self.stream => {
                vec![send(self.half() + &chunk("data: {\"choi\n\n") + LAST_CHUNK)]
            }
            Fault::NoJsonInside => {
                let half = &self.whole()[..self.whole().len() / 2];
                vec![send(with_length(200, "content-type: application/json", half))]
            }
            Fault::DripInside => vec![send(self.half()), Step::Drip(self.rest())],
            Fault::ErrorInside if self.stream => {
                vec![send(
                    self.half() + &chunk(&format!("event: error\ndata: {error}\n\n")) + LAST_CHUNK,
                )]
            }
            Fault::ErrorInside => {
                let told = error.to_string();
                vec![send(with_length(200, "content-type: application/json", &told))]
            }
        }
    }

    /// The head of a success whose body follows.
    fn head(&self) -> String {
        if self.stream {
            return "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n".to_owned();
        }
        let length = self.whole().len();
        format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
        )
    }

    /// The head and what comes before the fault.
    fn half(&self) -> String {
        self.head() + &self.events(2)
    }

    /// What comes behind that.
    fn rest(&self) -> String {
        self.events(usize::MAX)[self.events(2).len()..].to_owned()
    }

    fn end(&self) -> &'static str {
        if self.stream { LAST_CHUNK } else { "" }
    }

    /// The body up to behind so many pieces; of a whole answer half, or all.
    fn events(&self, pieces: usize) -> String {
        if !self.stream {
            let whole = self.whole();
            let length = if pieces == usize::MAX { whole.len() } else { whole.len() / 2 };
            return whole[..length].to_owned();
        }
        let events = if self.messages { self.messages() } else { self.chunks() };
        let told = events.iter().take(pieces.saturating_add(if self.messages { 2 } else { 1 }));
        told.map(|event| chunk(event)).collect()
    }

    fn whole(&self) -> String {
        let text = self.pieces.concat();
        let answer = if self.messages {
            json!({"id": "msg_up", "type": "message", "role": "assistant", "model": "up", "stop_reason": "end_turn",
                "content": [{"type": "text", "text": text}], "usage": {"input_tokens": 10, "output_tokens": 4}})
        } else {
            json!({"id": "up", "object": "chat.completion", "created": 1, "model": "up", "choices": [{"index": 0,
                "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}], "usage": self.usage()})
        };
        answer.to_string()
    }

    fn usage(&self) -> Value {
        let count = self.pieces.len();
        json!({"prompt_tokens": 10, "completion_tokens": count, "total_tokens": 10 + count})
    }

    /// The events of a streamed chat completion; the first one says who speaks.
    fn chunks(&self) -> Vec<String> {
        let chunk = |choices: Value| json!({"id": "up", "object": "chat.completion.chunk", "created": 1, "model": "up", "choices": choices});
        let delta = |delta: Value, finish: Value| {
            chunk(json!([{"index": 0, "delta": delta, "finish_reason": finish}]))
        };
        let mut chunks = vec![delta(json!({"role": "assistant", "content": ""}), Value::Null)];
        chunks
            .extend(self.pieces.iter().map(|piece| delta(json!({"content": piece}), Value::Null)));
        chunks.push(delta(json!({}), "stop".into()));
        let mut last = chunk(json!([]));
        last["usage"] = self.usage();
        chunks.push(last);
        let mut events: Vec<_> = chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect();
        events.push("data: [DONE]\n\n".to_owned());
        events
    }

    /// The events of a streamed message; the first two begin it and its text.
    fn messages(&self) -> Vec<String> {
        let mut events = vec![
            json!({"type": "message_start", "message": {"id": "msg_up", "type": "message", "role": "assistant",
                "model": "up", "content": [], "stop_reason": null, "usage": {"input_tokens": 10, "output_tokens": 1}}}),
            json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        ];
        events.extend(self.pieces.iter().map(|piece| {
            json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}})
        }));
        events.extend([
            json!({"type": "content_block_stop", "index": 0}),
            json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 4}}),
            json!({"type": "message_stop"}),
        ]);
        let event =
            |data: &Value| format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap());
        events.iter().map(event).collect()
    }
}

/// The end of a chunked body.
const LAST_CHUNK: &str = "0\r\n\r\n";

fn chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}

fn with_length(status: u16, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status} X\r\n{headers}\r\ncontent-length: {length}\r\n\r\n{body}")
}
