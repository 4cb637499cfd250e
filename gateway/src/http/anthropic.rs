//! Anthropic's API: messages, and how many tokens they would take.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::Request;
use isthmus_inference::request::{Dialect, Operation};

use super::door::answer;
use crate::app::App;

/// `POST /v1/messages`
pub async fn messages(State(app): State<Arc<App>>, request: Request<Body>) -> Response {
    answer(app, Dialect::Anthropic, Operation::Chat, request).await
}

/// `POST /v1/messages/count_tokens`
pub async fn count_tokens(State(app): State<Arc<App>>, request: Request<Body>) -> Response {
    answer(app, Dialect::Anthropic, Operation::CountTokens, request).await
}
