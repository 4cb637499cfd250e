//! Everything in one SQLite file: nothing to install, safe with several processes on one machine.

mod books;
mod decisions;
mod open;
mod page;
mod sums;

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions};
use sqlx::{SqliteConnection, SqlitePool};

use super::row;
use crate::key::{Key, KeyHash, Minted, NewKey, Terms};
use crate::store::{Store, StoreError};

/// A store in one file.
#[derive(Debug, Clone)]
pub struct Sqlite {
    pool: SqlitePool,
    path: PathBuf,
}

/// How long a writer waits for another process to finish writing.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

impl Sqlite {
    /// Opens the file, makes it if it is missing, and brings its tables up to date.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_or(path, true).await
    }

    /// Opens a file that is there already.
    pub async fn open_existing(path: &Path) -> Result<Self, StoreError> {
        Self::open_or(path, false).await
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    async fn open_or(path: &Path, create: bool) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(create)
            .journal_mode(SqliteJournalMode::Wal)
            .busy_timeout(BUSY_TIMEOUT);
        // One writer at a time is all that SQLite has; a second connection would only wait for it.
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options)
            .await
            .map_err(|error| unavailable(path, &error))?;
        let store = Self { pool, path: path.to_owned() };
        sqlx::migrate!("migrations/sqlite")
            .run(&store.pool)
            .await
            .map_err(|error| unavailable(path, &error))?;
        Ok(store)
    }

    async fn insert(
        &self,
        connection: &mut SqliteConnection,
        new: &NewKey,
        now: i64,
    ) -> Result<Minted, StoreError> {
        let minted = new.mint()?;
        let insert = sqlx::query(
            "INSERT INTO keys (id, name, hash, created_at, models, expires_at,
                               organisation, team, app, data_class, may_declassify, tags, limits)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(&minted.id)
        .bind(&new.name)
        .bind(minted.hash.as_bytes().as_slice())
        .bind(now);
        let inserted = row::bind_terms(insert, &new.terms).execute(&mut *connection).await;
        match inserted {
            Ok(_) => Ok(minted),
            Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
                Err(StoreError::NameTaken(new.name.clone()))
            }
            Err(error) => Err(self.failed(&error)),
        }
    }

    fn failed(&self, error: &sqlx::Error) -> StoreError {
        unavailable(&self.path, error)
    }
}

impl Store for Sqlite {
    async fn create_key(&self, new: &NewKey, now: i64) -> Result<(Key, Minted), StoreError> {
        let mut connection = self.pool.acquire().await.map_err(|error| self.failed(&error))?;
        let minted = self.insert(&mut connection, new, now).await?;
        drop(connection);
        Ok((self.key(&new.name).await?, minted))
    }

    async fn change_key(&self, name_or_id: &str, terms: &Terms) -> Result<Key, StoreError> {
        terms.check()?;
        let key = self.key(name_or_id).await?;
        let change = sqlx::query(
            "UPDATE keys SET models = ?2, expires_at = ?3, organisation = ?4, team = ?5, app = ?6,
                             data_class = ?7, may_declassify = ?8, tags = ?9, limits = ?10
             WHERE id = ?1 AND revoked_at IS NULL",
        )
        .bind(&key.id);
        let changed = row::bind_terms(change, terms)
            .execute(&self.pool)
            .await
            .map_err(|error| self.failed(&error))?;
        match changed.rows_affected() {
            0 => Err(StoreError::Revoked(key.name)),
            _ => self.key(&key.id).await,
        }
    }

    async fn rotate_key(
        &self,
        name_or_id: &str,
        old_until: i64,
        now: i64,
    ) -> Result<(Key, Minted), StoreError> {
        let failed = |error| self.failed(&error);
        let old = self.key(name_or_id).await?;
        let new = old.successor(now)?;
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
        let moved = sqlx::query(
            "UPDATE keys SET name = ?2, expires_at = min(coalesce(expires_at, ?3), ?3)
             WHERE id = ?1 AND name = ?4 AND revoked_at IS NULL",
        )
        .bind(&old.id)
        .bind(old.former_name())
        .bind(old_until)
        .bind(&old.name)
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
        // Somebody revoked or rotated it since.
        if moved.rows_affected() == 0 {
            return Err(StoreError::NotLive(old.name));
        }
        let minted = self.insert(&mut transaction, &new, now).await?;
        transaction.commit().await.map_err(failed)?;
        Ok((self.key(&new.name).await?, minted))
    }

    async fn key(&self, name_or_id: &str) -> Result<Key, StoreError> {
        let row = sqlx::query("SELECT * FROM keys WHERE name = ?1 OR id = ?1")
            .bind(name_or_id)
            .fetch_optional(&self.pool)
            .await
            .map_err(|error| self.failed(&error))?
            .ok_or_else(|| StoreError::NoSuchKey(name_or_id.to_owned()))?;
        row::key(&row).map(|(_, key)| key).map_err(|error| self.failed(&error))
    }

    async fn keys(&self) -> Result<Vec<(KeyHash, Key)>, StoreError> {
        let rows = sqlx::query("SELECT * FROM keys ORDER BY created_at, rowid")
            .fetch_all(&self.pool)
            .await
            .map_err(|error| self.failed(&error))?;
        rows.iter().map(|row| row::key(row).map_err(|error| self.failed(&error))).collect()
    }

    async fn revoke_key(&self, name_or_id: &str, now: i64) -> Result<Key, StoreError> {
        sqlx::query(
            "UPDATE keys SET revoked_at = coalesce(revoked_at, ?2) WHERE name = ?1 OR id = ?1",
        )
        .bind(name_or_id)
        .bind(now)
        .execute(&self.pool)
        .await
        .map_err(|error| self.failed(&error))?;
        self.key(name_or_id).await
    }

    async fn version(&self) -> Result<i64, StoreError> {
        sqlx::query_scalar("SELECT count FROM key_changes")
            .fetch_one(&self.pool)
            .await
            .map_err(|error| self.failed(&error))
    }
}

fn unavailable(path: &Path, error: &dyn std::error::Error) -> StoreError {
    StoreError::Unavailable { place: path.display().to_string(), reason: error.to_string() }
}
