//! Answers and failures become HTTP here and nowhere else.

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use isthmus_adapters::adapter;
use isthmus_adapters::dialects::{self, Stamp, decode_embedding};
use isthmus_inference::failure::{Blame, Failure, Kind};
use isthmus_inference::ident::{ModelName, RequestId};
use isthmus_inference::request::{Operation, Request};
use serde_json::{Value, json};

use super::body::StreamedAnswer;
use super::ids;
use crate::app::App;
use crate::pipeline::dispatch::{Answer, Content};
use crate::pipeline::settle::{Outcome, Record, Ticket};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const ENDPOINT: HeaderName = HeaderName::from_static("x-isthmus-endpoint");
const PROVIDER: HeaderName = HeaderName::from_static("x-isthmus-provider");
const MODEL: HeaderName = HeaderName::from_static("x-isthmus-model");
const ATTEMPTS: HeaderName = HeaderName::from_static("x-isthmus-attempts");
const CACHE: HeaderName = HeaderName::from_static("x-isthmus-cache");
const OVERHEAD: HeaderName = HeaderName::from_static("x-isthmus-overhead-us");
const COST: HeaderName = HeaderName::from_static("x-isthmus-cost-usd");

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");

/// An answer, whole or streamed; the ticket is settled at its last byte.
pub fn answer(app: &Arc<App>, answer: Answer, mut ticket: Ticket) -> Response {
    let Answer { endpoint, request, content } = answer;
    let id = completion_id(request.operation);
    let created = crate::keyring::now().unsigned_abs();
    let stamp = Stamp { id: &id, created, model: endpoint.model.as_str() };
    let mut response = match content {
        Content::Whole(whole) => {
            ticket.used(whole.usage);
            let body = written(&request, whole.content, &stamp);
            let mut response = Response::new(Body::from(body));
            dress(&mut response, ticket.record());
            response.headers_mut().insert(CONTENT_TYPE, JSON);
            if let Some(cost) = ticket.record().cost() {
                put(&mut response, COST, &cost.to_string());
            }
            ticket.settle(&app.metrics, Outcome::Answered);
            response
        }
        Content::Stream { first, rest } => {
            let mut head = Response::new(());
            dress(&mut head, ticket.record());
            let app = Arc::clone(app);
            let streamed = StreamedAnswer::new(app, &request, &stamp, ticket, first, rest);
            let mut response = head.map(|()| Body::new(streamed));
            response.headers_mut().insert(CONTENT_TYPE, EVENT_STREAM);
            response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
            response
        }
    };
    response.headers_mut().insert(CACHE, HeaderValue::from_static("off"));
    response
}

/// A call that failed on its way.
pub fn refusal(failure: &Failure, record: &Record) -> Response {
    let mut response = self::failure(failure, &record.id);
    dress(&mut response, record);
    response
}

