//! What AWS says when something went wrong, before an answer or in the middle of one.
//!
//! An error has a name, in the header `x-amzn-errortype` or the body's `__type`, and a message (AWS
//! REST-JSON protocol). The names and their statuses are those of the API reference ("Converse",
//! "ConverseStream", "Common errors"); in a stream they are written with a small first letter.

use bytes::Bytes;
use isthmus_inference::failure::{Failure, Kind, Retry, UpstreamError};
use serde::Deserialize;

use crate::dialect::Refused;
use crate::dialects::openai_error::{CREDENTIAL_REFUSED, excerpt, plain, retry_after, shortened};

/// An error's body.
#[derive(Debug, Default, Deserialize)]
struct Said {
    #[serde(rename = "__type")]
    name: Option<String>,
    #[serde(alias = "Message")]
    message: Option<String>,
}

/// An error's name, in small letters and without `exception`, what it is, and the status with which
/// it comes where there is one.
const NAMES: [(&str, Kind, u16); 25] = [
    ("accessdenied", Kind::UpstreamAuth, 403),
    ("expiredtoken", Kind::UpstreamAuth, 403),
    ("incompletesignature", Kind::UpstreamAuth, 403),
    ("invalidclienttokenid", Kind::UpstreamAuth, 403),
    ("invalidsignature", Kind::UpstreamAuth, 403),
    ("missingauthenticationtoken", Kind::UpstreamAuth, 403),
    ("notauthorized", Kind::UpstreamAuth, 403),
    ("optinrequired", Kind::UpstreamAuth, 403),
    ("requestexpired", Kind::UpstreamAuth, 403),
    ("signaturedoesnotmatch", Kind::UpstreamAuth, 403),
    ("unauthorized", Kind::UpstreamAuth, 403),
    ("unrecognizedclient", Kind::UpstreamAuth, 403),
    ("limitexceeded", Kind::RateLimited, 429),
    ("throttling", Kind::RateLimited, 429),
    ("toomanyrequests", Kind::RateLimited, 429),
    ("servicequotaexceeded", Kind::QuotaExhausted, 400),
    ("modelnotready", Kind::Overloaded, 429),
    ("serviceunavailable", Kind::Overloaded, 503),
    ("modeltimeout", Kind::Timeout, 408),
    ("modelerror", Kind::ProviderError, 424),
    ("modelstreamerror", Kind::ProviderError, 424),
    ("internalserver", Kind::ProviderError, 500),
    ("internalfailure", Kind::ProviderError, 500),
    ("resourcenotfound", Kind::NotFound, 404),
    ("validation", Kind::InvalidRequest, 400),
];

/// What a request that was refused is, by what is said of it: AWS and the models have one name for
/// all of it. The first that fits counts.
const TEXTS: [(Kind, &[&str]); 4] = [
    (
        Kind::ContextLength,
        &[
            "input is too long",
            "prompt is too long",
            "maximum context length",
            "context window",
            "too many input tokens",
            "exceeds the maximum number of tokens",
            "input length and `max_tokens` exceed",
        ],
    ),
    (Kind::ContentFilter, &["content filtering policy", "blocked by content filter"]),
    (
        Kind::NotFound,
        &["model identifier is invalid", "inference profile is invalid", "end of its life"],
    ),
    (
        Kind::Unsupported,
        &["doesn't support", "does not support", "isn't supported", "is not supported"],
    ),
];
/// What distinguishes a day's quota from a minute's.
const QUOTA_TEXTS: [&str; 2] = ["per day", "daily"];

/// The failure that an answer with an error's status tells of.
pub(super) fn refused(refused: Refused<'_>) -> Failure {
    let Refused { status, headers, body, request_id, now } = refused;
    let mut said = Said::of(&body);
    let header = headers.get("x-amzn-errortype").and_then(|name| name.to_str().ok());
    said.name = header.map(str::to_owned).or(said.name);
    let kind = said.kind().unwrap_or_else(|| of_status(status.as_u16()));
    let mut failure = said.failure(kind, status.as_u16());
    failure.retry_after = retry_after::read(headers, now, failure.kind == Kind::RateLimited);
    let detail = format!("HTTP {}, {}: {}", status.as_u16(), said.word(), excerpt(&body));
    failure.with_detail(detail).with_upstream(UpstreamError {
        status: status.as_u16(),
        body,
        request_id,
    })
}

/// The failure that an exception in a stream tells of. `message` is what it says beside a body.
pub(super) fn in_stream(name: &str, message: &str, body: &Bytes) -> Failure {
    let mut said = Said::of(body);
    said.name = Some(name.to_owned());
    if said.message.is_none() && !message.is_empty() {
        said.message = Some(message.to_owned());
    }
    said.in_answer(body)
}

