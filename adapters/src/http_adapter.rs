//! An account at a provider that speaks OpenAI's language over HTTP.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, Stream, StreamExt};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use isthmus_inference::failure::{Failure, Kind};
use isthmus_inference::request::{Operation, Request};
use isthmus_inference::usage::Usage;

use crate::adapter::{Adapter, Answer, AnswerStream, Attempt, Content, Piece, Timeouts, Whole};
use crate::auth::{Authorise, Outgoing};
use crate::dialects::openai_models::decode_models;
use crate::dialects::openai_relay::Relay;
use crate::dialects::openai_request::{Quirks, choices, rewrite};
use crate::dialects::{openai_error, openai_usage};
use crate::http_client::{self, Body, Incoming, Target};
use crate::registry::BuildError;
use crate::settings::AccountSettings;
use crate::timeouts::{Deadlines, Paced};

mod secrets;

use secrets::Secrets;

/// How one provider's OpenAI-shaped API differs from the usual.
#[derive(Debug, Clone, Copy)]
pub struct Wire {
    /// How the credential is shown.
    pub auth: Auth,
    /// What is appended to the base URL for the list of models.
    pub models_path: &'static str,
    /// What is appended to the base URL for embeddings.
    pub embeddings_path: &'static str,
    /// What must be sent otherwise than the caller wrote it.
    pub quirks: Quirks,
}

/// How a credential is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// `authorization: Bearer …`
    Bearer,
    /// A header of the provider's own, which holds the credential alone.
    Header(&'static str),
}

/// One account, ready to be called.
struct HttpAdapter {
    chat: Target,
    completions: Target,
    embeddings: Target,
    models: Target,
    /// Sent with every call, credential included.
    headers: HeaderMap,
    /// Signs each call, where a fixed header will not do.
    signer: Option<Arc<dyn Authorise>>,
    /// To be struck out of whatever the provider repeats of it.
    secrets: Secrets,
    quirks: Quirks,
}

/// The largest whole answer: thousands of embeddings fit.
const LARGEST_ANSWER: usize = 64 << 20;
/// How much of an error's body is read.
const LARGEST_ERROR: usize = 64 << 10;
/// How long an error's body is awaited: its status alone is enough to try elsewhere.
const ERROR_BODY: Duration = Duration::from_secs(2);
/// How long the rest of a finished stream is awaited, so that its connection can be used again.
const LAST_BYTES: Duration = Duration::from_secs(1);
/// A list of models is asked for on the operator's behalf, without an attempt's limits.
const LISTING: Timeouts = Timeouts {
    connect: Duration::from_secs(5),
    first_byte: Duration::from_secs(15),
    between_chunks: Duration::from_secs(15),
    total: Duration::from_secs(30),
};
/// Headers in which providers name an exchange; the last is AkashML's.
const REQUEST_ID_HEADERS: [&str; 3] = ["x-request-id", "request-id", "inference-id"];

/// Makes the adapter of an account at a provider with this wire.
pub fn build(settings: &AccountSettings, wire: &Wire) -> Result<Arc<dyn Adapter>, BuildError> {
    let kind = settings.kind;
    if settings.api_key.is_none() && !kind.key_optional {
        return Err(BuildError(format!("a provider of kind `{}` needs an `api_key`", kind.kind)));
    }
    build_signed(settings, wire, None)
}

/// The same, with each call signed.
pub fn build_signed(
    settings: &AccountSettings,
    wire: &Wire,
    signer: Option<Arc<dyn Authorise>>,
) -> Result<Arc<dyn Adapter>, BuildError> {
    let kind = settings.kind;
    let base = settings.base_url.as_deref().or(kind.base_url);
    let base = base.ok_or_else(|| {
        BuildError(format!("a provider of kind `{}` needs a `base_url`", kind.kind))
    })?;
    let target = |path: &str| {
        Target::new(base, path).map_err(|error| BuildError(format!("`base_url`: {error}")))
    };
    let named = settings.headers.iter().map(|(_, value)| value);
    Ok(Arc::new(HttpAdapter {
        chat: target("/chat/completions")?,
        completions: target("/completions")?,
        embeddings: target(wire.embeddings_path)?,
        models: target(wire.models_path)?,
        headers: headers(settings, wire.auth)?,
        signer,
        secrets: Secrets::new(settings.api_key.iter().chain(named)),
        quirks: wire.quirks,
    }))
}

/// The headers of every call: the operator's own win over the usual ones.
fn headers(settings: &AccountSettings, auth: Auth) -> Result<HeaderMap, BuildError> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(key) = &settings.api_key {
        let (name, value) = match auth {
            Auth::Bearer => (AUTHORIZATION, format!("Bearer {}", key.expose())),
            Auth::Header(name) => (HeaderName::from_static(name), key.expose().to_owned()),
        };
        headers.insert(name, sensitive("`api_key`", &value)?);
    }
    for (name, value) in &settings.headers {
        let header = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| BuildError(format!("`headers`: `{name}` is not a header's name")))?;
        headers.insert(header, sensitive(&format!("header `{name}`"), value.expose())?);
    }
    Ok(headers)
}

