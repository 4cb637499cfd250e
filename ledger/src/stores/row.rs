//! Rows and values that look the same in every database.

use isthmus_inference::money::Money;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::query::Query;
use sqlx::{ColumnIndex, Database, Decode, Encode, Row, Type};

use crate::decision::{Decided, Numbered};
use crate::entry::{Hash, Head};
use crate::key::{Holder, Key, KeyHash, Terms};

/// A hash of 32 bytes, in the column `hash`.
pub(super) fn hash<'r, R: Row>(row: &'r R) -> Result<[u8; 32], sqlx::Error>
where
    &'static str: ColumnIndex<R>,
    &'r [u8]: Decode<'r, R::Database> + Type<R::Database>,
{
    let hash: &[u8] = row.try_get("hash")?;
    hash.try_into().map_err(|_| sqlx::Error::Decode("a hash of a wrong size".into()))
}

/// Where a chain ends.
pub(super) fn head<'r, R: Row>(row: &'r R) -> Result<Head, sqlx::Error>
where
    &'static str: ColumnIndex<R>,
    &'r [u8]: Decode<'r, R::Database> + Type<R::Database>,
    i64: Decode<'r, R::Database> + Type<R::Database>,
{
    let sequence: i64 = row.try_get("sequence")?;
    Ok(Head { sequence: sequence.unsigned_abs(), hash: Hash::from_bytes(hash(row)?) })
}

/// A key, and by what it is recognised.
pub(super) fn key<'r, R: Row>(row: &'r R) -> Result<(KeyHash, Key), sqlx::Error>
where
    &'static str: ColumnIndex<R>,
    &'r [u8]: Decode<'r, R::Database> + Type<R::Database>,
    &'r str: Decode<'r, R::Database> + Type<R::Database>,
    String: Decode<'r, R::Database> + Type<R::Database>,
    i64: Decode<'r, R::Database> + Type<R::Database>,
    bool: Decode<'r, R::Database> + Type<R::Database>,
{
    let models: &str = row.try_get("models")?;
    let terms = Terms {
        models: models.lines().map(str::to_owned).collect(),
        expires_at: row.try_get("expires_at")?,
        holder: Holder {
            organisation: row.try_get("organisation")?,
            team: row.try_get("team")?,
            app: row.try_get("app")?,
            data_class: row.try_get("data_class")?,
            may_declassify: row.try_get("may_declassify")?,
            tags: json(row, "tags")?,
        },
        limits: json(row, "limits")?,
    };
    let key = Key {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        created_at: row.try_get("created_at")?,
        revoked_at: row.try_get("revoked_at")?,
        terms,
    };
    Ok((KeyHash::from_bytes(hash(row)?), key))
}

/// The terms of a key as nine values: `models`, `expires_at`, `organisation`, `team`, `app`, `data_class`,
/// `may_declassify`, `tags`, `limits`.
pub(super) fn bind_terms<'q, DB: Database>(
    query: Query<'q, DB, DB::Arguments>,
    terms: &'q Terms,
) -> Query<'q, DB, DB::Arguments>
where
    String: Encode<'q, DB> + Type<DB>,
    &'q Option<String>: Encode<'q, DB> + Type<DB>,
    Option<i64>: Encode<'q, DB> + Type<DB>,
    bool: Encode<'q, DB> + Type<DB>,
{
    let Terms { models, expires_at, holder, limits } = terms;
    query
        .bind(models.join("\n"))
        .bind(*expires_at)
        .bind(&holder.organisation)
        .bind(&holder.team)
        .bind(&holder.app)
        .bind(&holder.data_class)
        .bind(holder.may_declassify)
        .bind(to_json(&holder.tags))
        .bind(to_json(limits))
}

/// A decision; what it cost is kept in each database's own way.
pub(super) fn decided<'r, R: Row>(row: &'r R, cost: Option<Money>) -> Result<Numbered, sqlx::Error>
where
    &'static str: ColumnIndex<R>,
    &'r str: Decode<'r, R::Database> + Type<R::Database>,
    String: Decode<'r, R::Database> + Type<R::Database>,
    i64: Decode<'r, R::Database> + Type<R::Database>,
{
    let usage: Option<&str> = row.try_get("usage")?;
    let usage = usage.map(serde_json::from_str).transpose();
    let decided = Decided {
        at: row.try_get("at")?,
        request_id: row.try_get("request_id")?,
        organisation: row.try_get("organisation")?,
        team: row.try_get("team")?,
        app: row.try_get("app")?,
        model: row.try_get("model")?,
        policy: row.try_get("policy")?,
        endpoint: row.try_get("endpoint")?,
        outcome: row.try_get("outcome")?,
        usage: usage.map_err(|error| sqlx::Error::Decode(Box::new(error)))?,
        cost,
        features: row.try_get("features")?,
    };
    Ok(Numbered { number: row.try_get("number")?, decided })
}

/// What was kept as JSON.
pub(super) fn json<'r, R: Row, T: DeserializeOwned>(
    row: &'r R,
    column: &'static str,
) -> Result<T, sqlx::Error>
where
    &'static str: ColumnIndex<R>,
    &'r str: Decode<'r, R::Database> + Type<R::Database>,
{
    let text: &str = row.try_get(column)?;
    serde_json::from_str(text).map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

/// As it is kept. Names, numbers and texts can always be written.
pub(super) fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// A count that a database can hold.
pub(super) fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