/// The failure that a body with a status of success tells of, if it is an error.
pub(super) fn in_place_of_an_answer(body: &Bytes) -> Option<Failure> {
    let said = Said::of(body);
    (said.name.is_some() || said.message.is_some()).then(|| said.in_answer(body))
}

/// The failure of an answer that is none. The reason goes to the log, which may not show the answer.
pub(super) fn malformed(reason: &str) -> Failure {
    let message = "the provider's answer cannot be understood";
    Failure::new(Kind::Malformed, message).with_detail(reason)
}

/// The same for one that is not JSON, or not of the right shape.
#[expect(clippy::needless_pass_by_value, reason = "it stands in `map_err`")]
pub(super) fn unreadable(error: serde_json::Error) -> Failure {
    // Its own words would repeat a part of the answer.
    malformed(&format!("{:?} error at its byte {}", error.classify(), error.column()))
}

// === impl Said ===

impl Said {
    fn of(body: &[u8]) -> Self {
        let told = serde_json::from_slice(body);
        told.unwrap_or_else(|_| Self { name: None, message: plain(body) })
    }

    /// The error's name as the table has it: `aws.bedrock#ThrottlingException:http://…` is
    /// `throttling`.
    fn word(&self) -> String {
        let name = self.name.as_deref().unwrap_or_default();
        let name = name.split(':').next().unwrap_or_default();
        let name = name.rsplit('#').next().unwrap_or_default().to_ascii_lowercase();
        name.trim_end_matches("exception").to_owned()
    }

    fn known(&self) -> Option<(Kind, u16)> {
        let word = self.word();
        NAMES.iter().find(|(name, ..)| *name == word).map(|(_, kind, status)| (*kind, *status))
    }

    fn kind(&self) -> Option<Kind> {
        self.known().map(|(kind, _)| kind)
    }

    fn in_answer(&self, body: &Bytes) -> Failure {
        let (kind, status) = self.known().unwrap_or((Kind::ProviderError, 500));
        // What stands beside the error may be a part of the answer, which no log may show.
        let detail = format!("an error inside an answer: `{}`", self.word());
        let upstream = UpstreamError { status, body: body.clone(), request_id: None };
        self.failure(kind, status).with_detail(detail).with_upstream(upstream)
    }

    fn failure(&self, kind: Kind, status: u16) -> Failure {
        let kind = self.closer(kind);
        let message = match (kind, &self.message) {
            (Kind::UpstreamAuth, _) => CREDENTIAL_REFUSED.to_owned(),
            (_, Some(message)) if !message.is_empty() => shortened(message),
            _ => format!("the provider answered with status {status} and no explanation"),
        };
        let failure = Failure::new(kind, message);
        // A model that one endpoint lacks, another may have.
        if kind == Kind::NotFound { failure.retried(Retry::Elsewhere) } else { failure }
    }

    /// What an error is, by its message where its name says little.
    fn closer(&self, kind: Kind) -> Kind {
        match kind {
            Kind::InvalidRequest | Kind::ProviderError => {
                TEXTS.iter().find(|(_, texts)| self.says(texts)).map_or(kind, |(kind, _)| *kind)
            }
            Kind::RateLimited if self.says(&QUOTA_TEXTS) => Kind::QuotaExhausted,
            kind => kind,
        }
    }

    fn says(&self, texts: &[&str]) -> bool {
        let message = self.message.as_deref().unwrap_or_default().to_ascii_lowercase();
        texts.iter().any(|text| message.contains(text))
    }
}

