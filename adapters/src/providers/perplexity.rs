//! Perplexity: no `/v1` before chat, but one before embeddings and models, and usage in every chunk.

use crate::dialects::openai_provider::{COMPATIBLE, Continuation, Style};
use crate::dialects::openai_request::{Quirks, StreamUsage};
use crate::providers::openai_shaped::{self, Wire};
use crate::providers::table::{PLAIN, hosted};
use crate::registry::{About, Provider};

const WIRE: Wire = Wire {
    embeddings_path: "/v1/embeddings",
    models_path: "/v1/models",
    quirks: Quirks { stream_usage: StreamUsage::Unasked, ..PLAIN.quirks },
    style: Style {
        takes: &["presence_penalty", "frequency_penalty", "top_k"],
        stream_usage: StreamUsage::Unasked,
        continuation: Continuation::Unknown,
        audio: false,
        video: false,
        ..COMPATIBLE
    },
    ..PLAIN
};

/// Perplexity.
pub static PERPLEXITY: Provider = Provider {
    about: About::OPENAI.limited(&["It counts its usage unasked, in every chunk."]),
    build: |settings| openai_shaped::build(settings, &WIRE),
    ..hosted(
        "perplexity",
        "Perplexity",
        "https://api.perplexity.ai",
        &["PERPLEXITY_API_KEY", "PPLX_API_KEY"],
    )
};
