//! Sums by hour and dimensions. However many are added to at once, it is four statements.

use std::collections::{BTreeMap, HashMap};

use serde_json::json;
use sqlx::{Row, SqliteConnection};

use super::super::fresh::{self, Fresh};
use super::super::row::{json, to_json};
use crate::books::Sums;

/// Adds these entries to the sums of their hours.
pub(super) async fn add(
    connection: &mut SqliteConnection,
    fresh: &[Fresh<'_>],
) -> Result<(), sqlx::Error> {
    let added = fresh::sums(fresh);
    if added.is_empty() {
        return Ok(());
    }
    let bodies: Vec<String> = added.keys().map(|(_, of)| to_json(of)).collect();
    let ids = dimensions(connection, &bodies).await?;
    let id = |body: &String| ids.get(body).copied().ok_or(sqlx::Error::RowNotFound);
    let mut sums = BTreeMap::new();
    for (((hour, _), added), body) in added.into_iter().zip(&bodies) {
        sums.insert((hour, id(body)?), added);
    }
    for (bucket, before) in before(connection, sums.keys()).await? {
        if let Some(sum) = sums.get_mut(&bucket) {
            *sum += before;
        }
    }
    let rows: Vec<_> =
        sums.iter().map(|((hour, id), sums)| json!([hour, id, to_json(sums)])).collect();
    sqlx::query(
        "INSERT OR REPLACE INTO buckets (hour, dimension, sums)
         SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?)",
    )
    .bind(to_json(&rows))
    .execute(connection)
    .await
    .map(drop)
}

/// The numbers of sets of dimensions; new ones for new sets.
async fn dimensions(
    connection: &mut SqliteConnection,
    bodies: &[String],
) -> Result<HashMap<String, i64>, sqlx::Error> {
    let asked = to_json(&bodies);
    let insert = "INSERT OR IGNORE INTO dimensions (body) SELECT value FROM json_each(?)";
    sqlx::query(insert).bind(&asked).execute(&mut *connection).await?;
    let query = "SELECT id, body FROM dimensions WHERE body IN (SELECT value FROM json_each(?))";
    let rows = sqlx::query(query).bind(&asked).fetch_all(connection).await?;
    rows.iter().map(|row| Ok((row.try_get("body")?, row.try_get("id")?))).collect()
}

/// What there was of these sums before.
async fn before(
    connection: &mut SqliteConnection,
    of: impl Iterator<Item = &(i64, i64)>,
) -> Result<Vec<((i64, i64), Sums)>, sqlx::Error> {
    let asked: Vec<_> = of.map(|(hour, id)| json!([hour, id])).collect();
    let rows = sqlx::query(
        "SELECT hour, dimension, sums FROM json_each(?)
         JOIN buckets ON hour = value ->> 0 AND dimension = value ->> 1",
    )
    .bind(to_json(&asked))
    .fetch_all(connection)
    .await?;
    let read = |row: &sqlx::sqlite::SqliteRow| {
        Ok(((row.try_get("hour")?, row.try_get("dimension")?), json(row, "sums")?))
    };
    rows.iter().map(read).collect()
}
