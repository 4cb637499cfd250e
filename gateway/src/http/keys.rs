//! `/admin/v1/keys` and `/admin/v1/teams`: the keys that callers present, and on whose behalf. The same as
//! `isthmus keys --json`, but what changes here is in force here at once, and elsewhere within a second.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::Response;
use http::header::ORIGIN;
use http::{HeaderMap, StatusCode};
use isthmus_ledger::key::Key;
use isthmus_ledger::store::{Store, StoreError};
use isthmus_ledger::stores::Ledger;
use serde_json::{Value, json};

use super::admin::{json_answer, may_look, no_token};
use crate::app::App;
use crate::keyring::now;
use crate::keys::{changed, declared, new_key, shown};
use crate::telemetry::events::keys::KeyHandled;

/// What is answered instead, and why.
type Refused = (StatusCode, String);

/// The hours for which a key that has a successor opens as well, unless others are given.
const OVERLAP_HOURS: u32 = 24;
const SECONDS_AN_HOUR: i64 = 3_600;

/// `GET /admin/v1/keys`: all keys, live or not.
pub async fn list(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    answer(&app, &headers, async {
        let kept = ledger(&app)?.keys().await.map_err(failed)?;
        let kept = kept.iter().map(|(_, key)| shown::key(key, now(), false));
        let declared = app.keyring.tenancy().keys.iter();
        let declared = declared.map(|(_, key)| shown::key(key, now(), true));
        Ok((StatusCode::OK, json!({ "keys": kept.chain(declared).collect::<Vec<Value>>() })))
    })
    .await
}

/// `GET /admin/v1/keys/{key}`: one key, by its name or id.
pub async fn one(
    State(app): State<Arc<App>>,
    Path(key): Path<String>,
    headers: HeaderMap,
) -> Response {
    answer(&app, &headers, async {
        let mut declared = app.keyring.tenancy().keys.iter().map(|(_, key)| key);
        if let Some(key) = declared.find(|it| it.is(&key)) {
            return Ok((StatusCode::OK, shown::key(key, now(), true)));
        }
        let key = ledger(&app)?.key(&key).await.map_err(failed)?;
        Ok((StatusCode::OK, shown::key(&key, now(), false)))
    })
    .await
}

/// `POST /admin/v1/keys`: makes a key, and shows it this once.
pub async fn create(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> Response {
    answer(&app, &headers, async {
        same_origin(&headers)?;
        let new = new_key(read(&body)?, app.keyring.tenancy(), now()).map_err(bad)?;
        if app.keyring.tenancy().declares(&new.name) {
            return Err((StatusCode::CONFLICT, declared(&new.name)));
        }
        let ledger = ledger(&app)?;
        let (key, minted) = Box::pin(ledger.create_key(&new, now())).await.map_err(failed)?;
        done(&app, ledger, "made", &key).await?;
        Ok((StatusCode::CREATED, with_text(&key, minted.secret.expose())))
    })
    .await
}

/// `PATCH /admin/v1/keys/{key}`: gives a key on other terms. The body is a merge patch (RFC 7396).
pub async fn change(
    State(app): State<Arc<App>>,
    Path(key): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    answer(&app, &headers, async {
        let ledger = changeable(&app, &headers, &key)?;
        let key = ledger.key(&key).await.map_err(failed)?;
        let terms = changed(&key, read(&body)?, app.keyring.tenancy(), now()).map_err(bad)?;
        let key = ledger.change_key(&key.id, &terms).await.map_err(failed)?;
        done(&app, ledger, "changed", &key).await?;
        Ok((StatusCode::OK, shown::key(&key, now(), false)))
    })
    .await
}

/// `POST /admin/v1/keys/{key}/rotate`: makes a key in the place of another, with `overlap_hours` in which
/// the old one opens as well.
pub async fn rotate(
    State(app): State<Arc<App>>,
    Path(key): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    answer(&app, &headers, async {
        let ledger = changeable(&app, &headers, &key)?;
        let old_until = now() + i64::from(overlap(&body)?) * SECONDS_AN_HOUR;
        let rotated = Box::pin(ledger.rotate_key(&key, old_until, now())).await;
        let (key, minted) = rotated.map_err(failed)?;
        done(&app, ledger, "rotated", &key).await?;
        Ok((StatusCode::CREATED, with_text(&key, minted.secret.expose())))
    })
    .await
}

/// `DELETE /admin/v1/keys/{key}`: withdraws a key. It stays in the list.
pub async fn revoke(
    State(app): State<Arc<App>>,
    Path(key): Path<String>,
    headers: HeaderMap,
) -> Response {
    answer(&app, &headers, async {
        let ledger = changeable(&app, &headers, &key)?;
        let key = ledger.revoke_key(&key, now()).await.map_err(failed)?;
        done(&app, ledger, "revoked", &key).await?;
        Ok((StatusCode::OK, shown::key(&key, now(), false)))
    })
    .await
}

/// `GET /admin/v1/teams`: the organisation and its teams, as the configuration declares them.
pub async fn teams(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    answer(&app, &headers, async { Ok((StatusCode::OK, shown::tenancy(app.keyring.tenancy()))) })
        .await
}

async fn answer(
    app: &App,
    headers: &HeaderMap,
    work: impl Future<Output = Result<(StatusCode, Value), Refused>>,
) -> Response {
    if !may_look(app.admin_token.as_ref(), headers) {
        return no_token();
    }
    let (status, body) = work
        .await
        .unwrap_or_else(|(status, message)| (status, json!({ "error": { "message": message } })));
    json_answer(status, &body)
}

fn ledger(app: &App) -> Result<&Ledger, Refused> {
    let closed = || (StatusCode::SERVICE_UNAVAILABLE, "the ledger is not open yet".to_owned());
    app.ledger.get().ok_or_else(closed)
}

/// The ledger, for something to be done with this key, which must be in it.
fn changeable<'a>(app: &'a App, headers: &HeaderMap, key: &str) -> Result<&'a Ledger, Refused> {
    same_origin(headers)?;
    if app.keyring.tenancy().declares(key) {
        return Err((StatusCode::CONFLICT, declared(key)));
    }
    ledger(app)
}

