//! The file of a journal: small, with one writer, and a lock that ends with the process.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
};
use sqlx::{QueryBuilder, Row, SqlitePool};

use super::{BUSY_TIMEOUT, read_hash, unavailable};
use crate::entry::{Chained, Hash, Head, NodeId};
use crate::journal::Durability;
use crate::store::StoreError;

/// A journal that this process alone writes.
#[derive(Debug)]
pub struct JournalFile {
    pool: SqlitePool,
    path: PathBuf,
    node: NodeId,
    /// The number of the last link that was taken out.
    taken_out: AtomicU64,
    /// Held until the process ends, however it ends.
    _lock: File,
}

/// How many gateways may share one ledger on one machine.
const MOST_JOURNALS: u32 = 64;
/// Rows in one statement.
const MOST_ROWS: usize = 500;

impl JournalFile {
    /// The first journal beside the ledger's file that no other process writes; a new one if all are
    /// taken. What a process that crashed left in it is still there.
    pub async fn open_beside(ledger: &Path, durability: Durability) -> Result<Self, StoreError> {
        for number in 0..MOST_JOURNALS {
            if let Some(lock) = lock(ledger, number)? {
                return Self::open(ledger, number, durability, lock).await;
            }
        }
        let reason = format!("{MOST_JOURNALS} gateways use it already");
        Err(StoreError::Unavailable { place: ledger.display().to_string(), reason })
    }

    /// All journals beside the ledger's file that no process writes: those of processes that ended.
    pub async fn left_behind(ledger: &Path) -> Result<Vec<Self>, StoreError> {
        let mut left = Vec::new();
        for number in (0..MOST_JOURNALS).filter(|number| place(ledger, *number).exists()) {
            if let Some(lock) = lock(ledger, number)? {
                left.push(Self::open(ledger, number, Durability::default(), lock).await?);
            }
        }
        Ok(left)
    }

    async fn open(
        ledger: &Path,
        number: u32,
        durability: Durability,
        lock: File,
    ) -> Result<Self, StoreError> {
        let path = place(ledger, number);
        let synchronous = match durability {
            Durability::Relaxed => SqliteSynchronous::Normal,
            Durability::BeforeAnswer | Durability::BeforeDispatch => SqliteSynchronous::Full,
        };
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(synchronous)
            .busy_timeout(BUSY_TIMEOUT);
        let failed = |error| unavailable(&path, &error);
        // One connection writes; the other reads what is to be posted, without waiting for it.
        let pool =
            SqlitePoolOptions::new().max_connections(2).idle_timeout(None).max_lifetime(None);
        let pool = pool.connect_with(options).await.map_err(failed)?;
        let migrated = sqlx::migrate!("migrations/journal").run(&pool).await;
        migrated.map_err(|error| unavailable(&path, &error))?;
        let node = node(&pool, &path).await?;
        Ok(Self { pool, path, node, taken_out: AtomicU64::new(0), _lock: lock })
    }

    /// By which the books know it.
    pub fn node(&self) -> &NodeId {
        &self.node
    }

    /// Where its chain ends.
    pub async fn head(&self) -> Result<Head, StoreError> {
        let last = "SELECT sequence, hash FROM links ORDER BY sequence DESC LIMIT 1";
        let last = sqlx::query(last).fetch_optional(&self.pool).await;
        let row = match last.map_err(|error| self.failed(&error))? {
            Some(row) => row,
            None => sqlx::query("SELECT sequence, hash FROM node")
                .fetch_one(&self.pool)
                .await
                .map_err(|error| self.failed(&error))?,
        };
        read_head(&row).map_err(|error| self.failed(&error))
    }

