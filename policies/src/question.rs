//! What is asked of policy: may this caller, for data of this class, use an endpoint in this way?

use std::collections::BTreeSet;

use crate::class::Class;

/// In which way an endpoint is to be contacted. Each contact passes the permit of its own action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// The first choice.
    Route,
    /// Another endpoint after one failed, and the continuation of a stream that broke.
    Fallback,
    /// A second copy of the request beside a slow first one.
    Hedge,
    /// An answer from the cache.
    CacheRead,
    /// A sample of the traffic, to check what an endpoint really runs.
    Audit,
    /// Keeping prompts and answers.
    LogBody,
}

/// Who asks: a key belongs to an app, an app to a team, a team to an organisation.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Principal {
    /// The organisation.
    pub organisation: String,
    /// The team.
    pub team: String,
    /// The app.
    pub app: String,
}

/// What is known of one request, as far as policy may see it. Two requests with equal contexts get
/// equal decisions, which is what lets them be cached.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Context {
    /// What sort of data it carries.
    pub class: Class,
    /// Whether anyone said so: the organisation, the key, a header, or the detector.
    pub declared: bool,
    /// Where the people live whom the data is of: countries' two-letter codes, or `EU`.
    pub subject_regions: BTreeSet<String>,
    /// Where it may be processed and stored; `None` if nobody restricted that.
    pub allowed_regions: Option<BTreeSet<String>>,
    /// What the data is used for; empty if nobody said.
    pub purpose: String,
}

// === impl Principal ===

impl Principal {
    /// Who asks where nobody in particular does.
    pub fn anybody() -> Self {
        let name = || "default".to_owned();
        Self { organisation: name(), team: name(), app: name() }
    }
}

// === impl Action ===

impl Action {
    /// Every action with the word for it.
    pub const WORDS: &'static [(&'static str, Self)] = &[
        ("route", Self::Route),
        ("fallback", Self::Fallback),
        ("hedge", Self::Hedge),
        ("cache_read", Self::CacheRead),
        ("audit", Self::Audit),
        ("log_body", Self::LogBody),
    ];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        Self::WORDS[self as usize].0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_has_its_own_word() {
        for (word, action) in Action::WORDS {
            assert_eq!(action.as_str(), *word);
        }
    }
}
