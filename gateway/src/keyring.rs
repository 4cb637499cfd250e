//! The callers' keys in memory, kept in step with the ledger.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use isthmus_inference::failure::{Failure, Kind};
use isthmus_ledger::key::{Key, KeyHash};
use isthmus_ledger::store::{Store, StoreError};

use crate::telemetry::events::{KeysReloadFailed, KeysReloaded, ServerOpen};

/// All keys by hash, replaced as a whole when the ledger changes. The default is closed.
#[derive(Default)]
pub struct Keyring {
    keys: ArcSwap<HashMap<KeyHash, Arc<Key>>>,
    may_be_open: bool,
}

/// What was last read from the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loaded {
    /// Keys in all, live or not.
    pub count: usize,
    /// The ledger's version that they are of.
    version: i64,
}

/// Who is calling.
#[derive(Debug, Clone)]
pub enum Tenant {
    /// Anyone: the gateway is open, because there are no keys.
    Anonymous,
    /// The holder of this key.
    Key(Arc<Key>),
}

/// How often the ledger is asked whether keys changed: a revocation takes effect within this.
const POLL: Duration = Duration::from_millis(500);

// === impl Keyring ===

impl Keyring {
    /// An empty ring. `may_be_open`: as long as there are no keys at all, live or not, anyone may
    /// call; otherwise nobody may.
    pub fn new(may_be_open: bool) -> Self {
        Self { may_be_open, ..Self::default() }
    }

    /// Whose key this is.
    pub fn identify(&self, presented: Option<&str>) -> Result<Tenant, Failure> {
        let keys = self.keys.load();
        if keys.is_empty() && self.may_be_open {
            return Ok(Tenant::Anonymous);
        }
        let presented = presented.ok_or_else(missing)?;
        // A hash is compared, not the key, so the time that the look-up takes tells nothing of it.
        let key = keys.get(&KeyHash::of(presented)).ok_or_else(|| refused("is not known here"))?;
        if key.revoked_at.is_some() {
            return Err(refused("was revoked"));
        }
        if !key.is_live(now()) {
            return Err(refused("has expired"));
        }
        Ok(Tenant::Key(Arc::clone(key)))
    }

    /// Reads all keys from the ledger, and says how many there are and which version they are of.
    pub async fn load(&self, store: &impl Store) -> Result<Loaded, StoreError> {
        // Asked first: a change between the two is seen again, not missed.
        let version = store.version().await?;
        let keys: HashMap<_, _> =
            store.keys().await?.into_iter().map(|(hash, key)| (hash, Arc::new(key))).collect();
        let count = keys.len();
        self.keys.store(Arc::new(keys));
        Ok(Loaded { count, version })
    }

    /// Reloads whenever a key was made or changed, by whichever process; never returns. While the ledger cannot be
    /// read, the keys last seen stay in force.
    pub async fn follow(&self, store: &impl Store, mut seen: Loaded) {
        let mut tick = tokio::time::interval(POLL);
        loop {
            tick.tick().await;
            match self.reload(store, seen).await {
                Ok(None) => {}
                Ok(Some(loaded)) => {
                    KeysReloaded { count: loaded.count }.emit();
                    if loaded.count == 0 && self.may_be_open {
                        ServerOpen.emit();
                    }
                    seen = loaded;
                }
                Err(error) => KeysReloadFailed { error: &error }.emit(),
            }
        }
    }

    async fn reload(&self, store: &impl Store, seen: Loaded) -> Result<Option<Loaded>, StoreError> {
        if store.version().await? == seen.version {
            return Ok(None);
        }
        self.load(store).await.map(Some)
    }
}

// === impl Tenant ===

impl Tenant {
    /// The name for logs.
    pub fn name(&self) -> &str {
        match self {
            Self::Anonymous => "anonymous",
            Self::Key(key) => &key.name,
        }
    }

    /// Whether it may ask for this model.
    pub fn allows(&self, model: &str) -> bool {
        match self {
            Self::Anonymous => true,
            Self::Key(key) => key.allows(model),
        }
    }
}

/// Unix seconds.
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

fn missing() -> Failure {
    let message = "no API key: send `Authorization: Bearer isk-…` (the OpenAI SDK's `api_key`)";
    Failure::new(Kind::Unauthenticated, message)
}

fn refused(why: &str) -> Failure {
    let message = format!("the API key {why}; ask whoever runs this gateway for another");
    Failure::new(Kind::Unauthenticated, message)
}

#[cfg(test)]
mod tests {
    use isthmus_ledger::key::NewKey;
    use isthmus_ledger::stores::sqlite::Sqlite;

    use super::*;

    async fn store(folder: &tempfile::TempDir) -> Sqlite {
        Sqlite::open(&folder.path().join("isthmus.db")).await.unwrap()
    }

    #[tokio::test]
    async fn without_keys_anyone_may_call_and_with_one_nobody_else() {
        let folder = tempfile::tempdir().unwrap();
        let (store, keyring) = (store(&folder).await, Keyring::new(true));
        assert!(matches!(keyring.identify(None), Ok(Tenant::Anonymous)));
        assert!(Keyring::default().identify(None).is_err(), "closed unless it may be open");

        let new = NewKey { name: "web".into(), ..NewKey::default() };
        let (_, minted) = store.create_key(&new, 1).await.unwrap();
        keyring.load(&store).await.unwrap();
        let tenant = keyring.identify(Some(minted.secret.expose())).unwrap();
        assert_eq!(tenant.name(), "web");
        for wrong in [None, Some(""), Some("isk-wrong"), Some(&*minted.id)] {
            assert_eq!(keyring.identify(wrong).unwrap_err().kind, Kind::Unauthenticated);
        }
    }

    #[tokio::test]
    async fn a_revoked_key_closes_the_gateway_it_does_not_open_it() {
        let folder = tempfile::tempdir().unwrap();
        let (store, keyring) = (store(&folder).await, Keyring::new(true));
        let new = NewKey { name: "web".into(), ..NewKey::default() };
        let (_, minted) = store.create_key(&new, 1).await.unwrap();
        store.revoke_key("web", 2).await.unwrap();
        keyring.load(&store).await.unwrap();
        let failure = keyring.identify(Some(minted.secret.expose())).unwrap_err();
        assert!(failure.message.contains("revoked"), "{failure}");
        assert!(keyring.identify(None).is_err());
    }
}
