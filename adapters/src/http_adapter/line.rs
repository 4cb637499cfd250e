//! The line to one account: its credential, its headers, and how a call goes out and an answer comes in.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use futures_util::{FutureExt, StreamExt};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use isthmus_inference::failure::{Failure, Kind};

use super::secrets::Secrets;
use crate::adapter::Timeouts;
use crate::auth::{self, Authorise};
use crate::dialect::{Encoded, Refused};
use crate::dialects::openai_error;
use crate::http_client::{self, Body, Incoming, Target};
use crate::registry::BuildError;
use crate::settings::AccountSettings;
use crate::timeouts::{Deadlines, Paced};

/// How a credential is shown.
#[derive(Clone)]
pub enum Auth {
    /// `authorization: Bearer …`
    Bearer,
    /// A header of the provider's own, which holds the credential alone.
    Header(&'static str),
    /// Each call for itself: a signature, or a token that is renewed.
    Each(Arc<dyn Authorise>),
}

/// The line to one account.
pub(crate) struct Line {
    /// Sent with every call, with a credential that stays the same.
    headers: HeaderMap,
    /// The credential that does not.
    each: Option<Arc<dyn Authorise>>,
    /// To be struck out of whatever the provider repeats of it.
    secrets: Secrets,
}

/// A call on its way out.
pub(crate) struct Outgoing<'a> {
    pub(crate) method: Method,
    pub(crate) target: &'a Target,
    pub(crate) encoded: Encoded,
    pub(crate) limits: &'a Timeouts,
    pub(crate) deadlines: Deadlines,
}

/// A whole answer.
pub(crate) struct ToldWhole {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) request_id: Option<String>,
}

/// The largest whole answer: thousands of embeddings fit.
const LARGEST_ANSWER: usize = 64 << 20;
/// How much of an error's body is read.
const LARGEST_ERROR: usize = 64 << 10;
/// How long an error's body is awaited: its status alone is enough to try elsewhere.
const ERROR_BODY: Duration = Duration::from_secs(2);
/// Headers in which providers name an exchange: OpenAI's and most others', Anthropic's, AkashML's,
/// AWS's, Azure's, Mistral's, Chutes's, LiteLLM's (FLock).
static REQUEST_ID_HEADERS: [HeaderName; 8] = [
    HeaderName::from_static("x-request-id"),
    HeaderName::from_static("request-id"),
    HeaderName::from_static("inference-id"),
    HeaderName::from_static("x-amzn-requestid"),
    HeaderName::from_static("apim-request-id"),
    HeaderName::from_static("mistral-correlation-id"),
    HeaderName::from_static("x-chutes-invocationid"),
    HeaderName::from_static("x-litellm-call-id"),
];

// === impl Outgoing ===

impl<'a> Outgoing<'a> {
    /// A call that begins now.
    pub(crate) fn post(target: &'a Target, encoded: Encoded, limits: &'a Timeouts) -> Self {
        let deadlines = Deadlines::from_now(limits);
        Self { method: Method::POST, target, encoded, limits, deadlines }
    }
}

// === impl Line ===

impl Line {
    /// The line to an account; its credential and headers are checked. `usual` are the headers of
    /// every call of its kind.
    pub(crate) fn new(
        settings: &AccountSettings,
        auth: &Auth,
        usual: HeaderMap,
    ) -> Result<Self, BuildError> {
        let kind = settings.kind;
        let each = match auth {
            Auth::Each(authorise) => Some(Arc::clone(authorise)),
            Auth::Bearer | Auth::Header(_) => None,
        };
        if settings.api_key.is_none() && !kind.key_optional && each.is_none() {
            return Err(BuildError(format!(
                "a provider of kind `{}` needs an `api_key`",
                kind.kind
            )));
        }
        let named = settings.headers.iter().map(|(_, value)| value);
        let secrets = Secrets::new(settings.api_key.iter().chain(named));
        Ok(Self { headers: headers(settings, auth, usual)?, each, secrets })
    }

    /// What is struck out of the provider's words, as of now.
    pub(super) fn secrets(&self) -> Secrets {
        match &self.each {
            Some(each) => self.secrets.and(each.secrets()),
            None => self.secrets.clone(),
        }
    }