/// A header's value that no log shows.
fn sensitive(what: &str, text: &str) -> Result<HeaderValue, BuildError> {
    let mut value = HeaderValue::from_str(text).map_err(|_| {
        BuildError(format!("the value of {what} has characters that no header can hold"))
    })?;
    value.set_sensitive(true);
    Ok(value)
}

// === impl HttpAdapter ===

impl Adapter for HttpAdapter {
    fn call(&self, attempt: Attempt) -> BoxFuture<'_, Result<Answer, Failure>> {
        self.attempt(attempt).boxed()
    }

    fn models(&self) -> BoxFuture<'_, Result<Vec<String>, Failure>> {
        async {
            let deadlines = Deadlines::from_now(&LISTING);
            let (body, _) =
                self.whole(Method::GET, &self.models, Bytes::new(), &LISTING, deadlines).await?;
            decode_models(&body)
        }
        .boxed()
    }
}

impl HttpAdapter {
    async fn attempt(&self, attempt: Attempt) -> Result<Answer, Failure> {
        let request = &attempt.request;
        let limits = limits(&attempt);
        let deadlines = Deadlines::from_now(&limits);
        let body = rewrite(request, &attempt.model, &self.quirks);
        let target = match request.operation {
            Operation::Chat => &self.chat,
            Operation::Completion => &self.completions,
            Operation::Embedding => &self.embeddings,
        };
        if request.stream {
            let relay = Relay::new(choices(request));
            let stream = self.stream(target, body, &limits, deadlines, relay).await?;
            return Ok(Answer::Stream(stream));
        }
        let (answer, upstream_request_id) =
            self.whole(Method::POST, target, body, &limits, deadlines).await?;
        let usage = openai_usage::read_answer(&answer)
            .map_err(|failure| self.secrets.strike_failure(failure))?
            .unwrap_or_else(|| estimate(request, answer.len()));
        Ok(Answer::Whole(Whole { content: Content::Relay(answer), usage, upstream_request_id }))
    }

    /// Calls, and reads the whole answer.
    async fn whole(
        &self,
        method: Method,
        target: &Target,
        body: Bytes,
        limits: &Timeouts,
        deadlines: Deadlines,
    ) -> Result<(Bytes, Option<String>), Failure> {
        let incoming = self.send(method, target, body, limits, deadlines).await?;
        let request_id = request_id(&incoming.headers);
        let mut body = Paced::new(incoming.body, deadlines);
        Ok((collect(&mut body).await?, request_id))
    }

    /// Calls, and watches the answer while it streams.
    async fn stream(
        &self,
        target: &Target,
        body: Bytes,
        limits: &Timeouts,
        deadlines: Deadlines,
        relay: Relay,
    ) -> Result<AnswerStream, Failure> {
        let incoming = self.send(Method::POST, target, body, limits, deadlines).await?;
        let upstream_request_id = request_id(&incoming.headers);
        if let Some(kind) = no_event_stream(&incoming.headers) {
            return Err(self.not_a_stream(kind, incoming, deadlines).await);
        }
        let pieces = Pieces {
            chunks: Some(Paced::new(incoming.body, deadlines)),
            relay,
            failure: None,
            secrets: self.secrets.clone(),
        };
        Ok(AnswerStream { pieces: pieces.boxed(), upstream_request_id })
    }

    /// Sends, and turns an error's status into the failure that it is.
    async fn send(
        &self,
        method: Method,
        target: &Target,
        body: Bytes,
        limits: &Timeouts,
        deadlines: Deadlines,
    ) -> Result<Incoming, Failure> {
        let mut headers = self.headers.clone();
        if let Some(signer) = &self.signer {
            let (headers, url) = (&mut headers, target.as_str());
            let outgoing = Outgoing { method: &method, url, headers, body: &body };
            deadlines.first_byte(signer.authorise(outgoing)).await??;
        }
        let sending = http_client::send(method, target, headers, body, limits.connect);
        let incoming = deadlines.first_byte(sending).await??;
        if incoming.status.is_success() {
            return Ok(incoming);
        }
        let Incoming { status, headers, body } = incoming;
        let body = self.secrets.strike_body(error_body(body, deadlines).await);
        let (request_id, now) = (request_id(&headers), SystemTime::now());
        Err(openai_error::from_response(status, &headers, body, request_id, now))
    }

