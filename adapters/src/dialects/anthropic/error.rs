//! Errors, both ways: `{"type":"error","error":{"type","message"},"request_id"}` (the vendor's page
//! "Errors").

use bytes::Bytes;
use isthmus_inference::failure::{Failure, Kind, Retry, UpstreamError};
use serde::Serialize;
use serde_json::Value;

use crate::dialect::{Refused, Told};
use crate::dialects::openai_error::{CREDENTIAL_REFUSED, excerpt, plain, retry_after, shortened};

/// The types of errors, with the status that each comes with.
const TYPES: [(&str, u16); 11] = [
    ("invalid_request_error", 400),
    ("authentication_error", 401),
    ("billing_error", 402),
    ("permission_error", 403),
    ("not_found_error", 404),
    ("conflict_error", 409),
    ("request_too_large", 413),
    ("rate_limit_error", 429),
    ("api_error", 500),
    ("timeout_error", 504),
    ("overloaded_error", 529),
];

/// How the codes end of accounts that have nothing left; they come as a rate limit.
const SPENT_CODES: [&str; 2] = ["spend_limit_reached", "billing_unavailable"];
/// What is said of prompts that do not fit.
const TOO_LONG: [&str; 4] =
    ["prompt is too long", "exceed context limit", "maximum context length", "context window"];
/// What is said when the account has nothing left; it comes as an invalid request.
const SPENT: [&str; 3] = ["credit balance is too low", "api usage limits", "spend limit"];
/// What is said when the answer was withheld.
const FILTERED: [&str; 2] = ["content filtering policy", "content policy"];

/// An error, as far as it is read here.
#[derive(Debug, Default)]
struct Said {
    kind: Option<String>,
    /// A closer word than the type, where the vendor has one (its SDK, `ErrorDetails`).
    code: Option<String>,
    message: Option<String>,
    request_id: Option<String>,
}

/// The failure that an answer with an error's status tells of.
pub(super) fn of_response(refused: Refused<'_>) -> Failure {
    let Refused { status, headers, body, request_id, now } = refused;
    let status = status.as_u16();
    let said = Said::of(&body);
    let message = said.message.or_else(|| plain_text(&body));
    let mut failure = failure(status, (said.kind.as_deref(), said.code.as_deref()), message);
    let limited = failure.kind == Kind::RateLimited;
    failure.retry_after = retry_after::read(headers, now, limited);
    let detail = format!("HTTP {status}: {}", excerpt(&body));
    failure.with_detail(detail).with_upstream(UpstreamError { status, body, request_id })
}

/// The failure that an error in an answer's place, or in the middle of a stream, tells of.
pub(super) fn in_answer(body: &[u8]) -> Failure {
    let Said { kind, code, message, request_id } = Said::of(body);
    let kind = kind.as_deref();
    let status = kind.and_then(status_of).unwrap_or(500);
    let detail = format!("an error inside an answer, of type {kind:?}");
    let failure = failure(status, (kind, code.as_deref()), message).with_detail(detail);
    failure.with_upstream(UpstreamError { status, body: Bytes::copy_from_slice(body), request_id })
}

impl Said {
    /// Servers that are only like the vendor's write the error as a text, or its message beside it.
    fn of(body: &[u8]) -> Self {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let error = &body["error"];
        // A text is the error's type if it is one.
        let word = text(error).filter(|word| status_of(word).is_some());
        let said = if word.is_none() { text(error) } else { None };
        Self {
            kind: text(&error["type"]).or(word),
            code: text(&error["details"]["error_code"]).or_else(|| text(&error["error_code"])),
            message: text(&error["message"]).or_else(|| text(&body["message"])).or(said),
            request_id: text(&body["request_id"]),
        }
    }
}

/// The text of a body that is no JSON.
fn plain_text(body: &[u8]) -> Option<String> {
    if serde_json::from_slice::<Value>(body).is_ok() { None } else { plain(body) }
}

fn failure(status: u16, words: Words<'_>, message: Option<String>) -> Failure {
    let kind = kind_of(status, words, message.as_deref().unwrap_or_default());
    let message = match message {
        // The vendor speaks to the holder of the credential, who is not the caller.
        _ if kind == Kind::UpstreamAuth => CREDENTIAL_REFUSED.to_owned(),
        Some(message) if !message.is_empty() => shortened(&message),
        _ => format!("the provider answered with status {status} and no explanation"),
    };
    let failure = Failure::new(kind, message);
    // A model that one endpoint lacks, another may have.
    if kind == Kind::NotFound { failure.retried(Retry::Elsewhere) } else { failure }
}

