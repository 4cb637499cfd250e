//! Texts to vectors, in no provider's language.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::usage::Usage;

/// Vectors to be made.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EmbeddingRequest {
    /// One vector each, in order.
    pub inputs: Vec<EmbeddingInput>,
    /// Cut the vectors to this length, where the model allows it.
    pub dimensions: Option<u32>,
    /// How numbers are written in the answer.
    pub encoding: Encoding,
    /// What the vectors are for, in Cohere's words (`search_document`, `search_query`,
    /// `classification`, `clustering`), which other providers have words for too.
    pub input_type: Option<String>,
    /// Members that no neutral word exists for, by the caller's own names.
    pub extra: Map<String, Value>,
    /// Whether nothing may be dropped (OpenRouter's `provider.require_parameters`).
    pub require_parameters: bool,
}

/// What one vector is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EmbeddingInput {
    /// Text.
    Text(String),
    /// Tokens of the model's own vocabulary.
    Tokens(Vec<u32>),
}

/// How numbers are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Encoding {
    /// JSON numbers.
    #[default]
    Float,
    /// Base64 of little-endian 32-bit floats: what the official SDKs ask for by default.
    Base64,
}

/// The vectors.
#[derive(Debug, Clone, PartialEq)]
pub struct EmbeddingAnswer {
    /// The model that made them, in its own words.
    pub model: Arc<str>,
    /// One for each input, in order.
    pub vectors: Vec<Vec<f32>>,
    /// What it took; output buckets stay empty.
    pub usage: Usage,
}
