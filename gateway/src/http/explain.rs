//! `/admin/v1/explain`: the same as `isthmus explain`, and with the figures of this moment.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use isthmus_adapters::dialects::caller;
use isthmus_inference::failure::{Failure, Kind};
use isthmus_inference::ident::ModelName;
use isthmus_inference::request::{Dialect, Operation};
use isthmus_ledger::decision::DecisionLog;
use isthmus_policies::offer::Offer;
use isthmus_policies::recorded::{Recorded, Seen};
use serde_json::json;
use tokio::time::Instant;

use super::admin::{json_answer, may_look, no_token};
use crate::app::App;
use crate::explain::{Explained, Figures, Told};
use crate::pipeline::declared::declared;
use crate::pipeline::plan;
use crate::pool::Pool;

/// `GET /admin/v1/explain/{request_id}`: how a request was decided when it came.
pub async fn past(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    if !may_look(app.admin_token.as_ref(), &headers) {
        return no_token();
    }
    answer(explain_past(&app, &id).await)
}

/// `POST /admin/v1/explain`: how a chat request with this body and these headers would be decided now.
pub async fn now(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> Response {
    if !may_look(app.admin_token.as_ref(), &headers) {
        return no_token();
    }
    answer(explain_now(&app, &headers, body).await)
}

fn answer(explained: Result<Explained, Failure>) -> Response {
    let (status, told) = match explained {
        Ok(explained) => (StatusCode::OK, json!(explained)),
        Err(failure) => {
            let status = StatusCode::from_u16(failure.status());
            let error = json!({ "message": failure.message, "code": failure.kind.as_str() });
            (status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), json!({ "error": error }))
        }
    };
    json_answer(status, &told)
}

async fn explain_past(app: &App, id: &str) -> Result<Explained, Failure> {
    let missing = || {
        let message = format!(
            "no decision of a request `{id}` is logged; decisions are where `policies.decision_log` is on"
        );
        Failure::new(Kind::NotFound, message)
    };
    let log = app.ledger.get().ok_or_else(missing)?;
    let decided = log.decision(id).await.map_err(internal)?.ok_or_else(missing)?;
    let recorded: Recorded = serde_json::from_str(&decided.features).map_err(internal)?;
    let pool = app.directory.resolve(&ModelName::from(decided.model.as_str()))?;
    let told = told(app, &pool, &recorded, &decided.model, &decided.policy, Figures::Recorded)?;
    Ok(told.came(&decided))
}

async fn explain_now(app: &App, headers: &HeaderMap, body: Bytes) -> Result<Explained, Failure> {
    const AMPLE: Duration = Duration::from_mins(10);
    let request = Arc::new(caller(Dialect::OpenAi).read(Operation::Chat, body)?);
    let said = declared(headers, &request)?;
    let tenant = app.keyring.anonymous();
    let classified = app.classifier.classify(&tenant, said.class, &request.body).await?;
    let context = Arc::new(said.context(classified));
    let asked = plan::Asked {
        request: &request,
        deadline: Instant::now() + AMPLE,
        principal: tenant.principal(),
        context: &context,
        key_hash: tenant.key_hash(),
        app_hash: tenant.app_hash(),
        objective: headers.get("x-isthmus-objective").and_then(|value| value.to_str().ok()),
    };
    let considered = plan::consider(app, &asked).await?;
    let (recorded, version) = (considered.recorded(), considered.edition.version());
    told(app, &considered.pool, &recorded, request.model.as_str(), version, Figures::Live)
}

fn told(
    app: &App,
    pool: &Pool,
    recorded: &Recorded,
    model: &str,
    policy: &str,
    figures: Figures,
) -> Result<Explained, Failure> {
    let editions = app.permits.editions();
    let rates: Vec<_> = pool.rates().collect();
    let offered = |seen: &Seen| rates.iter().map(|it| &it.offer).find(|it| it.name == seen.name);
    let offers: Vec<Option<&Offer>> = recorded.endpoints.iter().map(offered).collect();
    let rules = editions.live.bundle().rules();
    let told = Told { model, policy, rules, strategy: &pool.strategy, offers: &offers, figures };
    Explained::of(recorded, &told).map_err(internal)
}

#[expect(clippy::needless_pass_by_value, reason = "whoever hands over an error is done with it")]
fn internal(error: impl ToString) -> Failure {
    Failure::new(Kind::Internal, error.to_string())
}
