//! An upstream's errors, in all the shapes that OpenAI-speaking providers have for them.
//!
//! Seen in recordings and documents: OpenAI's `{"error":{message,type,param,code}}`, the same with a
//! number for a code (OpenRouter, Perplexity), `{"error":"text"}` (Ollama), `{"detail":…}` (FastAPI,
//! Chutes, Mistral's gateway), Mistral's `{"object":"error","message":…}`, plain text, and HTML from
//! whatever stands in front.

use bytes::Bytes;
use isthmus_inference::failure::{Failure, Kind, Retry, UpstreamError};
use serde_json::Value;

use crate::dialect::Refused;
use crate::dialects::openai_usage::Told;

pub(crate) mod retry_after;
mod told;

pub use told::encode;

/// What an upstream said, whatever its shape.
#[derive(Debug, Default)]
struct Said {
    message: Option<String>,
    /// `code` and `type`, which providers use for one another.
    words: Vec<String>,
    param: Option<String>,
    /// A status inside the body: all there is in the middle of a stream.
    status: Option<u16>,
    /// When a spent quota is filled again, since 1970 (Chutes).
    quota_reset: Option<String>,
}

/// What a caller is told when the house's own credential was refused, in whatever dialect.
pub(crate) const CREDENTIAL_REFUSED: &str =
    "the provider refused the gateway's own credential; its operator must mend it";
/// The longest message that is passed on, in bytes.
const LONGEST_MESSAGE: usize = 2048;
/// How much of a body the log gets to see.
const EXCERPT: usize = 256;

/// The failure that an answer with an error status tells of.
pub fn from_response(refused: Refused<'_>) -> Failure {
    let Refused { status, headers, body, request_id, now } = refused;
    let said = Said::of_body(&body);
    let filled_again = said.quota_reset.as_deref().and_then(|at| retry_after::until(at, now));
    let mut failure = said.failure(status.as_u16());
    let limited = failure.kind == Kind::RateLimited;
    failure.retry_after = retry_after::read(headers, now, limited).or(filled_again);
    let detail = format!("HTTP {}: {}", status.as_u16(), excerpt(&body));
    failure.with_detail(detail).with_upstream(UpstreamError {
        status: status.as_u16(),
        body,
        request_id,
    })
}

/// The failure that an error object tells of where an answer, or a piece of one, should be.
pub fn in_answer(json: &[u8]) -> Failure {
    let said = Said::of_body(json);
    let status = said.status.unwrap_or_else(|| said.status_in_words());
    // The text around the error may be a part of the answer, which no log may show.
    let detail = format!("an error inside an answer, in words {:?}", said.words);
    let failure = said.failure(status).with_detail(detail);
    let body = Bytes::copy_from_slice(json);
    failure.with_upstream(UpstreamError { status, body, request_id: None })
}

/// The status that a body with an error in it tells of, if it has one.
pub(crate) fn told_status(body: &[u8]) -> Option<u16> {
    let told: Told<'_> = serde_json::from_slice(body).ok()?;
    told.error?;
    let said = Said::of_body(body);
    Some(said.status.unwrap_or_else(|| said.status_in_words()))
}

/// What kind of text an answer is, for the log, which must not show the answer itself.
pub(crate) fn class(body: &[u8]) -> String {
    let looks = match body.trim_ascii_start().first() {
        None => "nothing",
        Some(b'<') => "HTML",
        Some(b'{' | b'[') => "JSON",
        Some(_) if simdutf8::basic::from_utf8(body).is_ok() => "text",
        Some(_) => "no text",
    };
    format!("{} bytes that look like {looks}", body.len())
}

/// The beginning of a body that is no answer to a caller, for the log.
pub(crate) fn excerpt(body: &[u8]) -> String {
    let cut = &body[..body.len().min(EXCERPT)];
    format!("{:?}", String::from_utf8_lossy(cut))
}

// === impl Said ===

impl Said {
    fn of_body(body: &[u8]) -> Self {
        match serde_json::from_slice(body) {
            Ok(Value::Object(mut members)) => {
                let inner = ["error", "detail", "message"]
                    .into_iter()
                    .find_map(|key| members.remove(key).filter(|value| !value.is_null()));
                let mut said = Self::of_value(inner.unwrap_or_default());
                said.take_words(&members.into());
                said
            }
            // Some servers wrap their error into a list (Google's OpenAI-shaped one does).
            Ok(Value::Array(mut items)) if !items.is_empty() => {
                Self::of_body(items.swap_remove(0).to_string().as_bytes())
            }
            Ok(Value::String(text)) => Self { message: Some(text), ..Self::default() },
            _ => Self { message: plain(body), ..Self::default() },
        }
    }

