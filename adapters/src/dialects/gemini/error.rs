//! Google's errors: `google.rpc.Status` as JSON, `{"error":{code,message,status,details}}`, sometimes
//! in a list (AIP-193, and the guide "Troubleshooting" of the Gemini API).

use std::time::Duration;

use bytes::Bytes;
use isthmus_inference::failure::{Blame, Failure, Kind, Retry, UpstreamError};
use serde::Deserialize;
use serde_json::Value;

use crate::dialect::Refused;
use crate::dialects::openai_error::{
    CREDENTIAL_REFUSED, excerpt, retry_after, shortened, unexplained,
};

/// A `google.rpc.Status`.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Status {
    code: Option<u16>,
    message: Option<String>,
    status: Option<String>,
    details: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Envelope {
    One { error: Status },
    Listed(Vec<Listed>),
}

#[derive(Deserialize)]
struct Listed {
    error: Status,
}

/// Why a request is refused that shows a key (`google.rpc.ErrorInfo.reason`); it comes with 400.
const KEY_REASONS: [&str; 3] = ["API_KEY_INVALID", "API_KEY_EXPIRED", "ACCESS_TOKEN_EXPIRED"];
/// Says that a prompt is too long; there is no code for it.
const TOO_LONG: [&str; 3] = [
    "exceeds the maximum number of tokens allowed",
    "exceeds the maximum number of input tokens",
    "exceeds the maximum allowed input size",
];
/// Says that waiting does not help; so does a quota by the day, or one of nothing.
const USED_UP: [&str; 3] = ["credits are depleted", "spending cap", "limit: 0,"];
/// The codes of `google.rpc.Code`, as HTTP has them: all there is in the middle of a stream.
const CODES: [(&str, u16); 12] = [
    ("INVALID_ARGUMENT", 400),
    ("FAILED_PRECONDITION", 400),
    ("OUT_OF_RANGE", 400),
    ("UNAUTHENTICATED", 401),
    ("PERMISSION_DENIED", 403),
    ("NOT_FOUND", 404),
    ("ABORTED", 409),
    ("RESOURCE_EXHAUSTED", 429),
    ("CANCELLED", 499),
    ("UNIMPLEMENTED", 501),
    ("UNAVAILABLE", 503),
    ("DEADLINE_EXCEEDED", 504),
];
/// The longest wait that is believed.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// The failure that an answer with an error's status tells of.
pub(super) fn from_response(refused: Refused<'_>) -> Failure {
    let Refused { status, headers, body, request_id, now } = refused;
    let code = status.as_u16();
    let said = Status::of_body(&body);
    let wait = said.retry_delay();
    let mut failure = said.failure(code);
    let limited = failure.kind == Kind::RateLimited;
    failure.retry_after = wait.or_else(|| retry_after::read(headers, now, limited));
    failure.with_detail(format!("HTTP {code}: {}", excerpt(&body))).with_upstream(UpstreamError {
        status: code,
        body,
        request_id,
    })
}

/// The failure that an error tells of where an answer, or a piece of one, should be.
pub(super) fn in_answer(json: &[u8]) -> Failure {
    let said = Status::of_body(json);
    let word = said.status.clone().unwrap_or_default();
    let code = said.code.filter(|code| (400..600).contains(code));
    let code =
        code.or_else(|| CODES.iter().find(|(known, _)| *known == word).map(|(_, code)| *code));
    let status = code.unwrap_or(500);
    let wait = said.retry_delay();
    let mut failure = said.failure(status);
    failure.retry_after = wait;
    let body = Bytes::copy_from_slice(json);
    failure
        .with_detail(format!("an error inside an answer, in words {word:?}"))
        .with_upstream(UpstreamError { status, body, request_id: None })
}

/// Whether this is an error and no answer.
pub(super) fn is_one(json: &[u8]) -> bool {
    serde_json::from_slice::<Envelope>(json).is_ok()
}

// === impl Status ===

impl Status {
    fn of_body(body: &[u8]) -> Self {
        match serde_json::from_slice(body) {
            Ok(Envelope::One { error }) => error,
            Ok(Envelope::Listed(list)) => {
                list.into_iter().next().map(|listed| listed.error).unwrap_or_default()
            }
            Err(_) => Self::default(),
        }
    }

    fn failure(self, status: u16) -> Failure {
        let kind = self.kind(status);
        let message = match (kind, &self.message) {
            (Kind::UpstreamAuth, _) => CREDENTIAL_REFUSED.to_owned(),
            (_, Some(message)) if !message.is_empty() => shortened(message),
            _ => unexplained(status),
        };
        let failure = Failure::new(kind, message);
        match (kind, self.status.as_deref()) {
            (Kind::NotFound, _) => failure.retried(Retry::Elsewhere),
            // The account's country or its billing: nothing that the caller could mend.
            (Kind::InvalidRequest, Some("FAILED_PRECONDITION")) => {
                failure.blamed_on(Blame::House).retried(Retry::Elsewhere)
            }
            _ => failure,
        }
    }