/// A browser says where a page comes from that asks for a change. No page of ours does, so this one is
/// somebody else's, who found the admin door of whoever looks at it.
fn same_origin(headers: &HeaderMap) -> Result<(), Refused> {
    if headers.contains_key(ORIGIN) {
        let message = "web pages may not change keys; leave out the header `Origin`";
        return Err((StatusCode::FORBIDDEN, message.to_owned()));
    }
    Ok(())
}

fn read(body: &Bytes) -> Result<Value, Refused> {
    serde_json::from_slice(body).map_err(|error| bad(format!("the body is no JSON: {error}")))
}

fn overlap(body: &Bytes) -> Result<u32, Refused> {
    if body.is_empty() {
        return Ok(OVERLAP_HOURS);
    }
    let asked = read(body)?;
    let known = asked.as_object().is_some_and(|it| it.keys().all(|name| name == "overlap_hours"));
    match asked.get("overlap_hours") {
        None if known => Ok(OVERLAP_HOURS),
        Some(hours) if known => hours
            .as_u64()
            .and_then(|hours| u32::try_from(hours).ok())
            .ok_or_else(|| bad("`overlap_hours` must be a whole number".to_owned())),
        _ => Err(bad("an object with `overlap_hours` is expected, or nothing".to_owned())),
    }
}

/// Puts a change in force here, and tells of it.
async fn done(app: &App, ledger: &Ledger, what: &'static str, key: &Key) -> Result<(), Refused> {
    KeyHandled { what, key }.emit();
    app.keyring.load(ledger).await.map(|_| ()).map_err(failed)
}

fn with_text(key: &Key, text: &str) -> Value {
    let mut shown = shown::key(key, now(), false);
    shown["key"] = json!(text);
    shown
}

fn bad(message: String) -> Refused {
    (StatusCode::BAD_REQUEST, message)
}

#[expect(clippy::needless_pass_by_value, reason = "whoever hands over an error is done with it")]
fn failed(error: StoreError) -> Refused {
    let status = match &error {
        StoreError::NoSuchKey(_) => StatusCode::NOT_FOUND,
        StoreError::NameTaken(_) | StoreError::NotLive(_) | StoreError::Revoked(_) => {
            StatusCode::CONFLICT
        }
        StoreError::EmptyModel => StatusCode::BAD_REQUEST,
        StoreError::NoRandomness(_)
        | StoreError::Broken { .. }
        | StoreError::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, error.to_string())
}