/// The type of an error, and its code.
type Words<'a> = (Option<&'a str>, Option<&'a str>);

fn kind_of(status: u16, (kind, code): Words<'_>, message: &str) -> Kind {
    let message = message.to_ascii_lowercase();
    let says = |texts: &[&str]| texts.iter().any(|text| message.contains(text));
    match status {
        _ if kind == Some("overloaded_error") => Kind::Overloaded,
        _ if code.is_some_and(|code| SPENT_CODES.iter().any(|end| code.ends_with(end))) => {
            Kind::QuotaExhausted
        }
        400 | 403 | 422 | 429 if says(&SPENT) => Kind::QuotaExhausted,
        400 | 413 | 422 if says(&TOO_LONG) => Kind::ContextLength,
        400 | 422 if says(&FILTERED) => Kind::ContentFilter,
        401 | 403 => Kind::UpstreamAuth,
        402 => Kind::QuotaExhausted,
        404 => Kind::NotFound,
        408 | 504 => Kind::Timeout,
        413 => Kind::TooLarge,
        429 => Kind::RateLimited,
        400..=499 => Kind::InvalidRequest,
        503 | 529 => Kind::Overloaded,
        _ => Kind::ProviderError,
    }
}

fn status_of(kind: &str) -> Option<u16> {
    TYPES.iter().find(|(known, _)| *known == kind).map(|(_, status)| *status)
}

// === for callers ===

#[derive(Serialize)]
struct Written<'a> {
    r#type: &'static str,
    error: InnerWritten<'a>,
    request_id: &'a str,
}

#[derive(Serialize)]
struct InnerWritten<'a> {
    r#type: &'static str,
    message: &'a str,
}

