//! Answers and failures become HTTP here and nowhere else.

use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use isthmus_adapters::adapter;
use isthmus_adapters::dialect::{Stamp, Told};
use isthmus_adapters::dialects::caller;
use isthmus_inference::failure::{Failure, Kind};
use isthmus_inference::ident::{ModelName, RequestId};
use isthmus_inference::request::{Dialect, Request};
use serde_json::{Value, json};

use super::body::StreamedAnswer;
use super::reply::Reply;
use crate::app::App;
use crate::ids;
use crate::pipeline::dispatch::{Answer, Content};
use crate::pipeline::settle::{Outcome, Record, Release, Ticket};
use crate::quota::Notes;
use crate::quota::rates::Reset;

/// The name of a call, the caller's or ours.
pub static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
static ANTHROPIC_REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
/// The fields that the endpoint has no word for and that were left out.
static DROPPED: HeaderName = HeaderName::from_static("x-isthmus-dropped-params");
/// The most bytes of names in a header; a caller may send as many unknown members as he likes.
const LONGEST_LIST: usize = 2048;
static ENDPOINT: HeaderName = HeaderName::from_static("x-isthmus-endpoint");
static PROVIDER: HeaderName = HeaderName::from_static("x-isthmus-provider");
static MODEL: HeaderName = HeaderName::from_static("x-isthmus-model");
static REGION: HeaderName = HeaderName::from_static("x-isthmus-region");
static POLICY: HeaderName = HeaderName::from_static("x-isthmus-policy");
static ATTEMPTS: HeaderName = HeaderName::from_static("x-isthmus-attempts");
static CACHE: HeaderName = HeaderName::from_static("x-isthmus-cache");
static OVERHEAD: HeaderName = HeaderName::from_static("x-isthmus-overhead-us");
static COST: HeaderName = HeaderName::from_static("x-isthmus-cost-usd");
/// Budgets that are being used up: `NAME 92%`.
static WARNING: HeaderName = HeaderName::from_static("x-isthmus-budget-warning");
/// The budget for whose sake another pool answers.
static DOWNGRADED: HeaderName = HeaderName::from_static("x-isthmus-downgraded");
/// A rate, what is left of it, and when all of it is there again: as OpenAI's SDKs know them.
static REQUEST_RATE: [HeaderName; 3] = [
    HeaderName::from_static("x-ratelimit-limit-requests"),
    HeaderName::from_static("x-ratelimit-remaining-requests"),
    HeaderName::from_static("x-ratelimit-reset-requests"),
];
static TOKEN_RATE: [HeaderName; 3] = [
    HeaderName::from_static("x-ratelimit-limit-tokens"),
    HeaderName::from_static("x-ratelimit-remaining-tokens"),
    HeaderName::from_static("x-ratelimit-reset-tokens"),
];

/// The most headers that an answer usually has: room for them is made at once.
const HEADERS: usize = 12;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");

/// An answer, whole or streamed; the ticket is settled at its last byte. A whole one may be sent when
/// that is written down.
pub fn answer(app: &Arc<App>, answer: Answer, mut ticket: Ticket) -> (Response<Reply>, Release) {
    let Answer { endpoint, request, content, id, keep } = answer;
    let cache = HeaderValue::from_static(ticket.record().cache.as_str());
    let (mut response, release) = match content {
        Content::Whole(whole) => {
            ticket.used(whole.usage);
            let model = endpoint.model.as_str();
            let body = written(&request, whole.content, model);
            if let Some(keep) = keep {
                keep.whole(ticket.record(), whole.usage, &body);
            }
            let mut response = dressed(body, ticket.record());
            response.headers_mut().insert(CONTENT_TYPE, JSON);
            if let Some(cost) = ticket.record().cost() {
                put(&mut response, COST.clone(), &cost.to_string());
            }
            let hold = ticket.hold();
            let settled = ticket.settle(&app.metrics, Outcome::Answered);
            (response.map(Reply::from), Release::when(settled, hold))
        }
        Content::Stream(streamed) => {
            let response = dressed((), ticket.record());
            let id = id.unwrap_or_else(|| answer_id(&request));
            let app = Arc::clone(app);
            let stamp = stamp(&id, endpoint.model.as_str());
            let streamed = StreamedAnswer::new(app, &request, &stamp, ticket, *streamed, keep);
            let mut response = response.map(|()| Reply::Streamed(Box::new(streamed)));
            response.headers_mut().insert(CONTENT_TYPE, EVENT_STREAM);
            response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
            (response, Release::at_once())
        }
    };
    response.headers_mut().insert(CACHE.clone(), cache);
    (response, release)
}

/// A call that failed on its way.
pub fn refusal(failure: &Failure, record: &Record) -> Response<Reply> {
    let mut response = self::failure(failure, record.dialect, &record.id);
    dress(&mut response, record);
    response
}

