//! The callers' keys in memory, kept in step with the ledger.
//!
//! * [`tenant`]: who a caller is, and what goes for their requests

pub mod tenant;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use foldhash::quality::RandomState;
use isthmus_config::settings::tenancy::Tenancy;
use isthmus_inference::failure::{Failure, Kind};
use isthmus_ledger::key::{Key, KeyHash};
use isthmus_ledger::store::{Store, StoreError};

use crate::telemetry::events::ServerOpen;
use crate::telemetry::events::keys::{KeysReloadFailed, KeysReloaded};
use tenant::Held;
pub use tenant::Tenant;

/// All keys by hash, those of the ledger and those of the configuration, replaced as a whole when the
/// ledger changes.
pub struct Keyring {
    keys: ArcSwap<HashMap<KeyHash, Arc<Held>, RandomState>>,
    may_be_open: bool,
    tenancy: Tenancy,
    anonymous: Tenant,
}

/// What was last read from the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loaded {
    /// Keys in all, live or not.
    pub count: usize,
    /// The ledger's version that they are of.
    version: i64,
}

/// How often the ledger is asked whether keys changed: a revocation takes effect within this.
const POLL: Duration = Duration::from_millis(500);

// === impl Keyring ===

impl Keyring {
    /// A ring with the keys that are declared. `may_be_open`: as long as there are no keys at all, live
    /// or not, anyone may call; otherwise nobody may.
    pub fn new(may_be_open: bool, tenancy: &Tenancy) -> Self {
        let anonymous = Tenant::anonymous(&tenancy.organisation.name);
        let keyring =
            Self { keys: ArcSwap::default(), may_be_open, tenancy: tenancy.clone(), anonymous };
        keyring.hold(vec![]);
        keyring
    }

    /// The organisation, its teams, and the keys that are declared.
    pub fn tenancy(&self) -> &Tenancy {
        &self.tenancy
    }

    /// Whoever calls without a key.
    pub fn anonymous(&self) -> Tenant {
        self.anonymous.clone()
    }

    /// The holder of the key of this name, live or not.
    pub fn named(&self, name: &str) -> Option<Tenant> {
        let keys = self.keys.load();
        let held = keys.values().find(|held| held.key.name == name)?;
        Some(Tenant::Key(Arc::clone(held)))
    }

    /// Whose key this is.
    pub fn identify(&self, presented: Option<&str>) -> Result<Tenant, Failure> {
        let keys = self.keys.load();
        if keys.is_empty() && self.may_be_open {
            return Ok(self.anonymous());
        }
        let presented = presented.ok_or_else(missing)?;
        // A hash is compared, not the key, so the time that the look-up takes tells nothing of it.
        let held = keys.get(&KeyHash::of(presented)).ok_or_else(|| refused("is not known here"))?;
        let key = &held.key;
        if key.revoked_at.is_some() {
            return Err(refused("was revoked"));
        }
        if !key.is_live(now()) {
            return Err(refused("has expired"));
        }
        Ok(Tenant::Key(Arc::clone(held)))
    }

    /// Reads all keys from the ledger, and says how many there are and which version they are of.
    pub async fn load(&self, store: &impl Store) -> Result<Loaded, StoreError> {
        // Asked first: a change between the two is seen again, not missed.
        let version = store.version().await?;
        let count = self.hold(store.keys().await?);
        Ok(Loaded { count, version })
    }

    /// Holds these keys and those that are declared, which count where both are one.
    fn hold(&self, kept: Vec<(KeyHash, Key)>) -> usize {
        let declared = self.tenancy.keys.iter().cloned();
        let hold = |(hash, key)| (hash, Arc::new(Held::new(key, &self.tenancy)));
        let keys: HashMap<_, _, _> = kept.into_iter().chain(declared).map(hold).collect();
        let count = keys.len();
        self.keys.store(Arc::new(keys));
        count
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
    use isthmus_config::settings::tenancy::Organisation;
    use isthmus_ledger::key::{Holder, NewKey, Terms};
    use isthmus_ledger::stores::sqlite::Sqlite;
    use isthmus_policies::class::DataClass;
    use isthmus_policies::question::Principal;

    use super::*;

    fn house() -> Tenancy {
        let organisation = Organisation { name: "house".into(), ..Organisation::default() };
        Tenancy { organisation, ..Tenancy::default() }
    }

    async fn store(folder: &tempfile::TempDir) -> Sqlite {
        Sqlite::open(&folder.path().join("isthmus.db")).await.unwrap()
    }

    #[tokio::test]
    async fn without_keys_anyone_may_call_and_with_one_nobody_else() {
        let folder = tempfile::tempdir().unwrap();
        let (store, keyring) = (store(&folder).await, Keyring::new(true, &house()));
        assert!(matches!(keyring.identify(None), Ok(Tenant::Anonymous(_))));
        let closed = Keyring::new(false, &house());
        assert!(closed.identify(None).is_err(), "closed unless it may be open");

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
    async fn a_key_says_whose_it_is_and_what_it_does_not_say_is_the_houses() {
        let folder = tempfile::tempdir().unwrap();
        let (store, keyring) = (store(&folder).await, Keyring::new(true, &house()));
        let holder = Holder {
            team: Some("support".into()),
            data_class: Some("from tomorrow".into()),
            ..Holder::default()
        };
        let terms = Terms { holder, ..Terms::default() };
        let new = NewKey { name: "web".into(), terms };
        let (_, minted) = store.create_key(&new, 1).await.unwrap();
        keyring.load(&store).await.unwrap();
        let tenant = keyring.identify(Some(minted.secret.expose())).unwrap();
        let Principal { organisation, team, app } = &**tenant.principal();
        assert_eq!([organisation, team, app], ["house", "support", "web"]);
        assert_eq!(tenant.data_class(), Some(DataClass::Secret), "an unknown word is the worst");
        assert!(!tenant.may_declassify());
    }

    #[tokio::test]
    async fn a_revoked_key_closes_the_gateway_it_does_not_open_it() {
        let folder = tempfile::tempdir().unwrap();
        let (store, keyring) = (store(&folder).await, Keyring::new(true, &house()));
        let new = NewKey { name: "web".into(), ..NewKey::default() };
        let (_, minted) = store.create_key(&new, 1).await.unwrap();
        store.revoke_key("web", 2).await.unwrap();
        keyring.load(&store).await.unwrap();
        let failure = keyring.identify(Some(minted.secret.expose())).unwrap_err();
        assert!(failure.message.contains("revoked"), "{failure}");
        assert!(keyring.identify(None).is_err());
    }
}
