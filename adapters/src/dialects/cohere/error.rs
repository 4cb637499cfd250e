//! Errors: `{"id","message"}`, newer ones with an `error_type` (the vendor's page "Errors").

use bytes::Bytes;
use isthmus_inference::failure::{Failure, Kind, Retry, UpstreamError};
use serde::Deserialize;

use crate::dialect::Refused;
use crate::dialects::openai_error::{CREDENTIAL_REFUSED, excerpt, plain, retry_after, shortened};

/// What is said of prompts that do not fit.
const TOO_LONG: [&str; 3] = ["too many tokens", "size limit exceeded", "context length"];
/// What is said when a trial or a budget is used up.
const SPENT: [&str; 4] =
    ["api calls / month", "calls per month", "monthly", "add or update a payment method"];

/// An error, as far as it is read here.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Said {
    message: Option<String>,
    error_type: Option<String>,
}

/// The failure that an answer with an error's status tells of.
pub(super) fn of_response(refused: Refused<'_>) -> Failure {
    let Refused { status, headers, body, request_id, now } = refused;
    let status = status.as_u16();
    let said = serde_json::from_slice::<Said>(&body);
    let said = said.unwrap_or_else(|_| Said { message: plain(&body), error_type: None });
    let mut failure = failure(status, &said);
    failure.retry_after = retry_after::read(headers, now, failure.kind == Kind::RateLimited);
    let detail = format!("HTTP {status}: {}", excerpt(&body));
    failure.with_detail(detail).with_upstream(UpstreamError { status, body, request_id })
}

/// The failure that an error in an answer's place tells of; `None` if it is none.
pub(super) fn in_answer(body: &[u8]) -> Option<Failure> {
    let said: Said = serde_json::from_slice(body).ok()?;
    said.message.as_ref()?;
    let failure = failure(500, &said).with_detail("an error inside an answer");
    let body = Bytes::copy_from_slice(body);
    Some(failure.with_upstream(UpstreamError { status: 500, body, request_id: None }))
}

fn failure(status: u16, said: &Said) -> Failure {
    let message = said.message.as_deref().unwrap_or_default();
    let kind = kind_of(status, said.error_type.as_deref(), message);
    let message = match message {
        // The vendor speaks to the holder of the credential, who is not the caller.
        _ if kind == Kind::UpstreamAuth => CREDENTIAL_REFUSED.to_owned(),
        "" => format!("the provider answered with status {status} and no explanation"),
        message => shortened(message),
    };
    let failure = Failure::new(kind, message);
    // A model that one endpoint lacks, another may have.
    if kind == Kind::NotFound { failure.retried(Retry::Elsewhere) } else { failure }
}

fn kind_of(status: u16, word: Option<&str>, message: &str) -> Kind {
    let message = message.to_ascii_lowercase();
    let says = |texts: &[&str]| texts.iter().any(|text| message.contains(text));
    match status {
        400 | 413 | 422 | 500 if word == Some("TOO_MANY_TOKENS") || says(&TOO_LONG) => {
            Kind::ContextLength
        }
        401 | 403 => Kind::UpstreamAuth,
        402 => Kind::QuotaExhausted,
        404 => Kind::NotFound,
        408 | 504 => Kind::Timeout,
        413 => Kind::TooLarge,
        429 if says(&SPENT) => Kind::QuotaExhausted,
        429 => Kind::RateLimited,
        // "blocked input or output"
        498 => Kind::ContentFilter,
        400..=499 => Kind::InvalidRequest,
        501 => Kind::Unsupported,
        503 => Kind::Overloaded,
        _ => Kind::ProviderError,
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use http::{HeaderMap, StatusCode};
    use serde_json::json;

    use super::*;

    #[test]
    fn status_and_words_decide_the_kind() {
        let trial = "You are using a Trial key, which is limited to 1000 API calls / month.";
        let cases = [
            (400, "too many tokens: size limit exceeded by 3 tokens.", Kind::ContextLength),
            (400, "invalid request: temperature", Kind::InvalidRequest),
            (401, "invalid api token", Kind::UpstreamAuth),
            (402, "pay", Kind::QuotaExhausted),
            (404, "model 'x' not found", Kind::NotFound),
            (422, "bad", Kind::InvalidRequest),
            (429, "too fast", Kind::RateLimited),
            (429, trial, Kind::QuotaExhausted),
            (498, "blocked", Kind::ContentFilter),
            (501, "not implemented", Kind::Unsupported),
            (500, "internal", Kind::ProviderError),
            (503, "busy", Kind::Overloaded),
            (504, "late", Kind::Timeout),
        ];
        for (status, message, kind) in cases {
            let failure = of_response(Refused {
                status: StatusCode::from_u16(status).unwrap(),
                headers: &HeaderMap::new(),
                body: json!({"id": "x", "message": message}).to_string().into(),
                request_id: None,
                now: SystemTime::UNIX_EPOCH,
            });
            assert_eq!(failure.kind, kind, "{status} {message}");
            let told = if kind == Kind::UpstreamAuth { CREDENTIAL_REFUSED } else { message };
            assert_eq!(failure.message, told);
        }
    }
}
