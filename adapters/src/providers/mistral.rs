//! Mistral AI: reports the usage of every stream, and refuses fields that it does not know.
//!
//! `stream_options.include_usage` and `max_completion_tokens` come back as 422 `extra_forbidden`
//! (mistralai/client-ts issue 64, openai/openai-agents-python issue 442); `random_seed` is its word
//! for `seed` (its API reference).

use crate::dialects::openai_request::{Quirks, StreamUsage};
use crate::providers::openai_shaped::{self, Wire};
use crate::providers::table::{PLAIN, hosted};
use crate::registry::Provider;

const WIRE: Wire = Wire {
    quirks: Quirks {
        stream_usage: StreamUsage::OptionRefused,
        renames: &[("max_completion_tokens", "max_tokens"), ("seed", "random_seed")],
    },
    ..PLAIN
};

/// Mistral AI.
pub static MISTRAL: Provider = Provider {
    build: |settings| openai_shaped::build(settings, &WIRE),
    ..hosted("mistral", "Mistral AI", "https://api.mistral.ai/v1", &["MISTRAL_API_KEY"])
};
