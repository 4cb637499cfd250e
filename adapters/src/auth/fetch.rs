//! Questions to token endpoints and metadata servers: small, bounded, and silent about secrets.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use isthmus_inference::failure::Failure;
use isthmus_inference::secret::Secret;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

use crate::auth::refreshing::Unobtained;
use crate::http_client::{self, Incoming, Target};
use crate::pieces::Pieces;

/// A request that fetches a credential.
pub(super) struct Question {
    pub(super) method: Method,
    pub(super) url: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Pieces,
    limit: Duration,
}

/// What was answered.
pub(super) struct Reply {
    status: StatusCode,
    body: Bytes,
    /// Who answered, for the log.
    who: String,
}

/// How long a token endpoint may take in all.
const ENDPOINT: Duration = Duration::from_secs(10);
/// How long a metadata server may take: it is on this machine's own link, or is not there.
pub(super) const METADATA: Duration = Duration::from_secs(2);
/// No credential is longer.
const LARGEST: usize = 256 << 10;
/// How much of an error's text goes to the log.
const LONGEST_TEXT: usize = 400;

// === impl Question ===

impl Question {
    pub(super) fn new(method: Method, url: impl Into<String>) -> Self {
        let headers = HeaderMap::new();
        Self { method, url: url.into(), headers, body: Pieces::default(), limit: ENDPOINT }
    }

    pub(super) fn get(url: impl Into<String>) -> Self {
        Self::new(Method::GET, url)
    }

    /// A form, as OAuth and STS want it.
    pub(super) fn form(url: impl Into<String>, pairs: &[(&str, &str)]) -> Self {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(pairs);
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded; charset=utf-8");
        let mut question = Self::new(Method::POST, url);
        question.headers.insert(CONTENT_TYPE, kind);
        question.body = form.finish().into();
        question
    }

    /// A JSON object.
    pub(super) fn json(url: impl Into<String>, body: &Value) -> Self {
        let mut question = Self::new(Method::POST, url);
        question.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        question.body = body.to_string().into();
        question
    }

    /// Adds a header, whose value no log shows.
    pub(super) fn header(mut self, name: HeaderName, value: &str) -> Result<Self, Unobtained> {
        let mut shown = HeaderValue::from_str(value)
            .map_err(|_| Unobtained(format!("the value for the header `{name}` cannot be sent")))?;
        shown.set_sensitive(true);
        self.headers.insert(name, shown);
        Ok(self)
    }

    /// Waits at most so long.
    pub(super) fn within(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }

    /// Asks.
    pub(super) async fn ask(self) -> Result<Reply, Unobtained> {
        let target = Target::exactly(&self.url).map_err(Unobtained)?;
        // A query may hold what the log should not.
        let who = target.as_str().split(['?', '#']).next().unwrap_or_default().to_owned();
        let exchange = async {
            let (headers, body) = (self.headers, self.body);
            let sent = http_client::send(self.method, &target, headers, body, self.limit).await?;
            let status = sent.status;
            Ok((status, collect(sent).await?))
        };
        match timeout(self.limit, exchange).await {
            Ok(Ok((status, Some(body)))) => Ok(Reply { status, body, who }),
            Ok(Ok((_, None))) => Err(Unobtained(format!("{who}: the answer is too long"))),
            Ok(Err(failure)) => Err(Unobtained(format!("{who}: {}", in_full(failure)))),
            Err(_) => Err(Unobtained(format!("{who}: no answer within {:?}", self.limit))),
        }
    }
}

/// The whole body, unless it is too long.
async fn collect(mut incoming: Incoming) -> Result<Option<Bytes>, Failure> {
    let mut gathered = BytesMut::new();
    while let Some(chunk) = incoming.body.next().await {
        gathered.extend_from_slice(&chunk?);
        if gathered.len() > LARGEST {
            return Ok(None);
        }
    }
    Ok(Some(gathered.freeze()))
}

