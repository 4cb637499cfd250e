//! What people want to know of a kind of provider before they choose it.

use isthmus_inference::capability::Capability;
use isthmus_inference::request::Dialect;

/// What is told of a kind of provider. `docs/providers.md` is written from it.
#[derive(Debug, Clone, Copy)]
pub struct About {
    /// The languages that are spoken to it.
    pub dialects: &'static [&'static str],
    /// The callers' languages whose chats reach it as they are. Those of all others are written anew.
    pub relays: &'static [Dialect],
    /// How the credential is shown: the header, with what stands before the credential there.
    pub credential: &'static str,
    /// What the languages spoken to it can carry. A model may do less; its endpoint's `capabilities`
    /// say so.
    pub capabilities: &'static [Capability],
    /// What is peculiar to it, a sentence each.
    pub limits: &'static [&'static str],
}

/// The header of most.
pub const BEARER: &str = "authorization: Bearer";

/// OpenAI's languages.
pub const CHAT: &str = "OpenAI chat, completions and embeddings";
/// See [`CHAT`].
pub const RESPONSES: &str = "OpenAI Responses";

/// What OpenAI's language can carry.
const EVERYTHING: &[Capability] = &[
    Capability::Chat,
    Capability::Completions,
    Capability::Embeddings,
    Capability::Tools,
    Capability::Vision,
    Capability::JsonSchema,
    Capability::Logprobs,
    Capability::Reasoning,
    Capability::Audio,
    Capability::Documents,
];

/// The same, and going on with what another began.
const AND_CONTINUATION: &[Capability] = &[
    Capability::Chat,
    Capability::Completions,
    Capability::Embeddings,
    Capability::Tools,
    Capability::Vision,
    Capability::JsonSchema,
    Capability::Logprobs,
    Capability::Reasoning,
    Capability::Audio,
    Capability::Documents,
    Capability::Continuation,
];

impl About {
    /// Of those who speak OpenAI's language, and nothing else.
    pub const OPENAI: Self = Self {
        dialects: &[CHAT],
        relays: &[Dialect::OpenAi],
        credential: BEARER,
        capabilities: EVERYTHING,
        limits: &[],
    };

    /// Of those who speak OpenAI's Responses as well.
    pub const WITH_RESPONSES: Self = Self {
        dialects: &[CHAT, RESPONSES],
        relays: &[Dialect::OpenAi, Dialect::Responses],
        ..Self::OPENAI
    };

    /// The same for those who go on with what another began.
    pub(crate) const fn continuing(self) -> Self {
        Self { capabilities: AND_CONTINUATION, ..self }
    }

    /// Whether its kind is known to go on with what another began.
    pub fn continues(&self) -> bool {
        self.capabilities.contains(&Capability::Continuation)
    }

    /// The same with these limits.
    pub(crate) const fn limited(self, limits: &'static [&'static str]) -> Self {
        Self { limits, ..self }
    }
}
