//! One call as it entered: what the house needs to know of it, and the caller's own bytes.
//!
//! The neutral forms in [`crate::chat`] and [`crate::embedding`] are made from the bytes only when
//! an endpoint does not speak the caller's language. A relay never needs them.

use bytes::Bytes;

use crate::ident::ModelName;
use crate::outline::Outline;
use crate::usage;

/// A call, decoded just as far as routing and accounting need.
#[derive(Debug, Clone)]
pub struct Request {
    /// What is asked for.
    pub operation: Operation,
    /// The language it is asked in.
    pub dialect: Dialect,
    /// The model that the caller named.
    pub model: ModelName,
    /// Whether the answer is to come in pieces.
    pub stream: bool,
    /// Whether a streamed answer is to end with its usage (`stream_options.include_usage`).
    pub usage_wanted: bool,
    /// The caller's bytes: one JSON object.
    pub body: Bytes,
    /// Where the members of that object lie.
    pub outline: Outline,
    /// Headers of the caller's that belong to his dialect (`anthropic-beta`, `openai-beta`), for an
    /// endpoint that speaks it too: lower-case names and values.
    pub forwarded: Vec<(String, String)>,
    /// The caller's query string as it was sent, without the `?`, for an endpoint of his dialect
    /// (Anthropic's SDK asks for beta features with `beta=true`). `None` if there is none, or it is
    /// too long to be meant.
    pub query: Option<String>,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// A chat completion.
    Chat,
    /// A completion of plain text.
    Completion,
    /// Vectors for texts.
    Embedding,
    /// The number of tokens that a chat would take as input (Anthropic's `count_tokens`).
    CountTokens,
}

/// A wire format that callers may speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// OpenAI's chat completions, legacy completions and embeddings.
    OpenAi,
    /// OpenAI's Responses.
    Responses,
    /// Anthropic's Messages.
    Anthropic,
}

// === impl Request ===

impl Request {
    /// Bytes of its text, without the files in it.
    pub fn text_bytes(&self) -> usize {
        self.body.len().saturating_sub(self.outline.encoded.bytes)
    }

    /// How many tokens it is, roughly.
    pub fn rough_tokens(&self) -> u64 {
        usage::estimate_tokens(self.text_bytes()) + self.outline.encoded.tokens
    }
}

// === impl Operation ===

impl Operation {
    /// The word for logs and metrics, as in the OpenTelemetry GenAI conventions
    /// (`gen_ai.operation.name`).
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Completion => "text_completion",
            Self::Embedding => "embeddings",
            // The conventions have no word for it.
            Self::CountTokens => "count_tokens",
        }
    }
}