fn in_full(failure: Failure) -> String {
    match failure.detail {
        Some(detail) => format!("{} ({detail})", failure.message),
        None => failure.message,
    }
}

// === impl Reply ===

impl Reply {
    /// The reply if it is a good one; otherwise what it says, without these secrets.
    pub(super) fn granted(self, secrets: &[&Secret]) -> Result<Self, Unobtained> {
        if self.status.is_success() {
            return Ok(self);
        }
        let mut said = said(&self.body);
        for secret in secrets.iter().map(|secret| secret.expose()).filter(|text| text.len() >= 8) {
            said = said.replace(secret, "•••");
        }
        let said: String = said.chars().take(LONGEST_TEXT).collect();
        Err(Unobtained(format!("{} answered {}: {said}", self.who, self.status.as_u16())))
    }

    /// The body as JSON of this shape. What it holds is not repeated in the error.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, Unobtained> {
        serde_json::from_slice(&self.body).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            Unobtained(format!("{}: not the JSON expected, at {line}:{column}", self.who))
        })
    }

    /// The body as text.
    pub(super) fn text(&self) -> Result<&str, Unobtained> {
        let text = std::str::from_utf8(&self.body).map(str::trim);
        text.map_err(|_| Unobtained(format!("{}: the answer is not text", self.who)))
    }
}

/// What an error's body says, in the shapes of OAuth, Google, AWS containers and STS.
fn said(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let Ok(value) = serde_json::from_slice::<Value>(body) else {
        let parts = ["Code", "Message"].map(|name| element(&text, name));
        return parts.into_iter().flatten().collect::<Vec<_>>().join(": ");
    };
    let error = &value["error"];
    let parts = [
        error,
        &value["error_description"],
        &error["status"],
        &error["message"],
        &value["code"],
        &value["message"],
    ];
    parts.into_iter().filter_map(Value::as_str).collect::<Vec<_>>().join(": ")
}

/// The text of the first XML element of this name.
pub(super) fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, after) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = after.split_once(&format!("</{name}>"))?;
    Some(text.trim())
}

/// A small file that holds a credential, or leads to one.
pub(super) async fn read_file(path: &Path) -> Result<String, Unobtained> {
    let failed = |error: io::Error| Unobtained(format!("cannot read {}: {error}", path.display()));
    let file = tokio::fs::File::open(path).await.map_err(failed)?;
    let mut text = String::new();
    let most = LARGEST as u64 + 1;
    let length = file.take(most).read_to_string(&mut text).await.map_err(failed)?;
    if length > LARGEST {
        return Err(Unobtained(format!("{} is too long for a credential", path.display())));
    }
    Ok(text)
}

/// The text of a small file, for those who cannot wait: while an account is being made, and for the
/// few lines of a profile. What is beyond the bound is left out.
pub(super) fn read_at_once(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(LARGEST as u64).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(body: &'static str, secrets: &[&Secret]) -> String {
        let (status, who) = (StatusCode::BAD_REQUEST, "http://t/token".to_owned());
        let reply = Reply { status, body: Bytes::from_static(body.as_bytes()), who };
        reply.granted(secrets).err().unwrap().0
    }

    #[test]
    fn a_refusal_is_told_in_the_endpoints_words_without_secrets() {
        let secret = Secret::from("s3cr3t-value");
        for (body, said) in [
            (
                r#"{"error":"invalid_grant","error_description":"no s3cr3t-value"}"#,
                "invalid_grant: no •••",
            ),
            (r#"{"error":{"code":403,"message":"m","status":"DENIED"}}"#, "DENIED: m"),
            (r#"{"code":"InvalidCredentials","message":"m"}"#, "InvalidCredentials: m"),
            (
                "<ErrorResponse><Error><Code>AccessDenied</Code><Message>m</Message></Error>",
                "AccessDenied: m",
            ),
            ("<html>", ""),
        ] {
            assert_eq!(refusal(body, &[&secret]), format!("http://t/token answered 400: {said}"));
        }
    }
}
