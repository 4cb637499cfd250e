//! Where keys are kept. One suite (`tests/stores.rs`) runs on every implementation.

use std::future::Future;

use crate::key::{Key, KeyHash, Minted, NewKey, Terms};

/// A place where keys outlive the process. Times are Unix seconds and come from the caller.
pub trait Store: Send + Sync {
    /// Makes a key and keeps its hash.
    fn create_key(
        &self,
        new: &NewKey,
        now: i64,
    ) -> impl Future<Output = Result<(Key, Minted), StoreError>> + Send;

    /// All keys ever made, oldest first.
    fn keys(&self) -> impl Future<Output = Result<Vec<(KeyHash, Key)>, StoreError>> + Send;

    /// The key of this name or id.
    fn key(&self, name_or_id: &str) -> impl Future<Output = Result<Key, StoreError>> + Send;

    /// Withdraws the key of this name or id.
    fn revoke_key(
        &self,
        name_or_id: &str,
        now: i64,
    ) -> impl Future<Output = Result<Key, StoreError>> + Send;

    /// Gives the key of this name or id on other terms, from now on. One that was withdrawn stays so.
    fn change_key(
        &self,
        name_or_id: &str,
        terms: &Terms,
    ) -> impl Future<Output = Result<Key, StoreError>> + Send;

    /// Makes a key that takes the place of the one of this name or id: the same name, holder, models and
    /// end. The old one goes on as `NAME~ID` until `old_until`, or its own end if that comes before.
    fn rotate_key(
        &self,
        name_or_id: &str,
        old_until: i64,
        now: i64,
    ) -> impl Future<Output = Result<(Key, Minted), StoreError>> + Send;

    /// A number that changes whenever a key has.
    fn version(&self) -> impl Future<Output = Result<i64, StoreError>> + Send;
}

/// What a store could not do.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The name is taken.
    #[error("a key named `{0}` exists already; choose another name or revoke that one first")]
    NameTaken(String),
    /// No such key.
    #[error("no key is named `{0}`; `isthmus keys list` shows those that exist")]
    NoSuchKey(String),
    /// A key that opens nothing has no successor: a new one would open again what was closed.
    #[error("the key `{0}` was revoked or has expired, so it cannot be rotated; make a new one")]
    NotLive(String),
    /// Nothing is changed about a key that was withdrawn.
    #[error("the key `{0}` was revoked, so there is nothing to change; make a new one")]
    Revoked(String),
    /// A model's name in a key's list says nothing. An empty list would allow all models, so a
    /// list that was meant to restrict must not become one.
    #[error("a key's list of models has an empty name in it")]
    EmptyModel,
    /// The system gave no random bytes for a key.
    #[error("the system gives no random bytes, so no key can be made: {0}")]
    NoRandomness(#[from] getrandom::Error),
    /// A link of a journal does not follow on the one before, so somebody changed or removed an entry.
    #[error(
        "entry {sequence} of journal `{node}` does not follow on the one before; nothing of it is posted. `isthmus ledger verify` says more"
    )]
    Broken {
        /// Whose.
        node: String,
        /// The entry's number.
        sequence: u64,
    },
    /// The place itself failed.
    #[error("cannot use the ledger at `{place}`: {reason}")]
    Unavailable {
        /// Which.
        place: String,
        /// Why.
        reason: String,
    },
}