/// Writes a failure; an upstream's own words pass as they came if they are in this shape already.
/// Those about the house's credential are not for the caller.
pub(super) fn write(told: &Told<'_>) -> Bytes {
    let failure = told.failure;
    if let Some(upstream) = &failure.upstream
        && failure.kind != Kind::UpstreamAuth
        && is_error(&upstream.body)
    {
        return upstream.body.clone();
    }
    let error = InnerWritten { r#type: type_of(failure.status()), message: &failure.message };
    let written = Written { r#type: "error", error, request_id: told.request_id };
    serde_json::to_vec(&written).unwrap_or_default().into()
}

fn is_error(body: &[u8]) -> bool {
    let Ok(body) = serde_json::from_slice::<Value>(body) else { return false };
    body["type"] == "error"
        && body["error"]["type"].is_string()
        && body["error"]["message"].is_string()
}

/// The type that comes with a status, or the one that is nearest.
fn type_of(status: u16) -> &'static str {
    let exact = TYPES.iter().find(|(_, known)| *known == status).map(|(kind, _)| *kind);
    exact.unwrap_or(match status {
        408 => "timeout_error",
        503 => "overloaded_error",
        400..500 => "invalid_request_error",
        _ => "api_error",
    })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use http::{HeaderMap, StatusCode};
    use serde_json::json;

    use super::*;

    fn refused(status: u16, body: &str) -> Failure {
        let status = StatusCode::from_u16(status).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("retry-after", "7".parse().unwrap());
        let (body, now) = (Bytes::copy_from_slice(body.as_bytes()), SystemTime::UNIX_EPOCH);
        let request_id = Some("req".into());
        of_response(Refused { status, headers: &headers, body, request_id, now })
    }

    fn body(kind: &str, message: &str) -> String {
        json!({"type": "error", "error": {"type": kind, "message": message}}).to_string()
    }

    #[test]
    fn status_type_and_text_decide_the_kind() {
        let cases = [
            (400, "invalid_request_error", "max_tokens: Field required", Kind::InvalidRequest),
            (
                400,
                "invalid_request_error",
                "prompt is too long: 3 tokens > 2 maximum",
                Kind::ContextLength,
            ),
            (
                400,
                "invalid_request_error",
                "input length and `max_tokens` exceed context limit: 1 + 2 > 2",
                Kind::ContextLength,
            ),
            (
                400,
                "invalid_request_error",
                "Your credit balance is too low to access the Anthropic API.",
                Kind::QuotaExhausted,
            ),
            (
                400,
                "invalid_request_error",
                "Output blocked by content filtering policy",
                Kind::ContentFilter,
            ),
            (401, "authentication_error", "invalid x-api-key", Kind::UpstreamAuth),
            (402, "billing_error", "pay", Kind::QuotaExhausted),
            (403, "permission_error", "no", Kind::UpstreamAuth),
            (404, "not_found_error", "model: x", Kind::NotFound),
            (413, "request_too_large", "too large", Kind::TooLarge),
            (429, "rate_limit_error", "slow down", Kind::RateLimited),
            (500, "api_error", "Internal server error", Kind::ProviderError),
            (504, "timeout_error", "late", Kind::Timeout),
            (529, "overloaded_error", "Overloaded", Kind::Overloaded),
        ];
        for (status, kind, message, expected) in cases {
            let failure = refused(status, &body(kind, message));
            assert_eq!(failure.kind, expected, "{status} {message}");
            if expected == Kind::UpstreamAuth {
                assert_eq!(failure.message, CREDENTIAL_REFUSED);
            } else {
                assert_eq!(failure.message, message);
            }
            assert_eq!(failure.retry_after, Some(Duration::from_secs(7)));
            assert_eq!(failure.upstream.unwrap().status, status);
            // In the middle of a stream the type alone tells the status.
            assert_eq!(in_answer(body(kind, message).as_bytes()).kind, expected);
        }
        for (body, kind, message) in [
            (r#"{"error":{"type":"overloaded_error"},"message":"m"}"#, Kind::Overloaded, "m"),
            (r#"{"error":"overloaded_error","message":"m"}"#, Kind::Overloaded, "m"),
            (r#"{"error":"m"}"#, Kind::ProviderError, "m"),
        ] {
            let failure = in_answer(body.as_bytes());
            assert_eq!((failure.kind, &*failure.message), (kind, message), "{body}");
        }
        for (code, kind) in [
            ("contract_spend_limit_reached", Kind::QuotaExhausted),
            ("linked_organization_billing_unavailable", Kind::QuotaExhausted),
            ("ramp_limit_exceeded", Kind::RateLimited),
        ] {
            let details = json!({"error_code": code});
            let error = json!({"type": "rate_limit_error", "message": "m", "details": details});
            let body = json!({"type": "error", "error": error}).to_string();
            assert_eq!(refused(429, &body).kind, kind, "{code}");
        }
        assert_eq!(refused(503, "<html>").kind, Kind::Overloaded);
        assert_eq!(refused(502, "bad gateway").message, "bad gateway");
    }

    #[test]
    fn callers_get_the_shape_and_type_of_the_vendor() {
        let told = |failure: &Failure| {
            let bytes = write(&Told { failure, request_id: "r" });
            serde_json::from_slice::<Value>(&bytes).unwrap()
        };
        for (kind, word) in [
            (Kind::InvalidRequest, "invalid_request_error"),
            (Kind::Unauthenticated, "authentication_error"),
            (Kind::Forbidden, "permission_error"),
            (Kind::NotFound, "not_found_error"),
            (Kind::TooLarge, "request_too_large"),
            (Kind::RateLimited, "rate_limit_error"),
            (Kind::Internal, "api_error"),
            (Kind::Overloaded, "overloaded_error"),
            (Kind::Timeout, "timeout_error"),
        ] {
            let expected = json!({"type": "error", "error": {"type": word, "message": "m"}, "request_id": "r"});
            assert_eq!(told(&Failure::new(kind, "m")), expected);
        }
    }

    #[test]
    fn an_upstreams_own_error_passes_unless_it_is_about_the_credential() {
        let own = body("rate_limit_error", "slow down");
        let failure = refused(429, &own);
        assert_eq!(write(&Told { failure: &failure, request_id: "r" }), own);
        let failure = refused(401, &body("authentication_error", "invalid x-api-key"));
        let told = write(&Told { failure: &failure, request_id: "r" });
        assert!(!String::from_utf8_lossy(&told).contains("x-api-key"));
        let failure = refused(400, r#"{"error":{"message":"m"}}"#);
        let told = write(&Told { failure: &failure, request_id: "r" });
        assert!(String::from_utf8_lossy(&told).contains("\"type\":\"error\""));
    }
}
