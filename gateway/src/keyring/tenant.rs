//! Who a caller is, and what goes for their requests.

use std::collections::BTreeMap;
use std::sync::Arc;

use isthmus_config::settings::tenancy::{Rules, Tenancy, own_limits};
use isthmus_ledger::key::Key;
use isthmus_policies::budget::OwnLimits;
use isthmus_policies::class::DataClass;
use isthmus_policies::question::Principal;

use crate::telemetry::events::keys::KeyOutOfPlace;

/// Who is calling.
#[derive(Debug, Clone)]
pub enum Tenant {
    /// Anyone: the gateway is open, because there are no keys.
    Anonymous(Arc<Principal>),
    /// The holder of this key.
    Key(Arc<Held>),
}

/// A key with all that goes for its requests, worked out once when it was read: what it says itself, and
/// what its team and its app do.
#[derive(Debug)]
pub struct Held {
    /// The key itself, without its text.
    pub(super) key: Key,
    principal: Arc<Principal>,
    /// Lists of models; one that is asked for must be in each of them.
    models: Vec<Vec<String>>,
    data_class: Option<DataClass>,
    tags: BTreeMap<String, String>,
    limits: OwnLimits,
    key_hash: u64,
    app_hash: u64,
}

/// The team of keys that are of no other, and the team and app of callers without a key.
pub const DEFAULT_TEAM: &str = "default";
const ANONYMOUS: &str = "anonymous";

// === impl Tenant ===

impl Tenant {
    /// Whoever calls without a key.
    pub(super) fn anonymous(organisation: &str) -> Self {
        Self::Anonymous(Arc::new(Principal {
            organisation: organisation.to_owned(),
            team: DEFAULT_TEAM.to_owned(),
            app: ANONYMOUS.to_owned(),
        }))
    }

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
            Self::Key(held) => held.allows(model),
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
            Self::Key(held) => &held.tags,
        }
    }

    /// What its key may take by its own limits.
    pub fn limits(&self) -> &OwnLimits {
        match self {
            Self::Anonymous(_) => &OwnLimits::NONE,
            Self::Key(held) => &held.limits,
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
            Self::Key(held) => held.key.terms.holder.may_declassify,
        }
    }
}

// === impl Held ===

impl Held {
    pub(super) fn new(key: Key, tenancy: &Tenancy) -> Self {
        let holder = &key.terms.holder;
        let or = |name: &Option<String>, default: &str| {
            name.clone().unwrap_or_else(|| default.to_owned())
        };
        let principal = Arc::new(Principal {
            organisation: or(&holder.organisation, &tenancy.organisation.name),
            team: or(&holder.team, DEFAULT_TEAM),
            app: or(&holder.app, &key.name),
        });
        let rules = rules(&key, &principal, tenancy);
        let lists = rules.iter().map(|rules| &rules.models).chain([&key.terms.models]);
        let models = lists.filter(|list| !list.is_empty()).cloned().collect();
        // A word that a newer program wrote is unknown here, and what is unknown is the worst.
        let class = |word: &String| DataClass::of(word).unwrap_or(DataClass::Secret);
        let own = holder.data_class.as_ref().map(class);
        let data_class = rules.iter().map(|rules| rules.data_class).chain([own]).flatten().max();
        // The more specific says it last.
        let tags = rules.iter().map(|rules| &rules.tags).chain([&holder.tags]);
        let tags = tags.flatten().map(|(name, value)| (name.clone(), value.clone())).collect();
        let limits = own_limits(&key.terms.limits);
        let (key_hash, app_hash) = (hash_of(&key.id), hash_of(&principal.app));
        Self { principal, models, data_class, tags, limits, key_hash, app_hash, key }
    }

    fn allows(&self, model: &str) -> bool {
        self.models.iter().all(|list| list.iter().any(|allowed| allowed == model))
    }
}

/// What goes for a key beside what it says itself: of its team, and then of its app. Where teams are
/// declared, a key of another one is out of place; it goes on as it is, and somebody is told.
fn rules<'t>(key: &Key, principal: &Principal, tenancy: &'t Tenancy) -> Vec<&'t Rules> {
    let foreign = principal.organisation != tenancy.organisation.name;
    if foreign || tenancy.teams.is_empty() {
        return vec![];
    }
    let Some(team) = tenancy.teams.get(&principal.team) else {
        KeyOutOfPlace { key: &key.name, team: &principal.team }.emit();
        return vec![];
    };
    [&team.rules].into_iter().chain(team.apps.get(&principal.app)).collect()
}

/// FNV-1a (Fowler, Noll and Vo): the same in every process, so that replicas agree on who is on which
/// side of a trial.
fn hash_of(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use isthmus_config::settings::tenancy::Team;
    use isthmus_ledger::key::{Holder, KeyHash, KeyLimits, Terms};

    use super::*;
    use crate::keyring::Keyring;

    /// A team with rules, one of whose apps has stricter ones, and a declared key of each.
    #[test]
    fn what_goes_for_a_team_and_an_app_goes_for_their_keys() {
        let text = |text: &str| text.to_owned();
        let team = Rules {
            models: vec![text("chat"), text("embed")],
            data_class: Some(DataClass::Internal),
            tags: [(text("cost-center"), text("4711")), (text("tier"), text("a"))].into(),
            limits: KeyLimits::default(),
        };
        let app = Rules {
            models: vec![text("chat")],
            data_class: Some(DataClass::Pii),
            tags: [(text("tier"), text("b"))].into(),
            limits: KeyLimits::default(),
        };
        let key = |name: &str, app: &str| {
            let holder = Holder {
                team: Some(text("support")),
                app: Some(text(app)),
                data_class: Some(text("confidential")),
                ..Holder::default()
            };
            let limits = KeyLimits { rpm: Some(3), ..KeyLimits::default() };
            let terms = Terms { holder, limits, ..Terms::default() };
            let (id, name) = (format!("isk-{name:0>8}"), text(name));
            Key { id, name, created_at: 0, revoked_at: None, terms }
        };
        let desk = Team { rules: team, apps: [(text("desk"), app)].into() };
        let keys = [("isk-one", key("one", "desk")), ("isk-two", key("two", "other"))];
        let tenancy = Tenancy {
            teams: [(text("support"), desk)].into(),
            keys: keys.map(|(text, key)| (KeyHash::of(text), key)).into(),
            ..Tenancy::default()
        };
        let keyring = Keyring::new(true, &tenancy);
        assert!(keyring.identify(None).is_err(), "declared keys close the gateway");
        let [one, two] = ["isk-one", "isk-two"].map(|text| keyring.identify(Some(text)).unwrap());
        assert_eq!(["chat", "embed", "x"].map(|model| one.allows(model)), [true, false, false]);
        assert_eq!(["chat", "embed", "x"].map(|model| two.allows(model)), [true, true, false]);
        let classes = [&one, &two].map(Tenant::data_class);
        assert_eq!(classes, [Some(DataClass::Pii), Some(DataClass::Confidential)], "the strictest");
        assert_eq!([&one, &two].map(|tenant| &*tenant.tags()["tier"]), ["b", "a"]);
        assert_eq!(one.tags()["cost-center"], "4711");
        assert_eq!(one.limits().rate.requests, Some(3));
        assert!(tenancy.declares("one") && !tenancy.declares("three"));
    }
}