    /// Calls, and reads the whole answer.
    pub(crate) async fn whole(
        &self,
        outgoing: Outgoing<'_>,
        refused: impl FnOnce(Refused<'_>) -> Failure,
    ) -> Result<ToldWhole, Failure> {
        let deadlines = outgoing.deadlines;
        let incoming = self.send(outgoing, refused).await?;
        let request_id = request_id(&incoming.headers);
        let mut body = Paced::new(incoming.body, deadlines);
        Ok(ToldWhole { body: collect(&mut body).await?, headers: incoming.headers, request_id })
    }

    /// Calls, and hands over the body of an answer that streams.
    pub(super) async fn stream(
        &self,
        outgoing: Outgoing<'_>,
        refused: &(dyn Fn(Refused<'_>) -> Failure + Sync),
    ) -> Result<(Body, Option<String>), Failure> {
        let deadlines = outgoing.deadlines;
        let incoming = self.send(outgoing, refused).await?;
        let request_id = request_id(&incoming.headers);
        let Some(kind) = no_event_stream(&incoming.headers) else {
            return Ok((incoming.body, request_id));
        };
        // Some name the wrong type: the first byte tells an answer's object from an event.
        let Incoming { status, headers, mut body } = incoming;
        let first = deadlines.first_byte(body.next()).await?.transpose()?.unwrap_or_default();
        let begins = first.trim_ascii_start().first();
        let body = body.behind(first.clone());
        if matches!(begins, None | Some(b'{' | b'[' | b'<' | b'"')) {
            let incoming = Incoming { status, headers, body };
            // Boxed, as all that is rare: a future is as large as its largest branch.
            return Err(self.not_a_stream(&kind, incoming, deadlines, refused).boxed().await);
        }
        Ok((body, request_id))
    }

    /// Sends, and turns an error's status into the failure that it is.
    pub(crate) async fn send(
        &self,
        outgoing: Outgoing<'_>,
        refused: impl FnOnce(Refused<'_>) -> Failure,
    ) -> Result<Incoming, Failure> {
        let Outgoing { method, target, encoded, limits, deadlines } = outgoing;
        let mut headers = self.headers.clone();
        headers.extend(encoded.headers);
        if let Some(each) = &self.each {
            let (method, body) = (&method, &encoded.body);
            let signed =
                auth::Outgoing { method, url: target.as_str(), headers: &mut headers, body };
            deadlines.first_byte(each.authorise(signed)).await??;
        }
        let sending = http_client::send(method, target, headers, encoded.body, limits.connect);
        let incoming = deadlines.first_byte(sending).await??;
        if incoming.status.is_success() {
            return Ok(incoming);
        }
        if let (Some(each), 401 | 403) = (&self.each, incoming.status.as_u16()) {
            each.refused();
        }
        let Incoming { status, headers, body } = incoming;
        let body = self.secrets().strike_body(error_body(body, deadlines).boxed().await);
        let (request_id, now) = (request_id(&headers), SystemTime::now());
        Err(refused(Refused { status, headers: &headers, body, request_id, now }))
    }

    /// The failure of an upstream that answers a wish for a stream with something else: an error with
    /// a status of success, or no answer at all.
    async fn not_a_stream(
        &self,
        kind: &str,
        incoming: Incoming,
        deadlines: Deadlines,
        refused: &(dyn Fn(Refused<'_>) -> Failure + Sync),
    ) -> Failure {
        let Incoming { status, headers, body } = incoming;
        let body = self.secrets().strike_body(error_body(body, deadlines).await);
        if let Some(told) = openai_error::told_status(&body) {
            let (request_id, now) = (request_id(&headers), SystemTime::now());
            let status = http::StatusCode::from_u16(told).unwrap_or(status);
            return refused(Refused { status, headers: &headers, body, request_id, now });
        }
        let message = "the provider's answer is not the event stream that was asked for";
        let detail = format!("it sent `{kind}`: {}", openai_error::class(&body));
        Failure::new(Kind::Malformed, message).with_detail(detail)
    }
}

/// The headers of every call: the operator's own win over the usual ones.
fn headers(
    settings: &AccountSettings,
    auth: &Auth,
    usual: HeaderMap,
) -> Result<HeaderMap, BuildError> {
    let mut headers = usual;
    http_client::usual(&mut headers);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let shown = settings.api_key.as_ref().and_then(|key| match auth {
        Auth::Bearer => Some((AUTHORIZATION, format!("Bearer {}", key.expose()))),
        Auth::Header(name) => Some((HeaderName::from_static(name), key.expose().to_owned())),
        Auth::Each(_) => None,
    });
    if let Some((name, value)) = shown {
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

fn request_id(headers: &HeaderMap) -> Option<String> {
    // An answer has about as many headers as there are names, and each look-up would hash one.
    let rank = |name| REQUEST_ID_HEADERS.iter().position(|known| known == name);
    let ids = headers.iter().filter_map(|(name, value)| Some((rank(name)?, value)));
    let (_, value) = ids.min_by_key(|(rank, _)| *rank)?;
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
async fn error_body(body: Body, deadlines: Deadlines) -> Bytes {
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
