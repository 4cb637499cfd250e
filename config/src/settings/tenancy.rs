//! Whose requests these are: the organisation, its teams and their apps, and keys that stand in the file.

use std::collections::BTreeMap;

use isthmus_ledger::key::{Key, KeyHash, KeyLimits};
use isthmus_policies::budget::{Budget, Dimension, Limits, Own, OwnLimits, Scope};
use isthmus_policies::class::DataClass;

/// Who may call, and on whose behalf.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tenancy {
    /// The organisation that the gateway serves.
    pub organisation: Organisation,
    /// Its teams, by name. If there are any, keys can be given to no others.
    pub teams: BTreeMap<String, Team>,
    /// Keys that stand in the file, beside those in the ledger.
    pub keys: Vec<(KeyHash, Key)>,
}

/// The organisation that the gateway serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organisation {
    /// Its name, for keys that are of no other.
    pub name: String,
    /// The class that every request has at least.
    pub data_class_floor: Option<DataClass>,
}

/// A team of the organisation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Team {
    /// What goes for all of its keys.
    pub rules: Rules,
    /// Its apps, by name. If there are any, its keys can be given to no others.
    pub apps: BTreeMap<String, Rules>,
}

/// What goes for all keys of a team or an app. A key cannot get around it; it can only say more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// The models that may be asked for; empty means all.
    pub models: Vec<String>,
    /// The class that requests have at least.
    pub data_class: Option<DataClass>,
    /// What requests are marked with, unless their key says otherwise.
    pub tags: BTreeMap<String, String>,
    /// How much all keys together may take.
    pub limits: KeyLimits,
}

// === impl Tenancy ===

impl Tenancy {
    /// Whether a key of this name or id stands in the file, where alone it can be changed.
    pub fn declares(&self, name_or_id: &str) -> bool {
        self.keys.iter().any(|(_, key)| key.is(name_or_id))
    }

    /// Limits of teams and apps, as budgets.
    pub(crate) fn budgets(&self) -> Vec<Budget> {
        let mut budgets = vec![];
        for (name, team) in &self.teams {
            let of = vec![
                (Dimension::Organisation, self.organisation.name.clone()),
                (Dimension::Team, name.clone()),
            ];
            budgets.extend(limited(&format!("team:{name}"), &of, &team.rules.limits));
            for (app, rules) in &team.apps {
                let mut of = of.clone();
                of.push((Dimension::App, app.clone()));
                budgets.extend(limited(&format!("app:{name}/{app}"), &of, &rules.limits));
            }
        }
        budgets
    }
}

/// A budget for each limit. No other has such a name, as names that operators choose have no slash.
fn limited(name: &str, of: &[(Dimension, String)], limits: &KeyLimits) -> Vec<Budget> {
    let limits = own_limits(limits);
    let budget = |own: Own| {
        let usual = own.budget();
        let kind = usual.name.strip_prefix("key/").unwrap_or(&usual.name);
        Some(Budget {
            name: format!("{name}/{kind}").into(),
            scope: Scope { of: of.to_vec(), each: None },
            limits: own.of(&limits)?,
            own: None,
            ..usual
        })
    };
    Own::ALL.into_iter().filter_map(budget).collect()
}

/// The limits of a key in the words of budgets.
pub fn own_limits(limits: &KeyLimits) -> OwnLimits {
    let dollars = |money| Limits { money, ..Limits::default() };
    OwnLimits {
        rate: Limits { money: None, tokens: limits.tpm, requests: limits.rpm },
        concurrency: Limits { requests: limits.concurrency, ..Limits::default() },
        day: dollars(limits.usd_per_day),
        month: dollars(limits.usd_per_month),
    }
}

// === impl Organisation ===

impl Default for Organisation {
    fn default() -> Self {
        Self { name: "default".to_owned(), data_class_floor: None }
    }
}
