//! Service tiers: the same model, faster, later or cheaper, at a price of its own.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A tier that is not the usual one. Vendors call the usual one `default`, `standard`, `auto` or
/// `on_demand`; here it is the absence of a tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// Answered within a day, at a discount.
    Batch,
    /// Answered when there is room, at a discount.
    Flex,
    /// Answered before others, at a premium.
    Priority,
    /// Answered by faster machines, at a premium.
    Ultrafast,
}

// === impl Tier ===

impl Tier {
    /// Every tier, with the word for it.
    pub const WORDS: &[(&str, Self)] = &[
        ("batch", Self::Batch),
        ("flex", Self::Flex),
        ("priority", Self::Priority),
        ("ultrafast", Self::Ultrafast),
    ];

    /// The tier that a request or an answer names; `None` for the usual one, and for a word that
    /// nobody has a price for.
    pub fn named(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(known, _)| *known == word).map(|(_, tier)| *tier)
    }

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Batch => "batch",
            Self::Flex => "flex",
            Self::Priority => "priority",
            Self::Ultrafast => "ultrafast",
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_their_tiers() {
        for (word, tier) in Tier::WORDS {
            assert_eq!((tier.as_str(), Tier::named(word)), (*word, Some(*tier)));
            assert_eq!(serde_json::to_string(tier).unwrap(), format!("\"{word}\""));
        }
        assert_eq!(Tier::named("default"), None);
    }
}
