//! An upstream that speaks OpenAI chat, and as streams Anthropic's, Gemini's and Bedrock's languages,
//! and thinks as long as it is told to.
//!
//! It answers from bytes prepared before the first request, so that it is never what limits a run.

pub mod answers;
mod languages;
mod recital;
pub mod script;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Either, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::fault::{Doing, Fault};
use answers::Answers;
use languages::Language;
use recital::Recital;
use script::{Dice, Script};

/// A running mock; it stops when this is dropped.
#[derive(Debug)]
pub struct Mock {
    address: SocketAddr,
    task: JoinHandle<()>,
}

/// What all connections of a mock share.
struct Upstream {
    script: Script,
    answers: Answers,
    dice: Dice,
}

type Reply = Response<Either<Full<Bytes>, Recital>>;

// === impl Mock ===

impl Mock {
    /// Listens and answers from now on.
    pub async fn start(listen: SocketAddr, script: Script) -> Result<Self, Fault> {
        let listener = TcpListener::bind(listen).await.doing(|| format!("listen on `{listen}`"))?;
        let address = listener.local_addr().doing(|| format!("listen on `{listen}`"))?;
        let answers = Answers::prepare(&script);
        let upstream = Arc::new(Upstream { script, answers, dice: Dice::default() });
        Ok(Self { address, task: tokio::spawn(accept(listener, upstream)) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Mock {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, upstream: Arc<Upstream>) {
    loop {
        // A connection that cannot be accepted is the caller's failure, and it will count it.
        if let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(serve(socket, Arc::clone(&upstream)));
        }
    }
}

async fn serve(socket: TcpStream, upstream: Arc<Upstream>) {
    // Without this each delta would wait for the acknowledgement of the one before it.
    if socket.set_nodelay(true).is_err() {
        return;
    }
    let service = service_fn(|request| {
        let upstream = Arc::clone(&upstream);
        async move { Ok::<_, Infallible>(upstream.answer(request).await) }
    });
    let connection =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service);
    // A caller that leaves, and a stream that the script cuts, both end here as an error.
    let _ = connection.await;
}

// === impl Upstream ===

impl Upstream {
    async fn answer(&self, request: Request<Incoming>) -> Reply {
        let (head, body) = request.into_parts();
        if head.method != Method::POST {
            return json(StatusCode::OK, self.answers.models.clone());
        }
        let Ok(body) = body.collect().await else {
            return json(StatusCode::BAD_REQUEST, self.answers.failure.clone());
        };
        if self.dice.falls_within(self.script.failure_rate) {
            return json(StatusCode::INTERNAL_SERVER_ERROR, self.answers.failure.clone());
        }
        let body = body.to_bytes();
        let language = Language::at(head.uri.path());
        let by_path = language.and_then(|(_, streamed)| streamed);
        if !by_path.unwrap_or_else(|| says_true(&body, b"\"stream\"")) {
            if language.is_some() {
                return json(StatusCode::NOT_IMPLEMENTED, self.answers.failure.clone());
            }
            let thinking = self.script.first_token(&self.dice);
            // tokio rounds even a sleep of nothing up to its next millisecond.
            if !thinking.is_zero() {
                tokio::time::sleep(thinking).await;
            }
            return json(StatusCode::OK, self.answers.whole.clone());
        }
        let stream = match language.and_then(|(of, _)| self.answers.in_language(of)) {
            Some(stream) => stream,
            None if says_true(&body, b"\"include_usage\"") => {
                Arc::clone(&self.answers.stream_with_usage)
            }
            None => Arc::clone(&self.answers.stream),
        };
        let content_type = stream.content_type;
        let recital = Recital::begin(stream, &self.script, &self.dice);
        reply(StatusCode::OK, content_type, Either::Right(recital))
    }
}

fn json(status: StatusCode, body: Bytes) -> Reply {
    reply(status, "application/json", Either::Left(Full::new(body)))
}

fn reply(status: StatusCode, kind: &'static str, body: Either<Full<Bytes>, Recital>) -> Reply {
    let mut reply = Response::new(body);
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    reply
}

/// Whether the body has the quoted key with the value `true`. Inside a string the quotation marks
/// would be escaped, so a search is as exact as a parse, and many times cheaper.
fn says_true(body: &[u8], quoted_key: &[u8]) -> bool {
    memchr::memmem::find_iter(body, quoted_key).any(|start| {
        let rest = body[start + quoted_key.len()..].trim_ascii_start();
        rest.strip_prefix(b":").is_some_and(|value| value.trim_ascii_start().starts_with(b"true"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_real_key_is_found() {
        for (body, expected) in [
            (r#"{"stream":true}"#, true),
            (r#"{"stream" : true}"#, true),
            (r#"{"stream":false}"#, false),
            (r#"{"stream_options":true}"#, false),
            (r#"{"content":"say \"stream\":true"}"#, false),
            (r#"{"content":"\"stream\":true","stream":true}"#, true),
        ] {
            assert_eq!(says_true(body.as_bytes(), b"\"stream\""), expected, "{body}");
        }
    }
}
