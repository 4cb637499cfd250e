//! What an endpoint can do, and what a request needs of it.

use std::fmt;

/// Something that an endpoint can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Capability {
    /// Conversations.
    Chat,
    /// Continuing plain text.
    Completions,
    /// Vectors for texts.
    Embeddings,
    /// Calling the caller's functions.
    Tools,
    /// Images in the prompt.
    Vision,
    /// Answers that obey a JSON schema.
    JsonSchema,
    /// Log-probabilities of the tokens that it generates.
    Logprobs,
    /// Thinking before the answer.
    Reasoning,
    /// Sound in the prompt or in the answer.
    Audio,
    /// Documents, such as PDFs, in the prompt.
    Documents,
    /// Going on with an answer that somebody else began.
    Continuation,
}

/// A set of capabilities.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Capabilities(u16);

impl Capability {
    /// Every capability with the word for it.
    pub const WORDS: &'static [(&'static str, Self)] = &[
        ("chat", Self::Chat),
        ("completions", Self::Completions),
        ("embeddings", Self::Embeddings),
        ("tools", Self::Tools),
        ("vision", Self::Vision),
        ("json_schema", Self::JsonSchema),
        ("logprobs", Self::Logprobs),
        ("reasoning", Self::Reasoning),
        ("audio", Self::Audio),
        ("documents", Self::Documents),
        ("continuation", Self::Continuation),
    ];
}

impl Capabilities {
    /// This set and one more.
    #[must_use]
    pub const fn with(self, capability: Capability) -> Self {
        Self(self.0 | 1 << capability as u16)
    }

    /// What is in this set and not in the other.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether nothing is in it.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether it is in the set.
    pub const fn has(self, capability: Capability) -> bool {
        self.0 & 1 << capability as u16 != 0
    }
}

impl FromIterator<Capability> for Capabilities {
    fn from_iter<I: IntoIterator<Item = Capability>>(capabilities: I) -> Self {
        capabilities.into_iter().fold(Self::default(), Self::with)
    }
}

/// The words, with commas between.
impl fmt::Display for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held = Capability::WORDS.iter().filter(|(_, capability)| self.has(*capability));
        for (index, (word, _)) in held.enumerate() {
            write!(f, "{}`{word}`", if index == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named() {
        let able = Capabilities::from_iter([Capability::Chat, Capability::Tools]);
        let needed = able.with(Capability::Vision).with(Capability::Audio);
        assert!(able.without(needed).is_empty());
        assert_eq!(needed.without(able).to_string(), "`vision`, `audio`");
    }
}