    fn kind(&self, status: u16) -> Kind {
        match status {
            400 if self.reasons().any(|reason| KEY_REASONS.contains(&reason)) => Kind::UpstreamAuth,
            400 | 413 if self.says(&TOO_LONG) => Kind::ContextLength,
            401 | 403 => Kind::UpstreamAuth,
            402 => Kind::QuotaExhausted,
            404 => Kind::NotFound,
            408 | 504 => Kind::Timeout,
            429 if self.is_used_up() => Kind::QuotaExhausted,
            429 => Kind::RateLimited,
            499 => Kind::ProviderError,
            400..=498 => Kind::InvalidRequest,
            503 | 529 => Kind::Overloaded,
            _ => Kind::ProviderError,
        }
    }

    /// Whether a quota is used up for longer than a moment.
    fn is_used_up(&self) -> bool {
        let by_the_day = self.violations().any(|violation| {
            let text = |name: &str| violation.get(name).and_then(Value::as_str).unwrap_or_default();
            text("quotaId").contains("PerDay") || text("quotaValue") == "0"
        });
        by_the_day || self.says(&USED_UP)
    }

    /// `google.rpc.RetryInfo.retryDelay`, such as `48s` or `0.5s`.
    fn retry_delay(&self) -> Option<Duration> {
        let told = self.details.iter().find_map(|detail| detail.get("retryDelay")?.as_str())?;
        let seconds: f64 = told.strip_suffix('s')?.parse().ok()?;
        Duration::try_from_secs_f64(seconds).ok().map(|wait| wait.min(LONGEST_WAIT))
    }

    /// `google.rpc.ErrorInfo.reason`.
    fn reasons(&self) -> impl Iterator<Item = &str> {
        self.details.iter().filter_map(|detail| detail.get("reason")?.as_str())
    }

    /// `google.rpc.QuotaFailure.violations`.
    fn violations(&self) -> impl Iterator<Item = &Value> {
        let lists = self.details.iter().filter_map(|detail| detail.get("violations")?.as_array());
        lists.flatten()
    }

    fn says(&self, texts: &[&str]) -> bool {
        let message = self.message.as_deref().unwrap_or_default();
        texts.iter().any(|text| message.contains(text))
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use http::{HeaderMap, StatusCode};
    use serde_json::json;

    use super::*;

    fn failure(status: u16, error: &Value) -> Failure {
        from_response(Refused {
            status: StatusCode::from_u16(status).unwrap(),
            headers: &HeaderMap::new(),
            body: json!({ "error": error }).to_string().into(),
            request_id: None,
            now: SystemTime::UNIX_EPOCH,
        })
    }

    #[test]
    fn status_reason_and_quota_decide_the_kind() {
        let quota = |id: &str| {
            json!({"message": "You exceeded your current quota", "details": [
                {"@type": "type.googleapis.com/google.rpc.QuotaFailure",
                    "violations": [{"quotaId": id, "quotaValue": "20"}]},
                {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1.5s"}]})
        };
        let says = |message: &str| json!({ "message": message });
        let cases = [
            (400, says("bad field"), Kind::InvalidRequest),
            (
                400,
                says("The input token count (9) exceeds the maximum number of tokens allowed (8)."),
                Kind::ContextLength,
            ),
            (400, json!({"details": [{"reason": "API_KEY_INVALID"}]}), Kind::UpstreamAuth),
            (401, says("m"), Kind::UpstreamAuth),
            (403, says("m"), Kind::UpstreamAuth),
            (404, says("m"), Kind::NotFound),
            (429, quota("RequestsPerMinutePerProject"), Kind::RateLimited),
            (429, quota("RequestsPerDayPerProject"), Kind::QuotaExhausted),
            (429, says("Your prepayment credits are depleted."), Kind::QuotaExhausted),
            (429, says("Resource exhausted. Please try again later."), Kind::RateLimited),
            (499, says("m"), Kind::ProviderError),
            (500, says("m"), Kind::ProviderError),
            (503, says("The model is overloaded."), Kind::Overloaded),
            (504, says("m"), Kind::Timeout),
        ];
        for (status, error, kind) in cases {
            assert_eq!(failure(status, &error).kind, kind, "{status} {error}");
        }
        let wait = failure(429, &quota("PerMinute")).retry_after;
        assert_eq!(wait, Some(Duration::from_millis(1500)));
    }

    #[test]
    fn what_is_said_about_the_key_is_not_passed_on() {
        let failure = failure(403, &json!({"message": "Key AIza… has no permission"}));
        assert_eq!(failure.message, CREDENTIAL_REFUSED);
    }

    #[test]
    fn an_account_that_is_not_set_up_is_not_the_callers_fault() {
        let error = json!({"message": "User location is not supported for the API use.",
            "status": "FAILED_PRECONDITION"});
        let failure = failure(400, &error);
        assert_eq!((failure.blame, failure.retry), (Blame::House, Retry::Elsewhere));
    }

    #[test]
    fn an_error_in_an_answer_says_its_own_status() {
        for (json, kind) in [
            (r#"{"error":{"code":503,"message":"m","status":"UNAVAILABLE"}}"#, Kind::Overloaded),
            (r#"[{"error":{"status":"RESOURCE_EXHAUSTED"}}]"#, Kind::RateLimited),
            (r#"{"error":{}}"#, Kind::ProviderError),
            (r#"{"error":"boom"}"#, Kind::ProviderError),
        ] {
            assert_eq!(in_answer(json.as_bytes()).kind, kind, "{json}");
        }
    }
}