/// A failure in the caller's dialect.
pub fn failure<B: From<Bytes>>(failure: &Failure, dialect: Dialect, id: &RequestId) -> Response<B> {
    let body = caller(dialect).error(&Told { failure, request_id: id.as_str() });
    let mut response = Response::new(B::from(body));
    *response.status_mut() = status_of(failure);
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    put(&mut response, REQUEST_ID.clone(), id.as_str());
    if let Some(seconds) = retry_after(failure) {
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    response
}

/// A failure of the method, which HTTP has a status of its own for.
pub fn wrong_method<B: From<Bytes>>(
    failure: &Failure,
    dialect: Dialect,
    id: &RequestId,
) -> Response<B> {
    let mut response = self::failure(failure, dialect, id);
    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    response
}

/// The models that a caller may ask for.
pub fn models(names: &[ModelName], created: i64, id: &RequestId) -> Response<axum::body::Body> {
    let data: Vec<_> = names.iter().map(|name| model_card(name, created)).collect();
    json_response(&json!({ "object": "list", "data": data }), id)
}

/// One model.
pub fn model(name: &ModelName, created: i64, id: &RequestId) -> Response<axum::body::Body> {
    json_response(&model_card(name, created), id)
}

/// The failure's status, for HTTP.
fn status_of(failure: &Failure) -> StatusCode {
    StatusCode::from_u16(failure.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// Whole seconds, rounded up. Where nobody said how long, a moment: the SDKs wait at least that.
fn retry_after(failure: &Failure) -> Option<u64> {
    let asked = failure.retry_after.map(|wait| wait.as_secs_f64().ceil().max(1.0) as u64);
    let fails_for_a_while = matches!(failure.status(), 429 | 503);
    asked.or((fails_for_a_while && failure.kind != Kind::QuotaExhausted).then_some(1))
}

/// An answer with the headers that say how the call went.
fn dressed<B>(body: B, record: &Record) -> Response<B> {
    let mut response = Response::new(body);
    response.headers_mut().reserve(HEADERS);
    put(&mut response, REQUEST_ID.clone(), record.id.as_str());
    dress(&mut response, record);
    response
}

/// The headers that say how the call went.
fn dress<B>(response: &mut Response<B>, record: &Record) {
    if record.dialect == Dialect::Anthropic {
        // Where Anthropic's SDKs look for it.
        put(response, ANTHROPIC_REQUEST_ID.clone(), record.id.as_str());
    }
    if !record.dropped.is_empty() {
        put(response, DROPPED.clone(), &listed(&record.dropped));
    }
    note(response, &record.notes);
    let headers = response.headers_mut();
    headers.insert(ATTEMPTS.clone(), record.attempts.made().into());
    let overhead = u64::try_from(record.overhead().as_micros()).unwrap_or(u64::MAX);
    headers.insert(OVERHEAD.clone(), overhead.into());
    if let Some(endpoint) = record.endpoint() {
        let shown = &endpoint.shown;
        let named = [
            (&ENDPOINT, &shown.name),
            (&PROVIDER, &shown.provider),
            (&MODEL, &shown.model),
            (&REGION, &shown.region),
        ];
        for (name, value) in named {
            if let Some(value) = value {
                headers.insert(name.clone(), value.clone());
            }
        }
    }
    if let Some(edition) = &record.edition {
        put(response, POLICY.clone(), edition.version());
    }
}

/// The headers that say how budgets and rates stand.
fn note<B>(response: &mut Response<B>, notes: &Notes) {
    let Notes { warnings, rates, downgraded } = notes;
    if !warnings.is_empty() {
        let warnings: Vec<_> =
            warnings.iter().map(|(name, percent)| format!("{name} {percent}%")).collect();
        put(response, WARNING.clone(), &warnings.join(", "));
    }
    if let Some(budget) = downgraded {
        put(response, DOWNGRADED.clone(), budget);
    }
    for (names, rate) in [(&REQUEST_RATE, rates.requests), (&TOKEN_RATE, rates.tokens)] {
        let Some(rate) = rate else { continue };
        let [limit, remaining, reset] = names;
        response.headers_mut().insert(limit.clone(), rate.limit.into());
        response.headers_mut().insert(remaining.clone(), rate.remaining.into());
        put(response, reset.clone(), &Reset(rate.reset).to_string());
    }
}

/// Names with commas between, as a header can hold them: what is not plain is escaped as in a URL, and
/// of a list that is too long the rest is counted.
fn listed(names: &[String]) -> String {
    let mut list = String::new();
    for (at, name) in names.iter().enumerate() {
        if list.len() + name.len() > LONGEST_LIST {
            let _ = write!(list, "{}+{}", if at == 0 { "" } else { "," }, names.len() - at);
            break;
        }
        if at > 0 {
            list.push(',');
        }
        for byte in name.bytes() {
            if byte.is_ascii_graphic() && !matches!(byte, b',' | b'%') {
                list.push(char::from(byte));
            } else {
                let _ = write!(list, "%{byte:02X}");
            }
        }
    }
    list
}

/// Sets a header, unless its value holds what a header may not (a model's name can).
fn put<B>(response: &mut Response<B>, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

/// The answer in the caller's dialect.
fn written(request: &Request, content: adapter::Content, model: &str) -> Bytes {
    // What is relayed has an id and a date of its own.
    if let adapter::Content::Relay(bytes) = content {
        return bytes;
    }
    let (caller, id) = (caller(request.dialect), answer_id(request));
    let stamp = stamp(&id, model);
    match content {
        adapter::Content::Relay(bytes) => bytes,
        adapter::Content::Chat(answer) => caller.answer(request, &answer, &stamp),
        adapter::Content::Embedding(answer) => caller.vectors(request, &answer, &stamp),
        adapter::Content::TokenCount(tokens) => caller.token_count(tokens),
    }
}

fn stamp<'a>(id: &'a str, model: &'a str) -> Stamp<'a> {
    Stamp { id, created: crate::keyring::now().unsigned_abs(), model }
}

/// An id in the form that the caller's dialect has for it.
fn answer_id(request: &Request) -> String {
    ids::fresh(caller(request.dialect).id_prefix(request.operation))
}

fn model_card(name: &ModelName, created: i64) -> Value {
    json!({ "id": name, "object": "model", "created": created, "owned_by": "isthmus" })
}

fn json_response(body: &Value, id: &RequestId) -> Response<axum::body::Body> {
    let mut response = Response::new(body.to_string().into());
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    put(&mut response, REQUEST_ID.clone(), id.as_str());
    response
}

#[cfg(test)]
mod tests {
    use isthmus_inference::failure::UpstreamError;

    use super::*;

    #[test]
    fn any_names_make_a_header_of_bounded_length() {
        let names =
            |names: &[&str]| listed(&names.iter().map(|&name| name.into()).collect::<Vec<_>>());
        assert_eq!(names(&["seed", "top_k"]), "seed,top_k");
        assert_eq!(
            names(&["größe", "a,b", "100%", "a b\n"]),
            "gr%C3%B6%C3%9Fe,a%2Cb,100%25,a%20b%0A"
        );
        let long = "ü".repeat(100);
        let many = names(&vec![long.as_str(); 1000]);
        assert!(many.len() < 4 * LONGEST_LIST && many.ends_with(",+996"), "{many}");
        assert_eq!(names(&["x".repeat(LONGEST_LIST + 1).as_str()]), "+1");
        HeaderValue::from_str(&many).unwrap();
    }

    fn body_of(failure: &Failure) -> Bytes {
        caller(Dialect::OpenAi).error(&Told { failure, request_id: "req_1" })
    }

    fn upstream(kind: Kind, status: u16, body: &'static str) -> Failure {
        let body = Bytes::from_static(body.as_bytes());
        Failure::new(kind, "ours").with_upstream(UpstreamError { status, body, request_id: None })
    }

    #[test]
    fn an_upstreams_own_error_keeps_its_status_and_words() {
        let theirs = r#"{"error":{"message":"conflict","type":"t","param":null,"code":"c"}}"#;
        let failure = upstream(Kind::InvalidRequest, 409, theirs);
        assert_eq!(
            (status_of(&failure).as_u16(), &body_of(&failure)[..]),
            (409, theirs.as_bytes())
        );
    }

    #[test]
    fn an_upstreams_refusal_of_our_credential_is_ours_and_quotes_nothing() {
        let theirs = r#"{"error":{"message":"Incorrect API key provided: sk-secret"}}"#;
        let failure = upstream(Kind::UpstreamAuth, 401, theirs);
        assert_eq!(status_of(&failure), StatusCode::BAD_GATEWAY);
        let body = body_of(&failure);
        assert!(!body.windows(9).any(|window| window == b"sk-secret"));
        assert!(std::str::from_utf8(&body).unwrap().contains("upstream_auth_failed"));
    }

    #[test]
    fn a_body_in_another_shape_is_told_in_ours() {
        let failure = upstream(Kind::ProviderError, 529, "<html>overloaded</html>");
        let body: Value = serde_json::from_slice(&body_of(&failure)).unwrap();
        assert_eq!(status_of(&failure).as_u16(), 529);
        assert_eq!(body["error"]["message"], "ours");
        assert_eq!(body["error"]["type"], "server_error");
    }

    #[test]
    fn who_must_wait_is_told_how_long() {
        let wait = std::time::Duration::from_millis(1200);
        let told = |failure: Failure| retry_after(&failure);
        assert_eq!(told(Failure::new(Kind::Overloaded, "").with_retry_after(wait)), Some(2));
        assert_eq!(told(Failure::new(Kind::RateLimited, "")), Some(1));
        assert_eq!(told(Failure::new(Kind::QuotaExhausted, "")), None);
        assert_eq!(told(Failure::invalid("a", "")), None);
    }
}
