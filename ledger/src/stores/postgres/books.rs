//! The books in PostgreSQL.

use std::collections::BTreeMap;

use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use super::super::fresh::{Fresh, fresh};
use super::super::row::{self, json, number, to_json};
use super::{Postgres, sums, without_zero};
use crate::books::{Books, Bucket, Hours};
use crate::entry::{Chained, Entry, ExchangeId, Head, Hold, NodeId};
use crate::store::StoreError;

impl Books for Postgres {
    async fn post(&self, links: &[Chained]) -> Result<Head, StoreError> {
        let Some(first) = links.first() else { return Ok(Head::START) };
        let failed = |error| self.failed(&error);
        let mut transaction = self.pool.begin().await.map_err(failed)?;
        let start = locked_head(&mut transaction, &first.node).await.map_err(failed)?;
        let (head, fresh) = fresh(links, start)?;
        if fresh.is_empty() {
            return Ok(head);
        }
        write(&mut transaction, &fresh).await.map_err(failed)?;
        follow_holds(&mut transaction, &fresh).await.map_err(failed)?;
        sums::add_up(&mut transaction, &fresh).await.map_err(failed)?;
        sqlx::query("UPDATE heads SET sequence = $2, hash = $3 WHERE node = $1")
            .bind(first.node.as_str())
            .bind(number(head.sequence))
            .bind(head.hash.as_bytes().as_slice())
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
        Ok(head)
    }

    async fn head(&self, node: &NodeId) -> Result<Head, StoreError> {
        let query = sqlx::query("SELECT * FROM heads WHERE node = $1").bind(node.as_str());
        let row = query.fetch_optional(&self.pool).await.map_err(|error| self.failed(&error))?;
        let head = row.as_ref().map_or(Ok(Head::START), row::head);
        head.map_err(|error| self.failed(&error))
    }

    async fn heads(&self) -> Result<Vec<(NodeId, Head)>, StoreError> {
        let rows = sqlx::query("SELECT * FROM heads ORDER BY node").fetch_all(&self.pool).await;
        let rows = rows.map_err(|error| self.failed(&error))?;
        let read = |row: &PgRow| Ok((node(row)?, row::head(row)?));
        rows.iter().map(|row| read(row).map_err(|error| self.failed(&error))).collect()
    }

    async fn links(
        &self,
        node: &NodeId,
        after: u64,
        most: u32,
    ) -> Result<Vec<Chained>, StoreError> {
        let query = "SELECT node, sequence, hash, body FROM entries
                     WHERE node = $1 AND sequence > $2 ORDER BY sequence LIMIT $3";
        let rows = sqlx::query(query).bind(node.as_str()).bind(number(after)).bind(i64::from(most));
        let rows = rows.fetch_all(&self.pool).await.map_err(|error| self.failed(&error))?;
        rows.iter().map(|row| read_link(row).map_err(|error| self.failed(&error))).collect()
    }

    async fn of_request(&self, request_id: &str) -> Result<Vec<Chained>, StoreError> {
        // A correction has no request's id, so nobody means it by an empty one.
        let query = "SELECT node, sequence, hash, body FROM entries
                     WHERE request_id = $1 AND request_id <> '' ORDER BY at, node, sequence";
        let rows = sqlx::query(query).bind(without_zero(request_id)).fetch_all(&self.pool).await;
        let rows = rows.map_err(|error| self.failed(&error))?;
        rows.iter().map(|row| read_link(row).map_err(|error| self.failed(&error))).collect()
    }

    async fn open_holds(&self, of: Option<&NodeId>) -> Result<Vec<(NodeId, Hold)>, StoreError> {
        let query = "SELECT node, body FROM open_holds
                     WHERE $1::text IS NULL OR node = $1 ORDER BY exchange";
        let rows = sqlx::query(query).bind(of.map(NodeId::as_str)).fetch_all(&self.pool).await;
        let rows = rows.map_err(|error| self.failed(&error))?;
        let read = |row: &PgRow| Ok((node(row)?, json(row, "body")?));
        rows.iter().map(|row| read(row).map_err(|error| self.failed(&error))).collect()
    }

    async fn buckets(&self, period: Hours) -> Result<Vec<Bucket>, StoreError> {
        sums::buckets(&self.pool, period).await.map_err(|error| self.failed(&error))
    }

    async fn keep_price(&self, id: &str, body: &str) -> Result<(), StoreError> {
        let query = "INSERT INTO prices (id, body) VALUES ($1, $2) ON CONFLICT DO NOTHING";
        let kept = sqlx::query(query).bind(id).bind(body).execute(&self.pool).await;
        kept.map(drop).map_err(|error| self.failed(&error))
    }