    fn of_value(value: Value) -> Self {
        match value {
            Value::String(text) => Self { message: Some(text), ..Self::default() },
            Value::Object(ref members) => {
                let mut said = Self {
                    message: ["message", "detail", "msg", "error"]
                        .iter()
                        .find_map(|key| members.get(*key).and_then(text_of)),
                    ..Self::default()
                };
                // OpenRouter says only that its provider failed, and puts the reason here.
                if let Some(raw) = value.pointer("/metadata/raw").and_then(Value::as_str) {
                    let before = said.message.take().unwrap_or_default();
                    said.message = Some(format!("{before}: {raw}"));
                }
                said.take_words(&value);
                // Azure's closer word (its data plane's specification, `InnerError`).
                for inner in ["innererror", "inner_error"] {
                    said.take_words(&value[inner]);
                }
                said
            }
            Value::Null => Self::default(),
            // FastAPI lists each field that did not validate.
            other => Self { message: Some(other.to_string()), ..Self::default() },
        }
    }

    fn take_words(&mut self, value: &Value) {
        if let Some(reset) = value.get("quota_reset_timestamp") {
            self.quota_reset = text_of(reset);
        }
        for key in ["code", "type", "status", "status_code"] {
            match value.get(key) {
                Some(Value::String(word)) => {
                    self.take_status(word.parse().ok());
                    self.words.push(word.to_ascii_lowercase());
                }
                Some(Value::Number(number)) => self.take_status(number.as_u64()),
                _ => {}
            }
        }
        if self.param.is_none() {
            self.param = value.get("param").and_then(Value::as_str).map(str::to_owned);
        }
    }

    fn take_status(&mut self, number: Option<u64>) {
        let status = number.and_then(|number| u16::try_from(number).ok());
        self.status = self.status.or(status.filter(|status| (400..600).contains(status)));
    }

    /// The status that the words stand for where no number was told.
    fn status_in_words(&self) -> u16 {
        let known = STATUS_WORDS.iter().find(|(_, words)| {
            self.words.iter().any(|said| words.iter().any(|word| said.contains(word)))
        });
        match known {
            _ if self.has(&CONTENT_FILTER_WORDS) || self.is_too_long() => 400,
            _ if self.has(&QUOTA_WORDS) || self.says(&QUOTA_TEXTS) => 429,
            _ if self.says(&CAPACITY_TEXTS) => 503,
            Some((status, _)) => *status,
            None => 500,
        }
    }

    fn failure(self, status: u16) -> Failure {
        let kind = self.kind(status);
        let message = match (kind, &self.message) {
            // The vendor speaks to the holder of the credential, who is not the caller.
            (Kind::UpstreamAuth, _) => CREDENTIAL_REFUSED.to_owned(),
            (_, Some(message)) if !message.is_empty() => shortened(message),
            _ => unexplained(status),
        };
        let mut failure = Failure::new(kind, message);
        failure.param = self.param;
        // A model or path that one endpoint lacks, another may have.
        if kind == Kind::NotFound { failure.retried(Retry::Elsewhere) } else { failure }
    }

    fn kind(&self, status: u16) -> Kind {
        match status {
            400..=499 if self.has(&CONTENT_FILTER_WORDS) => Kind::ContentFilter,
            403 if self.says(&CONTENT_FILTER_TEXTS) => Kind::ContentFilter,
            // LiteLLM's proxy (FLock) tells a spent budget with 400.
            400 | 429 if self.has(&QUOTA_WORDS) => Kind::QuotaExhausted,
            429 if self.says(&QUOTA_TEXTS) => Kind::QuotaExhausted,
            429 if self.says(&CAPACITY_TEXTS) => Kind::Overloaded,
            400 | 413 | 422 if self.is_too_long() => Kind::ContextLength,
            401 | 403 => Kind::UpstreamAuth,
            402 => Kind::QuotaExhausted,
            404 => Kind::NotFound,
            408 => Kind::Timeout,
            429 => Kind::RateLimited,
            400..=499 => Kind::InvalidRequest,
            // 529 is Anthropic's and AkashML's word for having no free backend.
            503 | 529 => Kind::Overloaded,
            504 => Kind::Timeout,
            _ => Kind::ProviderError,
        }
    }

    fn is_too_long(&self) -> bool {
        self.has(&CONTEXT_LENGTH_WORDS) || self.says(&CONTEXT_LENGTH_TEXTS)
    }

    fn has(&self, words: &[&str]) -> bool {
        self.words.iter().any(|word| words.contains(&word.as_str()))
    }

