//! The books in SQLite.

use std::collections::BTreeMap;

use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use super::super::fresh::fresh;
use super::super::row::{self, json, number};
use super::{Sqlite, open, page, sums};
use crate::books::{Books, Bucket, Dimensions, Hours};
use crate::entry::{Chained, Head, Hold, NodeId};
use crate::store::StoreError;

impl Books for Sqlite {
    async fn post(&self, links: &[Chained]) -> Result<Head, StoreError> {
        let Some(first) = links.first() else { return Ok(Head::START) };
        let failed = |error| self.failed(&error);
        // A transaction that only reads at first could not become one that writes while another
        // process does.
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
        let start = head(&mut transaction, &first.node).await.map_err(failed)?;
        let (head, fresh) = fresh(links, start)?;
        if fresh.is_empty() {
            return Ok(head);
        }
        page::write(&mut transaction, start, &fresh).await.map_err(failed)?;
        open::follow(&mut transaction, &first.node, &fresh).await.map_err(failed)?;
        sums::add(&mut transaction, &fresh).await.map_err(failed)?;
        sqlx::query("INSERT OR REPLACE INTO heads (node, sequence, hash) VALUES (?, ?, ?)")
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
        let mut connection = self.pool.acquire().await.map_err(|error| self.failed(&error))?;
        head(&mut connection, node).await.map_err(|error| self.failed(&error))
    }

    async fn heads(&self) -> Result<Vec<(NodeId, Head)>, StoreError> {
        let rows = sqlx::query("SELECT * FROM heads ORDER BY node").fetch_all(&self.pool).await;
        let rows = rows.map_err(|error| self.failed(&error))?;
        let read =
            |row: &SqliteRow| Ok((NodeId::new(row.try_get::<String, _>("node")?), row::head(row)?));
        rows.iter().map(|row| read(row).map_err(|error| self.failed(&error))).collect()
    }

    async fn links(
        &self,
        node: &NodeId,
        after: u64,
        most: u32,
    ) -> Result<Vec<Chained>, StoreError> {
        let mut links = Vec::new();
        while links.len() < most as usize {
            let after = links.last().map_or(after, |link: &Chained| link.sequence);
            let Some(page) =
                page::behind(&self.pool, node, after).await.map_err(|it| self.failed(&it))?
            else {
                break;
            };
            links.extend(page.into_iter().filter(|link| link.sequence > after));
        }
        links.truncate(most as usize);
        Ok(links)
    }

    async fn of_request(&self, request_id: &str) -> Result<Vec<Chained>, StoreError> {
        page::of_request(&self.pool, request_id).await.map_err(|error| self.failed(&error))
    }

    async fn open_holds(&self, node: Option<&NodeId>) -> Result<Vec<(NodeId, Hold)>, StoreError> {
        open::holds(&self.pool, node).await.map_err(|error| self.failed(&error))
    }

    async fn buckets(&self, period: Hours) -> Result<Vec<Bucket>, StoreError> {
        let failed = |error| self.failed(&error);
        let query = "SELECT id, body FROM dimensions WHERE id IN (SELECT dimension FROM buckets WHERE hour >= ? AND hour < ?)";
        let rows = sqlx::query(query).bind(period.from).bind(period.to).fetch_all(&self.pool).await;
        let mut dimensions: BTreeMap<i64, Dimensions> = BTreeMap::new();
        for row in rows.map_err(failed)? {
            dimensions
                .insert(row.try_get("id").map_err(failed)?, json(&row, "body").map_err(failed)?);
        }
        let query = "SELECT hour, dimension, sums FROM buckets WHERE hour >= ? AND hour < ? ORDER BY hour, dimension";
        let rows = sqlx::query(query).bind(period.from).bind(period.to).fetch_all(&self.pool).await;
        let mut buckets = Vec::new();
        for row in rows.map_err(failed)? {
            let of = dimensions.get(&row.try_get("dimension").map_err(failed)?);
            // A dimension that came between the two queries belongs to a bucket of the same moment.
            let Some(of) = of.cloned() else { continue };
            let (hour, sums) =
                (row.try_get("hour").map_err(failed)?, json(&row, "sums").map_err(failed)?);
            buckets.push(Bucket { hour, of, sums });
        }
        Ok(buckets)
    }

    async fn keep_price(&self, id: &str, body: &str) -> Result<(), StoreError> {
        let query = sqlx::query("INSERT OR IGNORE INTO prices (id, body) VALUES (?, ?)");
        let kept = query.bind(id).bind(body).execute(&self.pool).await;
        kept.map(drop).map_err(|error| self.failed(&error))
    }

    async fn prices(&self) -> Result<Vec<(String, String)>, StoreError> {
        let rows = sqlx::query_as("SELECT id, body FROM prices ORDER BY id");
        rows.fetch_all(&self.pool).await.map_err(|error| self.failed(&error))
    }
}

async fn head(connection: &mut SqliteConnection, node: &NodeId) -> Result<Head, sqlx::Error> {
    let query = sqlx::query("SELECT * FROM heads WHERE node = ?").bind(node.as_str());
    query.fetch_optional(connection).await?.as_ref().map_or(Ok(Head::START), row::head)
}
