//! The log of decisions in PostgreSQL. A batch is one transaction.

use isthmus_inference::money::Money;
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::super::row;
use super::{Postgres, without_zero};
use crate::decision::{Decided, DecisionLog, Numbered, Period};
use crate::store::StoreError;

impl DecisionLog for Postgres {
    async fn append(&self, rows: &[Decided]) -> Result<(), StoreError> {
        let failed = |error| self.failed(&error);
        let mut transaction = self.pool.begin().await.map_err(failed)?;
        for row in rows {
            // Numbers and a word: it can always be written.
            let usage = row.usage.as_ref().and_then(|usage| serde_json::to_string(usage).ok());
            sqlx::query(
                "INSERT INTO decisions (at, request_id, organisation, team, app, model, policy,
                                        endpoint, outcome, usage, cost, features)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11::text::numeric, $12)",
            )
            .bind(row.at)
            .bind(without_zero(&row.request_id))
            .bind(without_zero(&row.organisation))
            .bind(without_zero(&row.team))
            .bind(without_zero(&row.app))
            .bind(without_zero(&row.model))
            .bind(&row.policy)
            .bind(row.endpoint.as_deref().map(without_zero))
            .bind(&row.outcome)
            .bind(usage)
            .bind(row.cost.map(|cost| cost.to_string()))
            .bind(without_zero(&row.features))
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        }
        transaction.commit().await.map_err(failed)
    }

    async fn decision(&self, request_id: &str) -> Result<Option<Decided>, StoreError> {
        let query = "SELECT *, cost::text AS dollars FROM decisions WHERE request_id = $1
                     ORDER BY number DESC LIMIT 1";
        let row = sqlx::query(query).bind(without_zero(request_id)).fetch_optional(&self.pool);
        let row = row.await.map_err(|error| self.failed(&error))?;
        let read = row.as_ref().map(read).transpose().map_err(|error| self.failed(&error))?;
        Ok(read.map(|numbered| numbered.decided))
    }

    async fn decisions(
        &self,
        period: Period,
        after: i64,
        most: u32,
    ) -> Result<Vec<Numbered>, StoreError> {
        let rows = sqlx::query(
            "SELECT *, cost::text AS dollars FROM decisions
             WHERE number > $1 AND at >= $2 AND at < $3 ORDER BY number LIMIT $4",
        )
        .bind(after)
        .bind(period.from)
        .bind(period.to)
        .bind(i64::from(most))
        .fetch_all(&self.pool)
        .await
        .map_err(|error| self.failed(&error))?;
        rows.iter().map(|row| read(row).map_err(|error| self.failed(&error))).collect()
    }

    async fn count(&self, period: Period) -> Result<u64, StoreError> {
        sqlx::query_scalar::<_, i64>("SELECT count(*) FROM decisions WHERE at >= $1 AND at < $2")
            .bind(period.from)
            .bind(period.to)
            .fetch_one(&self.pool)
            .await
            .map(i64::unsigned_abs)
            .map_err(|error| self.failed(&error))
    }

    async fn forget_before(&self, at: i64) -> Result<u64, StoreError> {
        let removed = sqlx::query("DELETE FROM decisions WHERE at < $1").bind(at);
        let removed = removed.execute(&self.pool).await.map_err(|error| self.failed(&error))?;
        Ok(removed.rows_affected())
    }
}

fn read(row: &PgRow) -> Result<Numbered, sqlx::Error> {
    let dollars: Option<&str> = row.try_get("dollars")?;
    let cost = dollars.map(str::parse::<Money>).transpose();
    let cost = cost.map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
    row::decided(row, cost)
}
