//! Everything in a PostgreSQL database, which any number of gateways share.
//!
//! Sums are added up by the database itself, in decimals, so that gateways which post at the same time
//! lose nothing. Whoever writes several rows takes them in one order, so that no two wait for each
//! other.

mod books;
mod decisions;
mod sums;

use std::str::FromStr;
use std::time::Duration;

use isthmus_inference::secret::Secret;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{PgConnection, PgPool};

use super::row;
use crate::key::{Key, KeyHash, Minted, NewKey, Terms};
use crate::store::{Store, StoreError};

/// A store in a database.
#[derive(Debug, Clone)]
pub struct Postgres {
    pool: PgPool,
    /// Host and database, for errors.
    place: String,
}

/// Connections of one gateway: posting, keys, decisions and a report or two.
const CONNECTIONS: u32 = 8;
/// How long anybody waits for a connection. Calls never do: what they need is in memory.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

impl Postgres {
    /// Connects, and brings the tables up to date. Of several that do so at once, one does it and the
    /// others wait.
    pub async fn open(url: &Secret) -> Result<Self, StoreError> {
        let options = PgConnectOptions::from_str(url.expose()).map_err(|_| unreadable())?;
        let place = place(&options);
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_with(options.application_name("isthmus"))
            .await
            .map_err(|error| unavailable(&place, &error))?;
        let store = Self { pool, place };
        store.migrate().await?;
        Ok(store)
    }

    /// Host and database, without a password.
    pub fn place(&self) -> &str {
        &self.place
    }

    async fn migrate(&self) -> Result<(), StoreError> {
        let mut migrations = Migrator { ..Migrator::DEFAULT };
        migrations.migrations = MIGRATIONS.migrations.clone();
        // A newer gateway has been here. Migrations only add, so an older one can go on.
        migrations.set_ignore_missing(true);
        migrations.run(&self.pool).await.map_err(|error| unavailable(&self.place, &error))
    }

    async fn insert(
        &self,
        connection: &mut PgConnection,
        new: &NewKey,
        now: i64,
    ) -> Result<Minted, StoreError> {
        let minted = new.mint()?;
        let insert = sqlx::query(
            "INSERT INTO keys (id, name, hash, created_at, models, expires_at,
                               organisation, team, app, data_class, may_declassify, tags, limits)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        )
        .bind(&minted.id)
        .bind(&new.name)
        .bind(minted.hash.as_bytes().as_slice())
        .bind(now);
        let inserted = row::bind_terms(insert, &new.terms).execute(connection).await;
        match inserted {
            Ok(_) => Ok(minted),
            Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
                Err(StoreError::NameTaken(new.name.clone()))
            }
            Err(error) => Err(self.failed(&error)),
        }
    }

    fn failed(&self, error: &sqlx::Error) -> StoreError {
        unavailable(&self.place, error)
    }
}

impl Store for Postgres {
    async fn create_key(&self, new: &NewKey, now: i64) -> Result<(Key, Minted), StoreError> {
        let mut connection = self.pool.acquire().await.map_err(|error| self.failed(&error))?;
        let minted = self.insert(&mut connection, new, now).await?;
        Ok((self.key(&minted.id).await?, minted))
    }

    async fn key(&self, name_or_id: &str) -> Result<Key, StoreError> {
        let row = sqlx::query("SELECT * FROM keys WHERE name = $1 OR id = $1")
            .bind(name_or_id)
            .fetch_optional(&self.pool)
            .await
            .map_err(|error| self.failed(&error))?
            .ok_or_else(|| StoreError::NoSuchKey(name_or_id.to_owned()))?;
        row::key(&row).map(|(_, key)| key).map_err(|error| self.failed(&error))
    }

    async fn keys(&self) -> Result<Vec<(KeyHash, Key)>, StoreError> {
        let rows = sqlx::query("SELECT * FROM keys ORDER BY created_at, number")
            .fetch_all(&self.pool)
            .await
            .map_err(|error| self.failed(&error))?;
        rows.iter().map(|row| row::key(row).map_err(|error| self.failed(&error))).collect()
    }

    async fn revoke_key(&self, name_or_id: &str, now: i64) -> Result<Key, StoreError> {
        sqlx::query(
            "UPDATE keys SET revoked_at = coalesce(revoked_at, $2) WHERE name = $1 OR id = $1",
        )
        .bind(name_or_id)
        .bind(now)
        .execute(&self.pool)
        .await
        .map_err(|error| self.failed(&error))?;
        self.key(name_or_id).await
    }

    async fn change_key(&self, name_or_id: &str, terms: &Terms) -> Result<Key, StoreError> {
        terms.check()?;
        let key = self.key(name_or_id).await?;
        let change = sqlx::query(
            "UPDATE keys SET models = $2, expires_at = $3, organisation = $4, team = $5, app = $6,
                             data_class = $7, may_declassify = $8, tags = $9, limits = $10
             WHERE id = $1 AND revoked_at IS NULL",
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
        let mut transaction = self.pool.begin().await.map_err(failed)?;
        let moved = sqlx::query(
            "UPDATE keys SET name = $2, expires_at = least(expires_at, $3)
             WHERE id = $1 AND name = $4 AND revoked_at IS NULL",
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
        Ok((self.key(&minted.id).await?, minted))
    }

    async fn version(&self) -> Result<i64, StoreError> {
        sqlx::query_scalar("SELECT count FROM key_changes")
            .fetch_one(&self.pool)
            .await
            .map_err(|error| self.failed(&error))
    }
}

/// PostgreSQL's texts have no character of the number 0, which JSON and callers may.
fn without_zero(text: &str) -> std::borrow::Cow<'_, str> {
    match text.contains('\0') {
        true => text.replace('\0', "\u{fffd}").into(),
        false => text.into(),
    }
}

fn place(options: &PgConnectOptions) -> String {
    let database = options.get_database().unwrap_or_else(|| options.get_username());
    let host = match options.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => options.get_host().to_owned(),
    };
    format!("postgres {host}:{}/{database}", options.get_port())
}

/// The reason is left out: it may quote the URL, and with it the password.
fn unreadable() -> StoreError {
    let reason = "it is no URL such as `postgres://user:password@host:5432/database`";
    StoreError::Unavailable { place: "ledger.url".to_owned(), reason: reason.to_owned() }
}

fn unavailable(place: &str, error: &dyn std::error::Error) -> StoreError {
    StoreError::Unavailable { place: place.to_owned(), reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_no_password_in_it() {
        let options: PgConnectOptions =
            "postgres://ann:hunter2@db.example:5433/books".parse().unwrap();
        assert_eq!(place(&options), "postgres db.example:5433/books");
    }

    #[tokio::test]
    async fn an_url_that_cannot_be_read_is_not_shown() {
        for url in ["hunter2", "postgres://ann:hunter2@db:port/x", "mysql://a:hunter2@b/c"] {
            let error = Postgres::open(&Secret::from(url)).await.unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
