//! The doors: the tables of URLs, and nothing else. This folder is the only one that knows axum
//! and hyper.

pub mod admin;
pub mod body;
pub mod door;
pub mod explain;
pub mod keys;
pub mod openai;
mod patience;
pub mod render;
pub mod reply;
pub mod report;
pub mod server;
pub mod street;
pub mod workers;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use hyper_util::service::TowerToHyperService;
use isthmus_inference::request::{Dialect, Operation};

use crate::app::App;
use street::Street;

/// What the router answers, for hyper.
pub type Pages = TowerToHyperService<Router>;

/// The calls that go through the pipeline, all by POST. They come by the thousand, so they do not go
/// through the router.
const CALLS: [(&str, Dialect, Operation); 6] = [
    ("/v1/chat/completions", Dialect::OpenAi, Operation::Chat),
    ("/v1/completions", Dialect::OpenAi, Operation::Completion),
    ("/v1/embeddings", Dialect::OpenAi, Operation::Embedding),
    ("/v1/responses", Dialect::Responses, Operation::Chat),
    ("/v1/messages", Dialect::Anthropic, Operation::Chat),
    ("/v1/messages/count_tokens", Dialect::Anthropic, Operation::CountTokens),
];

/// The street door: what callers may ask.
pub fn street(app: Arc<App>) -> Street {
    let pages = Router::new()
        .route("/v1/models", get(openai::models))
        // A model's name may contain slashes.
        .route("/v1/models/{*id}", get(openai::model))
        .fallback(openai::unknown_path)
        .method_not_allowed_fallback(openai::wrong_method)
        .with_state(Arc::clone(&app));
    Street { app, pages: Pages::new(pages) }
}

/// The admin door: health and numbers.
pub fn admin(app: Arc<App>) -> Pages {
    let pages = Router::new()
        .route("/", get(admin::home))
        .route("/healthz", get(admin::healthz))
        .route("/readyz", get(admin::readyz))
        .route("/metrics", get(admin::metrics))
        .route("/admin/v1/explain", post(explain::now))
        .route("/admin/v1/explain/{request_id}", get(explain::past))
        .route("/admin/v1/keys", get(keys::list).post(keys::create))
        .route("/admin/v1/keys/{key}", get(keys::one).patch(keys::change).delete(keys::revoke))
        .route("/admin/v1/keys/{key}/rotate", post(keys::rotate))
        .route("/admin/v1/report", get(report::report))
        .route("/admin/v1/teams", get(keys::teams))
        .with_state(app);
    Pages::new(pages)
}