    fn says(&self, texts: &[&str]) -> bool {
        let message = self.message.as_deref().unwrap_or_default().to_ascii_lowercase();
        texts.iter().any(|text| message.contains(text))
    }
}

const CONTENT_FILTER_WORDS: [&str; 7] = [
    "content_filter",
    "image_content_policy_violation",
    "bio_policy",
    "misalignment_policy_violation",
    "content_policy_violation",
    "moderation_blocked",
    "responsibleaipolicyviolation",
];
/// Mistral's guardrails (its SDK, `GuardrailConfig`) and OpenRouter's moderation (its page "Errors") tell
/// with a status that stands for refused credentials elsewhere.
const CONTENT_FILTER_TEXTS: [&str; 3] = ["guardrail", "input was flagged", "requires moderation"];
const CONTEXT_LENGTH_WORDS: [&str; 4] = [
    "context_length_exceeded",
    "too_many_prompt_tokens",
    "exceed_context_size_error",
    "string_above_max_length",
];
/// Only texts that no other complaint has: vLLM, SGLang and OpenRouter give no code.
const CONTEXT_LENGTH_TEXTS: [&str; 4] = [
    "maximum context length",
    "context window",
    "longer than the model's context length",
    "too large for model with",
];
const QUOTA_WORDS: [&str; 4] =
    ["insufficient_quota", "insufficient_balance", "billing_hard_limit_reached", "budget_exceeded"];
const QUOTA_TEXTS: [&str; 2] = ["exceeded your current quota", "insufficient balance"];
/// Chutes tells with 429 that it has no room, and in the middle of a stream by its first two words
/// (chutesai/chutes-api, `api/invocation/router.py`).
const CAPACITY_TEXTS: [&str; 4] =
    ["infra_overload", "no_targets", "at maximum capacity", "model is under maintenance"];

/// Parts of codes and types, and the status with which they usually come. OpenAI's `type` of a
/// refused key is `invalid_request_error` too, so the wide words stand last.
const STATUS_WORDS: [(u16, &[&str]); 7] = [
    // Of a response that failed (the vendor's SDK, `ResponseError`): what was asked cannot be read.
    (
        400,
        &[
            "base64_image",
            "data_residency",
            "failed_to_download",
            "image_file",
            "image_media",
            "image_parse",
            "image_too",
        ],
    ),
    (401, &["authentication", "invalid_api_key", "permission", "unauthorized"]),
    (429, &["rate_limit", "ratelimit", "too_many_requests", "resource_exhausted"]),
    (503, &["overloaded", "service_unavailable"]),
    (504, &["timeout"]),
    (404, &["not_found", "notfound"]),
    (
        400,
        &[
            "invalid_request",
            "badrequest",
            "bad_request",
            "invalid_argument",
            "invalid_prompt",
            "invalid_image",
        ],
    ),
];

/// A message in whatever form.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// A body that is no JSON: passed on if it is a line of text, but not if it is a page.
pub(crate) fn plain(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(&body[..body.len().min(LONGEST_MESSAGE)]);
    let text = text.trim();
    (!text.is_empty() && !text.starts_with('<')).then(|| text.to_owned())
}

/// What the caller reads when a provider says nothing.
pub(crate) fn unexplained(status: u16) -> String {
    format!("the provider answered with status {status} and no explanation")
}

/// A message cut at a character's edge.
pub(crate) fn shortened(message: &str) -> String {
    message[..message.floor_char_boundary(LONGEST_MESSAGE)].to_owned()
}

#[cfg(test)]
mod tests {
    use isthmus_inference::failure::Blame;

    use std::time::{Duration, SystemTime};

    use http::{HeaderMap, StatusCode};

    use super::*;

    fn failure(status: u16, body: &'static str) -> Failure {
        let status = StatusCode::from_u16(status).unwrap();
        let now = SystemTime::UNIX_EPOCH;
        let (headers, request_id) = (&HeaderMap::new(), Some("req-1".into()));
        from_response(Refused { status, headers, body: body.into(), request_id, now })
    }

    #[test]
    fn each_shape_gives_its_message() {
        let cases = [
            r#"{"error":{"message":"boom","type":"x","param":null,"code":null}}"#,
            r#"{"error":{"message":"boom","code":400}}"#,
            r#"{"error":"boom"}"#,
            r#"{"detail":"boom"}"#,
            r#"{"detail":{"message":"boom","quota_reset_timestamp":1}}"#,
            r#"{"object":"error","message":"boom","type":"invalid","param":null,"code":"1000"}"#,
            r#"{"message":"boom"}"#,
            r#"[{"error":{"message":"boom","status":"INVALID_ARGUMENT"}}]"#,
            r#""boom""#,
            "boom",
        ];
        for case in cases {
            assert_eq!(failure(400, case).message, "boom", "{case}");
        }
    }