/// What an error is whose name is not known.
fn of_status(status: u16) -> Kind {
    match status {
        401 | 403 => Kind::UpstreamAuth,
        404 => Kind::NotFound,
        408 | 504 => Kind::Timeout,
        429 => Kind::RateLimited,
        503 => Kind::Overloaded,
        424 => Kind::ProviderError,
        400..=499 => Kind::InvalidRequest,
        _ => Kind::ProviderError,
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use http::{HeaderMap, StatusCode};
    use isthmus_inference::failure::Blame;

    use super::*;

    fn failure(status: u16, name: &str, body: &'static str) -> Failure {
        let mut headers = HeaderMap::new();
        if !name.is_empty() {
            headers.insert("x-amzn-errortype", name.parse().unwrap());
        }
        headers.insert("retry-after", "7".parse().unwrap());
        let status = StatusCode::from_u16(status).unwrap();
        let (request_id, now) = (Some("r-1".to_owned()), SystemTime::UNIX_EPOCH);
        refused(Refused { status, headers: &headers, body: body.into(), request_id, now })
    }

    #[test]
    fn name_and_text_decide_the_kind() {
        let coral = "ValidationException:http://internal.amazon.com/coral/com.amazon.bedrock/";
        let cases = [
            (400, coral, r#"{"message":"bad"}"#, Kind::InvalidRequest),
            (
                400,
                coral,
                r#"{"message":"Input is too long for requested model."}"#,
                Kind::ContextLength,
            ),
            (
                400,
                coral,
                r#"{"message":"The provided model identifier is invalid."}"#,
                Kind::NotFound,
            ),
            (
                400,
                coral,
                r#"{"message":"This model doesn't support tool use."}"#,
                Kind::Unsupported,
            ),
            (
                400,
                "",
                r#"{"__type":"com.amazon#ServiceQuotaExceededException"}"#,
                Kind::QuotaExhausted,
            ),
            (403, "AccessDeniedException", r#"{"Message":"m"}"#, Kind::UpstreamAuth),
            (400, "ExpiredTokenException", r#"{"message":"m"}"#, Kind::UpstreamAuth),
            (404, "ResourceNotFoundException", "{}", Kind::NotFound),
            (408, "ModelTimeoutException", "{}", Kind::Timeout),
            (
                424,
                "ModelErrorException",
                r#"{"message":"m","originalStatusCode":500}"#,
                Kind::ProviderError,
            ),
            (429, "ThrottlingException", r#"{"message":"Too many requests"}"#, Kind::RateLimited),
            (
                429,
                "ThrottlingException",
                r#"{"message":"Too many tokens per day"}"#,
                Kind::QuotaExhausted,
            ),
            (429, "ModelNotReadyException", "{}", Kind::Overloaded),
            (500, "InternalServerException", "{}", Kind::ProviderError),
            (503, "ServiceUnavailableException", "{}", Kind::Overloaded),
            // No name, or one that is not known.
            (403, "", "<html>", Kind::UpstreamAuth),
            (429, "NewException", "", Kind::RateLimited),
            (418, "", "", Kind::InvalidRequest),
            (502, "", "<html>", Kind::ProviderError),
        ];
        for (status, name, body, kind) in cases {
            let failure = failure(status, name, body);
            assert_eq!(failure.kind, kind, "{status} {name} {body}");
            assert_eq!(failure.upstream.unwrap().status, status);
        }
    }

    #[test]
    fn the_vendors_words_and_wishes_are_kept() {
        let failure = failure(429, "ThrottlingException", r#"{"message":"slow down"}"#);
        assert_eq!(failure.message, "slow down");
        assert_eq!(failure.retry_after, Some(Duration::from_secs(7)));
        assert_eq!(failure.upstream.unwrap().request_id.as_deref(), Some("r-1"));
    }

    #[test]
    fn a_refused_credential_is_not_the_callers_affair() {
        let failure =
            failure(403, "", r#"{"message":"user arn:aws:iam::1:user/x is not allowed"}"#);
        assert_eq!((failure.blame, failure.message.contains("arn")), (Blame::House, false));
    }

    #[test]
    fn exceptions_in_a_stream_have_the_status_that_they_would_have_had_before() {
        let body = Bytes::from_static(br#"{"message":"m"}"#);
        for (name, kind, status) in [
            ("throttlingException", Kind::RateLimited, 429),
            ("modelStreamErrorException", Kind::ProviderError, 424),
            ("validationException", Kind::InvalidRequest, 400),
            ("internalServerException", Kind::ProviderError, 500),
            ("serviceUnavailableException", Kind::Overloaded, 503),
            ("modelTimeoutException", Kind::Timeout, 408),
            ("somethingNewException", Kind::ProviderError, 500),
        ] {
            let failure = in_stream(name, "", &body);
            assert_eq!((failure.kind, failure.status()), (kind, status), "{name}");
            assert_eq!(failure.message, "m");
        }
        let bare = in_stream("InternalFailure", "it broke", &Bytes::new());
        assert_eq!((bare.kind, bare.message.as_str()), (Kind::ProviderError, "it broke"));
    }

    #[test]
    fn an_error_may_stand_in_an_answers_place() {
        let error = Bytes::from_static(br#"{"__type":"ThrottlingException","message":"m"}"#);
        assert_eq!(in_place_of_an_answer(&error).unwrap().kind, Kind::RateLimited);
        assert!(in_place_of_an_answer(&Bytes::from_static(b"{}")).is_none());
    }
}
