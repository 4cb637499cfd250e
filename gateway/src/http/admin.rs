//! The admin door: whether the house is well, and its numbers. Probes and scrapers need no token;
//! the page that lists models asks for `server.admin_token` where there is one.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{Html, IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};
use isthmus_inference::secret::Secret;
use isthmus_ledger::key::KeyHash;
use serde_json::Value;

use crate::app::App;
use crate::pipeline::identify::presented;

/// `GET /`: what is here.
pub async fn home(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    if !may_look(app.admin_token.as_ref(), &headers) {
        return no_token();
    }
    let models: String =
        app.directory.names().iter().map(|name| format!("<li><code>{name}</code></li>")).collect();
    Html(format!(
        "<!doctype html><html lang=en><meta charset=utf-8><title>Isthmus</title>\
         <h1>Isthmus</h1><p>Version {}.</p><h2>Models</h2><ul>{models}</ul>\
         <p><a href=/healthz>health</a> · <a href=/readyz>readiness</a> · <a href=/metrics>metrics</a></p>",
        env!("CARGO_PKG_VERSION")
    ))
    .into_response()
}

/// What somebody is told who may not look.
pub(super) fn no_token() -> Response {
    let message = "send `Authorization: Bearer` with server.admin_token\n";
    (StatusCode::UNAUTHORIZED, message).into_response()
}

/// An answer in JSON.
pub(super) fn json_answer(status: StatusCode, body: &Value) -> Response {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Whether the token fits. Hashes are compared, so that the time it takes tells nothing.
pub(super) fn may_look(token: Option<&Secret>, headers: &HeaderMap) -> bool {
    let hash = |text: &str| KeyHash::of(text);
    token.is_none_or(|token| {
        presented(headers).is_some_and(|given| hash(given) == hash(token.expose()))
    })
}

/// `GET /healthz`: the process answers.
pub async fn healthz() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: it takes in calls.
pub async fn readyz(State(app): State<Arc<App>>) -> (StatusCode, &'static str) {
    if app.is_draining() {
        (StatusCode::SERVICE_UNAVAILABLE, "draining\n")
    } else {
        (StatusCode::OK, "ready\n")
    }
}

/// `GET /metrics`: in Prometheus' text format.
pub async fn metrics(State(app): State<Arc<App>>) -> impl IntoResponse {
    app.observe();
    match app.metrics.render() {
        Ok(text) => {
            (StatusCode::OK, [(CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_asked_for_where_there_is_one() {
        let token = Secret::from("t");
        let headers = |value: &'static str| {
            HeaderMap::from_iter([(http::header::AUTHORIZATION, value.parse().unwrap())])
        };
        assert!(may_look(None, &HeaderMap::new()));
        assert!(may_look(Some(&token), &headers("Bearer t")));
        assert!(!may_look(Some(&token), &headers("Bearer x")));
        assert!(!may_look(Some(&token), &HeaderMap::new()));
    }
}