    async fn prices(&self) -> Result<Vec<(String, String)>, StoreError> {
        let rows = sqlx::query_as("SELECT id, body FROM prices ORDER BY id");
        rows.fetch_all(&self.pool).await.map_err(|error| self.failed(&error))
    }
}

/// Where a journal's chain ends, kept from others until this transaction is over: two that post the
/// same journal come one after the other, and the second finds what the first did.
async fn locked_head(connection: &mut PgConnection, node: &NodeId) -> Result<Head, sqlx::Error> {
    let insert = "INSERT INTO heads (node, sequence, hash) VALUES ($1, 0, $2)
                  ON CONFLICT DO NOTHING";
    let start = Head::START.hash;
    let inserting = sqlx::query(insert).bind(node.as_str()).bind(start.as_bytes().as_slice());
    inserting.execute(&mut *connection).await?;
    let query = sqlx::query("SELECT * FROM heads WHERE node = $1 FOR UPDATE").bind(node.as_str());
    row::head(&query.fetch_one(connection).await?)
}

/// Writes all of them in one statement.
async fn write(connection: &mut PgConnection, fresh: &[Fresh<'_>]) -> Result<(), sqlx::Error> {
    let Some((first, _)) = fresh.first() else { return Ok(()) };
    let links = || fresh.iter().map(|(link, _)| link);
    let entries = || fresh.iter().map(|(_, entry)| entry);
    sqlx::query(
        "INSERT INTO entries (node, sequence, hash, at, request_id, body)
         SELECT $1, * FROM UNNEST($2::bigint[], $3::bytea[], $4::bigint[], $5::text[], $6::text[])",
    )
    .bind(first.node.as_str())
    .bind(links().map(|link| number(link.sequence)).collect::<Vec<_>>())
    .bind(links().map(|link| link.hash.as_bytes().as_slice()).collect::<Vec<_>>())
    .bind(entries().map(|entry| entry.at()).collect::<Vec<_>>())
    .bind(entries().map(|it| without_zero(it.request_id()).into_owned()).collect::<Vec<_>>())
    .bind(links().map(|link| link.body.as_str()).collect::<Vec<_>>())
    .execute(connection)
    .await
    .map(drop)
}

/// What changes in the list of open holds.
struct Holds<'f> {
    /// Open after these links: by exchange, its journal and the hold.
    opened: BTreeMap<ExchangeId, (&'f str, &'f Hold)>,
    /// Exchanges that were held before and are settled now.
    closed: Vec<ExchangeId>,
}

/// The holds that are open after these links, and those that they settle.
fn holds<'f>(fresh: &'f [Fresh<'_>]) -> Holds<'f> {
    let mut holds = Holds { opened: BTreeMap::new(), closed: vec![] };
    for (link, entry) in fresh {
        match &**entry {
            Entry::Hold(hold) => {
                holds.opened.insert(hold.exchange, (link.node.as_str(), hold));
            }
            Entry::Settled(settled) => {
                if holds.opened.remove(&settled.exchange).is_none() {
                    holds.closed.push(settled.exchange);
                }
            }
            Entry::Correction(_) => {}
        }
    }
    holds
}

/// Notes the holds that are open after these, and forgets those that are settled.
async fn follow_holds(
    connection: &mut PgConnection,
    fresh: &[Fresh<'_>],
) -> Result<(), sqlx::Error> {
    let Holds { opened, closed } = holds(fresh);
    if !closed.is_empty() {
        let delete = sqlx::query("DELETE FROM open_holds WHERE exchange = ANY($1)")
            .bind(closed.iter().map(ToString::to_string).collect::<Vec<_>>());
        delete.execute(&mut *connection).await?;
    }
    if opened.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO open_holds (exchange, node, body)
         SELECT * FROM UNNEST($1::text[], $2::text[], $3::text[])
         ON CONFLICT (exchange) DO UPDATE SET node = excluded.node, body = excluded.body",
    )
    .bind(opened.keys().map(ToString::to_string).collect::<Vec<_>>())
    .bind(opened.values().map(|(node, _)| *node).collect::<Vec<_>>())
    .bind(opened.values().map(|(_, hold)| to_json(hold)).collect::<Vec<_>>())
    .execute(connection)
    .await
    .map(drop)
}

fn read_link(row: &PgRow) -> Result<Chained, sqlx::Error> {
    let Head { sequence, hash } = row::head(row)?;
    Ok(Chained::new(node(row)?, sequence, row.try_get("body")?, hash))
}

fn node(row: &PgRow) -> Result<NodeId, sqlx::Error> {
    row.try_get::<&str, _>("node").map(NodeId::new)
}
