//! The store that the operator chose. Nobody else needs to know which it is.

use std::fmt;
use std::path::Path;

use isthmus_inference::secret::Secret;

use super::postgres::Postgres;
use super::sqlite::Sqlite;
use crate::books::{Books, Bucket, Hours};
use crate::decision::{Decided, DecisionLog, Numbered, Period};
use crate::entry::{Chained, Head, Hold, NodeId};
use crate::key::{Key, KeyHash, Minted, NewKey, Terms};
use crate::store::{Store, StoreError};

/// Where the ledger is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Place {
    /// In the SQLite file beside which the journal is.
    #[default]
    Sqlite,
    /// In the PostgreSQL database at this URL, which may contain a password.
    Postgres(Secret),
}

/// An open ledger.
#[derive(Clone)]
pub enum Ledger {
    /// In one file.
    Sqlite(Sqlite),
    /// In a database that gateways share.
    Postgres(Postgres),
}

impl Ledger {
    /// Opens it, makes it if there is none, and brings its tables up to date.
    pub async fn open(place: &Place, path: &Path) -> Result<Self, StoreError> {
        match place {
            Place::Sqlite => Sqlite::open(path).await.map(Self::Sqlite),
            Place::Postgres(url) => Postgres::open(url).await.map(Self::Postgres),
        }
    }

    /// Opens one that is there already. A database is there if it can be reached.
    pub async fn open_existing(place: &Place, path: &Path) -> Result<Self, StoreError> {
        match place {
            Place::Sqlite => Sqlite::open_existing(path).await.map(Self::Sqlite),
            Place::Postgres(url) => Postgres::open(url).await.map(Self::Postgres),
        }
    }

    /// Where it is, in words without a password.
    pub fn place(&self) -> String {
        match self {
            Self::Sqlite(sqlite) => sqlite.path().display().to_string(),
            Self::Postgres(postgres) => postgres.place().to_owned(),
        }
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ledger").field(&self.place()).finish()
    }
}

/// The same words to whichever it is.
macro_rules! ask {
    ($ledger:expr, $store:ident => $asked:expr) => {
        match $ledger {
            Ledger::Sqlite($store) => $asked.await,
            Ledger::Postgres($store) => $asked.await,
        }
    };
}

impl Store for Ledger {
    async fn create_key(&self, new: &NewKey, now: i64) -> Result<(Key, Minted), StoreError> {
        ask!(self, store => store.create_key(new, now))
    }

    async fn keys(&self) -> Result<Vec<(KeyHash, Key)>, StoreError> {
        ask!(self, store => store.keys())
    }

    async fn key(&self, name_or_id: &str) -> Result<Key, StoreError> {
        ask!(self, store => store.key(name_or_id))
    }

    async fn revoke_key(&self, name_or_id: &str, now: i64) -> Result<Key, StoreError> {
        ask!(self, store => store.revoke_key(name_or_id, now))
    }

    async fn change_key(&self, name_or_id: &str, terms: &Terms) -> Result<Key, StoreError> {
        ask!(self, store => store.change_key(name_or_id, terms))
    }

    async fn rotate_key(
        &self,
        name_or_id: &str,
        old_until: i64,
        now: i64,
    ) -> Result<(Key, Minted), StoreError> {
        ask!(self, store => store.rotate_key(name_or_id, old_until, now))
    }

    async fn version(&self) -> Result<i64, StoreError> {
        ask!(self, store => store.version())
    }
}

impl DecisionLog for Ledger {
    async fn append(&self, rows: &[Decided]) -> Result<(), StoreError> {
        ask!(self, store => store.append(rows))
    }

    async fn decision(&self, request_id: &str) -> Result<Option<Decided>, StoreError> {
        ask!(self, store => store.decision(request_id))
    }

    async fn decisions(
        &self,
        period: Period,
        after: i64,
        most: u32,
    ) -> Result<Vec<Numbered>, StoreError> {
        ask!(self, store => store.decisions(period, after, most))
    }

    async fn count(&self, period: Period) -> Result<u64, StoreError> {
        ask!(self, store => store.count(period))
    }

    async fn forget_before(&self, at: i64) -> Result<u64, StoreError> {
        ask!(self, store => store.forget_before(at))
    }
}

impl Books for Ledger {
    async fn post(&self, links: &[Chained]) -> Result<Head, StoreError> {
        ask!(self, store => store.post(links))
    }

    async fn head(&self, node: &NodeId) -> Result<Head, StoreError> {
        ask!(self, store => store.head(node))
    }

    async fn heads(&self) -> Result<Vec<(NodeId, Head)>, StoreError> {
        ask!(self, store => store.heads())
    }

    async fn links(
        &self,
        node: &NodeId,
        after: u64,
        most: u32,
    ) -> Result<Vec<Chained>, StoreError> {
        ask!(self, store => store.links(node, after, most))
    }

    async fn of_request(&self, request_id: &str) -> Result<Vec<Chained>, StoreError> {
        ask!(self, store => store.of_request(request_id))
    }

    async fn open_holds(&self, node: Option<&NodeId>) -> Result<Vec<(NodeId, Hold)>, StoreError> {
        ask!(self, store => store.open_holds(node))
    }

    async fn buckets(&self, period: Hours) -> Result<Vec<Bucket>, StoreError> {
        ask!(self, store => store.buckets(period))
    }

    async fn keep_price(&self, id: &str, body: &str) -> Result<(), StoreError> {
        ask!(self, store => store.keep_price(id, body))
    }

    async fn prices(&self) -> Result<Vec<(String, String)>, StoreError> {
        ask!(self, store => store.prices())
    }
}
