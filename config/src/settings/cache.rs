//! Answers that are remembered, and for whom.

use std::collections::BTreeSet;
use std::time::Duration;

use super::keeper::Keeper;

/// Who remembers answers, and how many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cache {
    /// Who remembers.
    pub keeper: Keeper,
    /// The most bytes of answers that this process remembers. A Redis has a limit of its own.
    pub max_bytes: u64,
    /// The most bytes of one answer.
    pub max_answer_bytes: usize,
    /// For how long an answer is remembered, where its pool says nothing.
    pub ttl: Duration,
    /// Who shares answers.
    pub scope: Scope,
}

/// Who shares answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Scope {
    /// Only the keys of one app.
    #[default]
    App,
    /// All keys of an organisation.
    Organisation,
}

/// That a pool's answers are remembered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PoolCache {
    /// For how long; as [`Cache::ttl`] says, if nothing is written.
    pub ttl: Option<Duration>,
    /// The apps whose requests it is for, and
    pub apps: Option<BTreeSet<String>>,
    /// the keys, by their names; all, if neither is written.
    pub keys: Option<BTreeSet<String>>,
}

impl PoolCache {
    /// Whether it is for requests of this app by this key.
    pub fn is_for(&self, app: &str, key: &str) -> bool {
        let all = self.apps.is_none() && self.keys.is_none();
        let has = |names: &Option<BTreeSet<String>>, name: &str| {
            names.as_ref().is_some_and(|names| names.contains(name))
        };
        all || has(&self.apps, app) || has(&self.keys, key)
    }
}

impl Default for Cache {
    fn default() -> Self {
        Self {
            keeper: Keeper::Local,
            max_bytes: 256 << 20,
            max_answer_bytes: 1 << 20,
            ttl: Duration::from_hours(1),
            scope: Scope::App,
        }
    }
}

impl Scope {
    /// Each with the word for it.
    pub const WORDS: &'static [(&'static str, Self)] =
        &[("app", Self::App), ("organisation", Self::Organisation)];
}
