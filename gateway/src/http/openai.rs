//! What is asked for beside calls: the list of models, and paths and methods that nobody has.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Response;
use http::{HeaderMap, Method, Request, Uri};
use isthmus_inference::failure::{Failure, Kind};
use isthmus_inference::ident::ModelName;
use isthmus_inference::request::Dialect;

use super::door::request_id;
use super::render;
use super::reply::Reply;
use crate::app::App;
use crate::keyring::Tenant;
use crate::pipeline::identify::presented;

/// `GET /v1/models`
pub async fn models(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let id = request_id(&headers);
    match app.keyring.identify(presented(&headers)) {
        Ok(tenant) => render::models(&visible(&app, &tenant), app.started_at, &id),
        Err(failure) => render::failure(&failure, Dialect::OpenAi, &id),
    }
}

/// `GET /v1/models/{id}`
pub async fn model(
    State(app): State<Arc<App>>,
    model: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Response {
    let id = request_id(&headers);
    let Ok(Path(model)) = model else {
        let failure = Failure::invalid("model", "the model's name in the path is not UTF-8");
        return render::failure(&failure, Dialect::OpenAi, &id);
    };
    let model = ModelName::from(model);
    let found = app.keyring.identify(presented(&headers)).and_then(|tenant| {
        // To a key that may not ask for it a model does not exist, and neither do others' names.
        if !tenant.allows(model.as_str()) {
            let message = format!("the model `{model}` does not exist for this key");
            return Err(Failure::new(Kind::NotFound, message).with_param("model"));
        }
        app.directory.resolve(&model).map(drop)
    });
    match found {
        Ok(()) => render::model(&model, app.started_at, &id),
        Err(failure) => render::failure(&failure, Dialect::OpenAi, &id),
    }
}

/// Any other path.
pub async fn unknown_path(uri: Uri, headers: HeaderMap) -> Response {
    let message = format!(
        "`{}` is not a path of this API; it has /v1/chat/completions, /v1/completions, /v1/embeddings, /v1/responses, /v1/messages and /v1/models",
        uri.path()
    );
    let failure = Failure::new(Kind::NotFound, message);
    render::failure(&failure, Dialect::OpenAi, &request_id(&headers))
}

/// A page of ours, asked for in another way. The router adds `Allow`.
pub async fn wrong_method(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    render::wrong_method(&wrong(&method, &uri), Dialect::OpenAi, &request_id(&headers))
}

/// The same for a call.
pub fn not_that_way<B>(request: &Request<B>) -> http::Response<Reply> {
    let (failure, id) = (wrong(request.method(), request.uri()), request_id(request.headers()));
    render::wrong_method(&failure, Dialect::OpenAi, &id)
}

fn wrong(method: &Method, uri: &Uri) -> Failure {
    Failure::invalid("", format!("`{}` does not take {method}", uri.path()))
}

fn visible(app: &App, tenant: &Tenant) -> Vec<ModelName> {
    let allowed = |name: &&ModelName| tenant.allows(name.as_str());
    app.directory.names().into_iter().filter(allowed).cloned().collect()
}