/// A failure in OpenAI's shape.
pub fn failure(failure: &Failure, id: &RequestId) -> Response {
    let mut response = Response::new(Body::from(error_body(failure)));
    *response.status_mut() = status_of(failure);
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    put(&mut response, REQUEST_ID, id.as_str());
    if let Some(seconds) = retry_after(failure) {
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    response
}

/// A failure of the method, which HTTP has a status of its own for. The router adds `Allow`.
pub fn wrong_method(failure: &Failure, id: &RequestId) -> Response {
    let mut response = self::failure(failure, id);
    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    response
}

/// The models that a caller may ask for.
pub fn models(names: &[ModelName], created: i64, id: &RequestId) -> Response {
    let data: Vec<_> = names.iter().map(|name| model_card(name, created)).collect();
    json_response(&json!({ "object": "list", "data": data }), id)
}

/// One model.
pub fn model(name: &ModelName, created: i64, id: &RequestId) -> Response {
    json_response(&model_card(name, created), id)
}

/// The status that makes the official SDKs raise the right exception. An upstream's own error
/// keeps its status, unless it was about the house's credential.
pub fn status_of(failure: &Failure) -> StatusCode {
    if let Some(upstream) = &failure.upstream
        && failure.kind != Kind::UpstreamAuth
        && let Ok(status) = StatusCode::from_u16(upstream.status)
        && (status.is_client_error() || status.is_server_error())
    {
        return status;
    }
    match failure.kind {
        Kind::InvalidRequest | Kind::ContextLength | Kind::ContentFilter | Kind::Unsupported => {
            StatusCode::BAD_REQUEST
        }
        Kind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Kind::Unauthenticated => StatusCode::UNAUTHORIZED,
        Kind::Forbidden => StatusCode::FORBIDDEN,
        Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::RateLimited | Kind::QuotaExhausted => StatusCode::TOO_MANY_REQUESTS,
        Kind::Overloaded | Kind::Unreachable => StatusCode::SERVICE_UNAVAILABLE,
        Kind::Timeout if failure.blame == Blame::Caller => StatusCode::REQUEST_TIMEOUT,
        Kind::Timeout => StatusCode::GATEWAY_TIMEOUT,
        Kind::Malformed | Kind::ProviderError | Kind::UpstreamAuth => StatusCode::BAD_GATEWAY,
        Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// OpenAI's error object; an upstream's own, if it is one already.
pub fn error_body(failure: &Failure) -> Bytes {
    if let Some(upstream) = &failure.upstream
        && failure.kind != Kind::UpstreamAuth
        && is_openai_error(&upstream.body)
    {
        return upstream.body.clone();
    }
    let error = json!({ "error": {
        "message": failure.message,
        "type": error_type(status_of(failure)),
        "param": failure.param,
        "code": failure.kind.as_str(),
    }});
    error.to_string().into()
}

fn is_openai_error(body: &[u8]) -> bool {
    serde_json::from_slice::<Value>(body)
        .is_ok_and(|body| body.pointer("/error/message").is_some_and(Value::is_string))
}

fn error_type(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "authentication_error",
        403 => "permission_error",
        429 => "rate_limit_error",
        400..500 => "invalid_request_error",
        _ => "server_error",
    }
}

/// Whole seconds, rounded up. Where nobody said how long, a moment: the SDKs wait at least that.
fn retry_after(failure: &Failure) -> Option<u64> {
    let asked = failure.retry_after.map(|wait| wait.as_secs_f64().ceil().max(1.0) as u64);
    let fails_for_a_while = matches!(status_of(failure).as_u16(), 429 | 503);
    asked.or((fails_for_a_while && failure.kind != Kind::QuotaExhausted).then_some(1))
}

/// The headers that say how the call went.
fn dress<T>(response: &mut http::Response<T>, record: &Record) {
    put(response, REQUEST_ID, record.id.as_str());
    response.headers_mut().insert(ATTEMPTS, record.attempts.into());
    let overhead = u64::try_from(record.overhead().as_micros()).unwrap_or(u64::MAX);
    response.headers_mut().insert(OVERHEAD, overhead.into());
    if let Some(endpoint) = &record.endpoint {
        put(response, ENDPOINT, endpoint.name.as_str());
        put(response, PROVIDER, endpoint.provider.as_str());
        put(response, MODEL, endpoint.model.as_str());
    }
}

/// Sets a header, unless its value holds what a header may not (a model's name can).
fn put<T>(response: &mut http::Response<T>, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

fn written(request: &Request, content: adapter::Content, stamp: &Stamp<'_>) -> Bytes {
    match content {
        adapter::Content::Relay(bytes) => bytes,
        adapter::Content::Embedding(answer) => {
            let encoding = decode_embedding(&request.body).map(|request| request.encoding);
            dialects::encode_embedding_answer(&answer, encoding.unwrap_or_default(), stamp.model)
        }
        adapter::Content::Chat(answer) if request.operation == Operation::Completion => {
            dialects::encode_completion_answer(&answer, stamp)
        }
        adapter::Content::Chat(answer) => dialects::encode_chat_answer(&answer, stamp),
    }
}

/// An id in the form that OpenAI's have.
fn completion_id(operation: Operation) -> String {
    ids::fresh(if operation == Operation::Completion { "cmpl-" } else { "chatcmpl-" })
}

fn model_card(name: &ModelName, created: i64) -> Value {
    json!({ "id": name, "object": "model", "created": created, "owned_by": "isthmus" })
}

fn json_response(body: &Value, id: &RequestId) -> Response {
    let mut response = Response::new(Body::from(body.to_string()));
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    put(&mut response, REQUEST_ID, id.as_str());
    response
}

#[cfg(test)]
mod tests {
    use isthmus_inference::failure::UpstreamError;

    use super::*;

    fn upstream(kind: Kind, status: u16, body: &'static str) -> Failure {
        let body = Bytes::from_static(body.as_bytes());
        Failure::new(kind, "ours").with_upstream(UpstreamError { status, body, request_id: None })
    }

    #[test]
    fn an_upstreams_own_error_keeps_its_status_and_words() {
        let theirs = r#"{"error":{"message":"conflict","type":"t","param":null,"code":"c"}}"#;
        let failure = upstream(Kind::InvalidRequest, 409, theirs);
        assert_eq!(
            (status_of(&failure).as_u16(), &error_body(&failure)[..]),
            (409, theirs.as_bytes())
        );
    }

    #[test]
    fn an_upstreams_refusal_of_our_credential_is_ours_and_quotes_nothing() {
        let theirs = r#"{"error":{"message":"Incorrect API key provided: sk-secret"}}"#;
        let failure = upstream(Kind::UpstreamAuth, 401, theirs);
        assert_eq!(status_of(&failure), StatusCode::BAD_GATEWAY);
        let body = error_body(&failure);
        assert!(!body.windows(9).any(|window| window == b"sk-secret"));
        assert!(std::str::from_utf8(&body).unwrap().contains("upstream_auth_failed"));
    }

    #[test]
    fn a_body_in_another_shape_is_told_in_ours() {
        let failure = upstream(Kind::ProviderError, 529, "<html>overloaded</html>");
        let body: Value = serde_json::from_slice(&error_body(&failure)).unwrap();
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
