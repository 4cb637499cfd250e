//! The callers' keys in memory, kept in step with the ledger.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use isthmus_inference::failure::{Failure, Kind};
use isthmus_ledger::key::{Key, KeyHash};
use isthmus_ledger::store::{Store, StoreError};
use isthmus_policies::class::DataClass;
use isthmus_policies::question::Principal;

use crate::telemetry::events::{KeysReloadFailed, KeysReloaded, ServerOpen};

/// All keys by hash, replaced as a whole when the ledger changes.
pub struct Keyring {
    keys: ArcSwap<HashMap<KeyHash, Arc<Held>>>,
    may_be_open: bool,
    /// The house's own organisation.
    organisation: String,
    anonymous: Arc<Principal>,
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
    Anonymous(Arc<Principal>),
    /// The holder of this key.
    Key(Arc<Held>),
}

/// A key with what policy knows of its holder, worked out once when it was read.
#[derive(Debug)]
pub struct Held {
    key: Key,
    principal: Arc<Principal>,
    data_class: Option<DataClass>,
    key_hash: u64,
    app_hash: u64,
}

/// The team of keys that are of no other, and the team and app of callers without a key.
const DEFAULT_TEAM: &str = "default";
const ANONYMOUS: &str = "anonymous";

/// How often the ledger is asked whether keys changed: a revocation takes effect within this.
const POLL: Duration = Duration::from_millis(500);

// === impl Keyring ===

impl Keyring {
    /// An empty ring of this organisation. `may_be_open`: as long as there are no keys at all, live
    /// or not, anyone may call; otherwise nobody may.
    pub fn new(may_be_open: bool, organisation: &str) -> Self {
        let anonymous = Arc::new(Principal {
            organisation: organisation.to_owned(),
            team: DEFAULT_TEAM.to_owned(),
            app: ANONYMOUS.to_owned(),
        });
        let organisation = organisation.to_owned();
        Self { keys: ArcSwap::default(), may_be_open, organisation, anonymous }
    }

    /// Whoever calls without a key.
    pub fn anonymous(&self) -> Tenant {
        Tenant::Anonymous(Arc::clone(&self.anonymous))
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
        let hold = |(hash, key)| (hash, Arc::new(Held::new(key, &self.organisation)));
        let keys: HashMap<_, _> = store.keys().await?.into_iter().map(hold).collect();
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
            Self::Anonymous(_) => ANONYMOUS,
            Self::Key(held) => &held.key.name,
        }
    }

    /// Whether it may ask for this model.
    pub fn allows(&self, model: &str) -> bool {
        match self {
            Self::Anonymous(_) => true,
            Self::Key(held) => held.key.allows(model),
        }
    }

    /// Who it is, as policy sees it.
    pub fn principal(&self) -> &Arc<Principal> {
        match self {
            Self::Anonymous(principal) => principal,
            Self::Key(held) => &held.principal,
        }
    }

    /// The class that its requests have at least, if somebody said so.
    pub fn data_class(&self) -> Option<DataClass> {
        match self {
            Self::Anonymous(_) => None,
            Self::Key(held) => held.data_class,
        }
    }

    /// The visible head of its key.
    pub fn key_id(&self) -> Option<&str> {
        match self {
            Self::Anonymous(_) => None,
            Self::Key(held) => Some(&held.key.id),
        }
    }

    /// What its requests are marked with.
    pub fn tags(&self) -> &BTreeMap<String, String> {
        static NONE: BTreeMap<String, String> = BTreeMap::new();
        match self {
            Self::Anonymous(_) => &NONE,
            Self::Key(held) => &held.key.holder.tags,
        }
    }

    /// Tells keys apart; the same in every process.
    pub fn key_hash(&self) -> u64 {
        match self {
            Self::Anonymous(_) => 0,
            Self::Key(held) => held.key_hash,
        }
    }

    /// Tells apps apart, in the same way.
    pub fn app_hash(&self) -> u64 {
        match self {
            Self::Anonymous(_) => 0,
            Self::Key(held) => held.app_hash,
        }
    }

    /// Whether it may say of a request that it is of a milder class.
    pub fn may_declassify(&self) -> bool {
        match self {
            Self::Anonymous(_) => false,
            Self::Key(held) => held.key.holder.may_declassify,
        }
    }
}

// === impl Held ===

impl Held {
    fn new(key: Key, organisation: &str) -> Self {
        let holder = &key.holder;
        let or = |name: &Option<String>, default: &str| {
            name.clone().unwrap_or_else(|| default.to_owned())
        };
        let principal = Arc::new(Principal {
            organisation: or(&holder.organisation, organisation),
            team: or(&holder.team, DEFAULT_TEAM),
            app: or(&holder.app, &key.name),
        });
        // A word that a newer program wrote is unknown here, and what is unknown is the worst.
        let class = |word: &String| DataClass::of(word).unwrap_or(DataClass::Secret);
        let data_class = holder.data_class.as_ref().map(class);
        let (key_hash, app_hash) = (hash_of(&key.id), hash_of(&principal.app));
        Self { principal, data_class, key_hash, app_hash, key }
    }
}

/// FNV-1a (Fowler, Noll and Vo): the same in every process, so that replicas agree on who is on which
/// side of a trial.
fn hash_of(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
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
    use isthmus_ledger::key::{Holder, NewKey};
    use isthmus_ledger::stores::sqlite::Sqlite;

    use super::*;

    async fn store(folder: &tempfile::TempDir) -> Sqlite {
        Sqlite::open(&folder.path().join("isthmus.db")).await.unwrap()
    }

    #[tokio::test]
    async fn without_keys_anyone_may_call_and_with_one_nobody_else() {
        let folder = tempfile::tempdir().unwrap();
        let (store, keyring) = (store(&folder).await, Keyring::new(true, "house"));
        assert!(matches!(keyring.identify(None), Ok(Tenant::Anonymous(_))));
        let closed = Keyring::new(false, "house");
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
        let (store, keyring) = (store(&folder).await, Keyring::new(true, "house"));
        let holder = Holder {
            team: Some("support".into()),
            data_class: Some("from tomorrow".into()),
            ..Holder::default()
        };
        let new = NewKey { name: "web".into(), holder, ..NewKey::default() };
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
        let (store, keyring) = (store(&folder).await, Keyring::new(true, "house"));
        let new = NewKey { name: "web".into(), ..NewKey::default() };
        let (_, minted) = store.create_key(&new, 1).await.unwrap();
        store.revoke_key("web", 2).await.unwrap();
        keyring.load(&store).await.unwrap();
        let failure = keyring.identify(Some(minted.secret.expose())).unwrap_err();
        assert!(failure.message.contains("revoked"), "{failure}");
        assert!(keyring.identify(None).is_err());
    }
}