    /// The failure of an upstream that answers a wish for a stream with something else.
    async fn not_a_stream(&self, kind: String, incoming: Incoming, limits: Deadlines) -> Failure {
        let body = self.secrets.strike_body(error_body(incoming.body, limits).await);
        if let Err(failure) = openai_usage::read_answer(&body)
            && failure.upstream.is_some()
        {
            return failure;
        }
        let message = "the provider's answer is not the event stream that was asked for";
        let detail = format!("it sent `{kind}`: {}", openai_error::class(&body));
        Failure::new(Kind::Malformed, message).with_detail(detail)
    }
}

/// How long the phases of an attempt may take. A whole answer begins only when all of it is written,
/// so it may take as long to begin as to end.
fn limits(attempt: &Attempt) -> Timeouts {
    let limits = attempt.timeouts;
    if attempt.request.stream { limits } else { Timeouts { first_byte: limits.total, ..limits } }
}

/// A rough count for an answer that tells none. Vectors are no tokens.
fn estimate(request: &Request, answer: usize) -> Usage {
    let output = if request.operation == Operation::Embedding { 0 } else { answer };
    openai_usage::estimate(request.body.len(), output)
}

fn request_id(headers: &HeaderMap) -> Option<String> {
    let value = REQUEST_ID_HEADERS.iter().find_map(|name| headers.get(*name))?;
    value.to_str().ok().map(str::to_owned)
}

/// The content type of an answer that is certainly no event stream. Servers that forget to name the
/// type, or call it plain text, are given the benefit of the doubt.
fn no_event_stream(headers: &HeaderMap) -> Option<String> {
    let kind = headers.get(CONTENT_TYPE)?.to_str().ok()?.trim().to_ascii_lowercase();
    (kind.starts_with("application/json") || kind.starts_with("text/html")).then_some(kind)
}

// === reading a body ===

/// A whole answer.
pub(crate) async fn collect(body: &mut Paced<Body>) -> Result<Bytes, Failure> {
    let Some(first) = body.next().await.transpose()? else { return Ok(Bytes::new()) };
    // Most answers come in one piece, which is passed on as it is.
    let Some(mut chunk) = body.next().await.transpose()? else { return Ok(first) };
    let mut gathered = BytesMut::from(first);
    loop {
        if gathered.len() + chunk.len() > LARGEST_ANSWER {
            let message = "the provider's answer is too large to relay";
            let detail = format!("it is longer than {LARGEST_ANSWER} bytes");
            return Err(Failure::new(Kind::Malformed, message).with_detail(detail));
        }
        gathered.extend_from_slice(&chunk);
        match body.next().await.transpose()? {
            Some(next) => chunk = next,
            None => return Ok(gathered.freeze()),
        }
    }
}

/// As much of an error's body as comes soon; the status alone says enough where nothing does.
pub(crate) async fn error_body(body: Body, deadlines: Deadlines) -> Bytes {
    let mut body = Paced::new(body, deadlines);
    let mut gathered = BytesMut::new();
    let reading = async {
        while let Some(Ok(chunk)) = body.next().await {
            let room = LARGEST_ERROR - gathered.len();
            gathered.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if gathered.len() == LARGEST_ERROR {
                break;
            }
        }
    };
    // What came by then is kept.
    let _ = tokio::time::timeout(ERROR_BODY, reading).await;
    gathered.freeze()
}

// === Pieces ===

/// A streamed answer on its way from the network to the caller.
struct Pieces {
    /// `None` once nothing more is wanted.
    chunks: Option<Paced<Body>>,
    relay: Relay,
    /// What ends the stream after the pieces that came before it.
    failure: Option<Failure>,
    secrets: Secrets,
}

impl Stream for Pieces {
    type Item = Result<Piece, Failure>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(piece) = self.relay.next_piece() {
                return Poll::Ready(Some(Ok(piece)));
            }
            if let Some(failure) = self.failure.take() {
                return Poll::Ready(Some(Err(self.secrets.strike_failure(failure))));
            }
            let Some(chunks) = &mut self.chunks else { return Poll::Ready(None) };
            let outcome = match ready!(chunks.poll_next_unpin(context)) {
                Some(chunk) => chunk.and_then(|chunk| self.relay.push(chunk)),
                None => self.relay.end(),
            };
            self.failure = outcome.err();
            if self.failure.is_some() {
                self.chunks = None;
            } else if self.relay.is_over() {
                finish(self.chunks.take(), context);
            }
        }
    }
}

/// Lets the last bytes of a finished answer come in. Without them (the end mark of a chunked body)
/// HTTP/1 has to close the connection instead of using it again.
fn finish(chunks: Option<Paced<Body>>, context: &mut Context<'_>) {
    let Some(mut chunks) = chunks else { return };
    if chunks.poll_next_unpin(context).is_ready() {
        return;
    }
    let rest = async move { while let Some(Ok(_)) = chunks.next().await {} };
    tokio::spawn(tokio::time::timeout(LAST_BYTES, rest));
}
