//! Service tiers: the same model, faster, later or cheaper, at a price of its own.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A tier. What is not said is `None` of these; an answer may say that it was the usual one, though
/// another was asked for.
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
    /// The usual one.
    Standard,
}

/// What vendors call the usual one.
const USUAL: [&str; 3] = ["default", "standard", "on_demand"];

// === impl Tier ===

impl Tier {
    /// Every tier that has prices of its own, with the word for it.
    pub const WORDS: &[(&str, Self)] = &[
        ("batch", Self::Batch),
        ("flex", Self::Flex),
        ("priority", Self::Priority),
        ("ultrafast", Self::Ultrafast),
    ];

    /// The tier that a request or an answer names; `None` for a word that leaves it open, such as
    /// `auto`, or that nobody knows.
    pub fn named(word: &str) -> Option<Self> {
        match word {
            usual if USUAL.contains(&usual) => Some(Self::Standard),
            // OpenAI's newer word; its answers keep to the older one (API reference, `service_tier`).
            "fast" => Some(Self::Priority),
            word => Self::priced(word),
        }
    }

    /// The tier of this word, if it has prices of its own.
    pub fn priced(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(known, _)| *known == word).map(|(_, tier)| *tier)
    }

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Batch => "batch",
            Self::Flex => "flex",
            Self::Priority => "priority",
            Self::Ultrafast => "ultrafast",
            Self::Standard => "standard",
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
        assert_eq!(Tier::named("default"), Some(Tier::Standard));
        assert_eq!(Tier::named("fast"), Some(Tier::Priority));
        assert_eq!((Tier::named("auto"), Tier::priced("default")), (None, None));
    }
}
