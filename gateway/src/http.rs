//! The doors: the tables of URLs, and nothing else. This folder is the only one that knows axum
//! and hyper.

pub mod admin;
pub mod anthropic;
pub mod body;
pub mod door;
pub mod explain;
mod ids;
pub mod openai;
pub mod render;
pub mod server;
pub mod workers;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use crate::app::App;

/// The street door: what callers may ask.
pub fn street(app: Arc<App>) -> Router {
    Router::new()
        .route("/v1/chat/completions", post(openai::chat))
        .route("/v1/completions", post(openai::completion))
        .route("/v1/embeddings", post(openai::embedding))
        .route("/v1/responses", post(openai::responses))
        .route("/v1/messages", post(anthropic::messages))
        .route("/v1/messages/count_tokens", post(anthropic::count_tokens))
        .route("/v1/models", get(openai::models))
        // A model's name may contain slashes.
        .route("/v1/models/{*id}", get(openai::model))
        .fallback(openai::unknown_path)
        .method_not_allowed_fallback(openai::wrong_method)
        .with_state(app)
}

/// The admin door: health and numbers.
pub fn admin(app: Arc<App>) -> Router {
    Router::new()
        .route("/", get(admin::home))
        .route("/healthz", get(admin::healthz))
        .route("/readyz", get(admin::readyz))
        .route("/metrics", get(admin::metrics))
        .route("/admin/v1/explain", post(explain::now))
        .route("/admin/v1/explain/{request_id}", get(explain::past))
        .with_state(app)
}
