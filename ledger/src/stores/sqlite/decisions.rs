//! The log of decisions in SQLite. A batch is one transaction, so one wait for the disk.

use isthmus_inference::money::Money;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::super::row;
use super::Sqlite;
use crate::decision::{Decided, DecisionLog, Numbered, Period};
use crate::store::StoreError;

impl DecisionLog for Sqlite {
    async fn append(&self, rows: &[Decided]) -> Result<(), StoreError> {
        let failed = |error| self.failed(&error);
        let mut transaction = self.pool.begin().await.map_err(failed)?;
        for row in rows {
            // Numbers and a word: it can always be written.
            let usage = row.usage.as_ref().and_then(|usage| serde_json::to_string(usage).ok());
            sqlx::query(
                "INSERT INTO decisions (at, request_id, organisation, team, app, model, policy,
                                        endpoint, outcome, usage, cost_pico, features)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )
            .bind(row.at)
            .bind(&row.request_id)
            .bind(&row.organisation)
            .bind(&row.team)
            .bind(&row.app)
            .bind(&row.model)
            .bind(&row.policy)
            .bind(row.endpoint.as_deref())
            .bind(&row.outcome)
            .bind(usage)
            .bind(row.cost.map(|cost| cost.pico_dollars().to_string()))
            .bind(&row.features)
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        }
        transaction.commit().await.map_err(failed)
    }

    async fn decision(&self, request_id: &str) -> Result<Option<Decided>, StoreError> {
        let query = "SELECT * FROM decisions WHERE request_id = ? ORDER BY number DESC LIMIT 1";
        let row = sqlx::query(query).bind(request_id).fetch_optional(&self.pool).await;
        let row = row.map_err(|error| self.failed(&error))?;
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
            "SELECT * FROM decisions WHERE number > ? AND at >= ? AND at < ? ORDER BY number LIMIT ?",
        )
        .bind(after)
        .bind(period.from)
        .bind(period.to)
        .bind(most)
        .fetch_all(&self.pool)
        .await
        .map_err(|error| self.failed(&error))?;
        rows.iter().map(|row| read(row).map_err(|error| self.failed(&error))).collect()
    }

    async fn count(&self, period: Period) -> Result<u64, StoreError> {
        sqlx::query_scalar::<_, i64>("SELECT count(*) FROM decisions WHERE at >= ? AND at < ?")
            .bind(period.from)
            .bind(period.to)
            .fetch_one(&self.pool)
            .await
            .map(i64::unsigned_abs)
            .map_err(|error| self.failed(&error))
    }

    async fn forget_before(&self, at: i64) -> Result<u64, StoreError> {
        let removed = sqlx::query("DELETE FROM decisions WHERE at < ?").bind(at);
        let removed = removed.execute(&self.pool).await.map_err(|error| self.failed(&error))?;
        Ok(removed.rows_affected())
    }
}

fn read(row: &SqliteRow) -> Result<Numbered, sqlx::Error> {
    let pico: Option<String> = row.try_get("cost_pico")?;
    let cost = pico.map(|pico| pico.parse().map(Money::from_pico_dollars)).transpose();
    let cost = cost.map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
    row::decided(row, cost)
}
