//! The admin door: whether the house is well, and its numbers. None of these pages tells a secret,
//! so none asks for a token; those that will (`/admin/v1/…`) are not here yet.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{Html, IntoResponse};

use crate::app::App;

/// `GET /`: what is here.
pub async fn home(State(app): State<Arc<App>>) -> Html<String> {
    let models: String =
        app.directory.names().iter().map(|name| format!("<li><code>{name}</code></li>")).collect();
    Html(format!(
        "<!doctype html><html lang=en><meta charset=utf-8><title>Isthmus</title>\
         <h1>Isthmus</h1><p>Version {}.</p><h2>Models</h2><ul>{models}</ul>\
         <p><a href=/healthz>health</a> · <a href=/readyz>readiness</a> · <a href=/metrics>metrics</a></p>",
        env!("CARGO_PKG_VERSION")
    ))
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
    app.observe_engines();
    match app.metrics.render() {
        Ok(text) => {
            (StatusCode::OK, [(CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