    /// Writes links, and takes out those that the books have, up to `posted`: durable on return.
    pub(crate) async fn append(&self, links: &[Chained], posted: Head) -> Result<(), StoreError> {
        let failed = |error| self.failed(&error);
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
        for some in links.chunks(MOST_ROWS) {
            let mut insert = QueryBuilder::new("INSERT INTO links (sequence, body, hash) ");
            insert.push_values(some, |mut row, link| {
                row.push_bind(number(link.sequence))
                    .push_bind(link.body.as_str())
                    .push_bind(link.hash.as_bytes().as_slice());
            });
            insert.build().execute(&mut *transaction).await.map_err(failed)?;
        }
        if posted.sequence > self.taken_out.load(Relaxed) {
            let sequence = number(posted.sequence);
            let delete = sqlx::query("DELETE FROM links WHERE sequence <= ?").bind(sequence);
            delete.execute(&mut *transaction).await.map_err(failed)?;
            sqlx::query("UPDATE node SET sequence = ?, hash = ?")
                .bind(sequence)
                .bind(posted.hash.as_bytes().as_slice())
                .execute(&mut *transaction)
                .await
                .map_err(failed)?;
        }
        transaction.commit().await.map_err(failed)?;
        self.taken_out.fetch_max(posted.sequence, Relaxed);
        Ok(())
    }

    /// Links behind the one with this number, in their order, at most so many.
    pub async fn links(&self, after: u64, most: u32) -> Result<Vec<Chained>, StoreError> {
        let query = "SELECT * FROM links WHERE sequence > ? ORDER BY sequence LIMIT ?";
        let rows = sqlx::query(query).bind(number(after)).bind(most).fetch_all(&self.pool).await;
        let rows = rows.map_err(|error| self.failed(&error))?;
        rows.iter().map(|row| self.read(row).map_err(|error| self.failed(&error))).collect()
    }

    fn read(&self, row: &SqliteRow) -> Result<Chained, sqlx::Error> {
        let Head { sequence, hash } = read_head(row)?;
        Ok(Chained { node: self.node.clone(), sequence, body: row.try_get("body")?, hash })
    }

    fn failed(&self, error: &sqlx::Error) -> StoreError {
        unavailable(&self.path, error)
    }
}

/// Where the journal of this number lies: `isthmus.journal-0.db` beside `isthmus.db`.
fn place(ledger: &Path, number: u32) -> PathBuf {
    ledger.with_extension(format!("journal-{number}.db"))
}

/// The lock of a journal, unless another process has it. It is a file of its own, since SQLite locks
/// the journal's in its own way.
fn lock(ledger: &Path, number: u32) -> Result<Option<File>, StoreError> {
    let path = ledger.with_extension(format!("journal-{number}.lock"));
    let file = File::options().create(true).write(true).truncate(false).open(&path);
    let file = file.map_err(|error| unavailable(&path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(unavailable(&path, &error)),
    }
}

/// The journal's name in the books; a new journal gets one that no other has.
async fn node(pool: &SqlitePool, path: &Path) -> Result<NodeId, StoreError> {
    let failed = |error| unavailable(path, &error);
    let known: Result<Option<String>, _> =
        sqlx::query_scalar("SELECT id FROM node").fetch_optional(pool).await;
    if let Some(id) = known.map_err(failed)? {
        return Ok(NodeId::new(id));
    }
    let mut chance = [0; 8];
    getrandom::fill(&mut chance)?;
    let id = format!("{:016x}", u64::from_be_bytes(chance));
    sqlx::query("INSERT INTO node (id, sequence, hash) VALUES (?, 0, ?)")
        .bind(&id)
        .bind(Head::START.hash.as_bytes().as_slice())
        .execute(pool)
        .await
        .map_err(failed)?;
    Ok(NodeId::new(id))
}

fn read_head(row: &SqliteRow) -> Result<Head, sqlx::Error> {
    let sequence: i64 = row.try_get("sequence")?;
    let hash: Hash = read_hash(row)?;
    Ok(Head { sequence: sequence.unsigned_abs(), hash })
}

fn number(sequence: u64) -> i64 {
    i64::try_from(sequence).unwrap_or(i64::MAX)
}