    #[test]
    fn fastapi_lists_are_passed_on_whole() {
        let failure = failure(422, r#"{"detail":[{"loc":["body","seed"],"msg":"not permitted"}]}"#);
        assert_eq!(failure.kind, Kind::InvalidRequest);
        assert!(failure.message.contains("not permitted"), "{}", failure.message);
    }

    #[test]
    fn status_and_words_decide_the_kind() {
        let cases = [
            (400, r#"{"error":{"message":"bad"}}"#, Kind::InvalidRequest),
            (
                400,
                r#"{"error":{"message":"m","code":"context_length_exceeded"}}"#,
                Kind::ContextLength,
            ),
            (
                400,
                r#"{"error":{"message":"This endpoint's maximum context length is 8 tokens"}}"#,
                Kind::ContextLength,
            ),
            (
                400,
                r#"{"error":{"message":"long","type":"too_many_prompt_tokens","code":400}}"#,
                Kind::ContextLength,
            ),
            (400, r#"{"error":{"message":"m","code":"content_filter"}}"#, Kind::ContentFilter),
            (
                400,
                r#"{"error":{"message":"m","code":null,"innererror":{"code":"ResponsibleAIPolicyViolation"}}}"#,
                Kind::ContentFilter,
            ),
            (
                403,
                r#"{"object":"error","message":"Blocked by guardrails","type":"x","code":"1"}"#,
                Kind::ContentFilter,
            ),
            (
                403,
                r#"{"error":{"code":403,"message":"m requires moderation. Your input was flagged"}}"#,
                Kind::ContentFilter,
            ),
            (401, r#"{"error":{"message":"bad key"}}"#, Kind::UpstreamAuth),
            (403, r#"{"error":{"message":"no"}}"#, Kind::UpstreamAuth),
            (402, r#"{"detail":{"message":"pay"}}"#, Kind::QuotaExhausted),
            (400, r#"{"error":{"message":"m","type":"budget_exceeded"}}"#, Kind::QuotaExhausted),
            (
                429,
                r#"{"detail":"Infrastructure is at maximum capacity, try again later"}"#,
                Kind::Overloaded,
            ),
            (429, r#"{"detail":"no_targets"}"#, Kind::Overloaded),
            (429, r#"{"detail":"Stop spamming this prompt, please..."}"#, Kind::RateLimited),
            (
                404,
                r#"{"error":{"message":"no such model","code":"model_not_found"}}"#,
                Kind::NotFound,
            ),
            (408, "", Kind::Timeout),
            (409, "", Kind::InvalidRequest),
            (413, "", Kind::InvalidRequest),
            (422, r#"{"detail":[]}"#, Kind::InvalidRequest),
            (
                429,
                r#"{"error":{"message":"slow down","code":"rate_limit_exceeded"}}"#,
                Kind::RateLimited,
            ),
            (429, r#"{"error":{"message":"m","type":"insufficient_quota"}}"#, Kind::QuotaExhausted),
            (500, "", Kind::ProviderError),
            (502, "<html>", Kind::ProviderError),
            (503, "", Kind::Overloaded),
            (504, "", Kind::Timeout),
            (529, r#"{"error":{"message":"no healthy backend"}}"#, Kind::Overloaded),
            (302, "", Kind::ProviderError),
        ];
        for (status, body, kind) in cases {
            assert_eq!(failure(status, body).kind, kind, "{status} {body}");
        }
    }

    #[test]
    fn inside_an_answer_words_decide_where_no_number_does() {
        let cases = [
            (
                r#"{"message":"m","type":"invalid_request_error","code":"context_length_exceeded"}"#,
                Kind::ContextLength,
            ),
            (r#"{"message":"over this model's maximum context length"}"#, Kind::ContextLength),
            (r#"{"message":"m","code":"content_filter"}"#, Kind::ContentFilter),
            (r#"{"message":"m","type":"invalid_request_error"}"#, Kind::InvalidRequest),
            (r#"{"message":"m","type":"BadRequestError"}"#, Kind::InvalidRequest),
            (
                r#"{"message":"m","type":"invalid_request_error","code":"invalid_api_key"}"#,
                Kind::UpstreamAuth,
            ),
            (r#"{"message":"m","type":"authentication_error"}"#, Kind::UpstreamAuth),
            (r#"{"message":"m","type":"insufficient_quota"}"#, Kind::QuotaExhausted),
            (r#"{"message":"m","code":"rate_limit_exceeded"}"#, Kind::RateLimited),
            (r#"{"message":"m","type":"overloaded_error"}"#, Kind::Overloaded),
            (r#"{"message":"m","code":"model_not_found"}"#, Kind::NotFound),
            (r#"{"message":"m","code":"image_file_not_found"}"#, Kind::InvalidRequest),
            (r#"{"message":"m","code":"unsupported_image_media_type"}"#, Kind::InvalidRequest),
            (r#"{"message":"m","code":"vector_store_timeout"}"#, Kind::Timeout),
            (r#"{"message":"m","code":"image_content_policy_violation"}"#, Kind::ContentFilter),
            (r#"{"message":"m","code":"bio_policy"}"#, Kind::ContentFilter),
            (r#"{"message":"m","code":"429"}"#, Kind::RateLimited),
            (r#"{"message":"m","type":"rate_limit_error","code":503}"#, Kind::Overloaded),
            (r#"{"message":"m","type":"server_error"}"#, Kind::ProviderError),
            (r#"{"message":"m"}"#, Kind::ProviderError),
        ];
        for (error, kind) in cases {
            let failure = in_answer(format!(r#"{{"error":{error}}}"#).as_bytes());
            assert_eq!(failure.kind, kind, "{error}");
        }
    }

    #[test]
    fn chutes_says_in_the_middle_of_a_stream_that_it_has_no_room() {
        let said = br#"{"error":"Unhandled exception during response stream: infra_overload"}"#;
        assert_eq!(in_answer(said).kind, Kind::Overloaded);
        let said = br#"{"error":"Unhandled exception during response stream: HTTP_502"}"#;
        assert_eq!(in_answer(said).kind, Kind::ProviderError);
    }

    #[test]
    fn a_spent_quota_says_when_it_is_filled_again() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        for (reset, wait) in [("1700000060", Some(60)), ("\"soon\"", None), ("null", None)] {
            let body = format!(r#"{{"detail":{{"message":"m","quota_reset_timestamp":{reset}}}}}"#);
            let (headers, status) = (HeaderMap::new(), StatusCode::PAYMENT_REQUIRED);
            let body = body.into();
            let refused = Refused { status, headers: &headers, body, request_id: None, now };
            let failure = from_response(refused);
            assert_eq!(failure.kind, Kind::QuotaExhausted);
            assert_eq!(failure.retry_after, wait.map(Duration::from_secs), "{reset}");
        }
    }

    #[test]
    fn the_log_sees_nothing_of_an_answer_around_an_error() {
        let failure = in_answer(br#"{"choices":[{"text":"private"}],"error":{"message":"m"}}"#);
        assert!(!failure.detail.unwrap().contains("private"));
        assert_eq!(class(b" <p>"), "4 bytes that look like HTML");
        assert_eq!(class(b"{"), "1 bytes that look like JSON");
        assert_eq!(class(b"private"), "7 bytes that look like text");
        assert_eq!(class(b"\xFF"), "1 bytes that look like no text");
    }

    #[test]
    fn the_upstreams_own_words_are_kept() {
        let body = r#"{"error":{"message":"too big","param":"max_tokens","code":"c"}}"#;
        let failure = failure(400, body);
        assert_eq!(failure.param.as_deref(), Some("max_tokens"));
        let upstream = failure.upstream.unwrap();
        assert_eq!((upstream.status, &upstream.body[..]), (400, body.as_bytes()));
        assert_eq!(upstream.request_id.as_deref(), Some("req-1"));
    }

    #[test]
    fn a_refused_credential_is_not_the_callers_affair() {
        let failure = failure(401, r#"{"error":{"message":"Incorrect API key provided: sk-12"}}"#);
        assert_eq!(failure.blame, Blame::House);
        assert!(!failure.message.contains("sk-12"), "{}", failure.message);
    }

    #[test]
    fn pages_and_silence_are_put_into_words() {
        for body in ["<html><h1>Bad Gateway</h1></html>", "", "{}", "{\"error\":null}"] {
            let message = failure(502, body).message;
            assert_eq!(message, "the provider answered with status 502 and no explanation");
        }
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let long: &'static str = "é".repeat(5000).leak();
        let message = failure(400, long).message;
        assert!(
            message.len() <= LONGEST_MESSAGE && message.chars().rev().skip(1).all(|c| c == 'é')
        );
    }

    #[test]
    fn openrouter_hides_the_reason_deeper() {
        let body = r#"{"error":{"code":429,"message":"Provider returned error","metadata":{"raw":"busy, retry shortly"}}}"#;
        assert_eq!(failure(429, body).message, "Provider returned error: busy, retry shortly");
    }
}
