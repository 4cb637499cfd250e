//! Chutes (Bittensor subnet 64): forces usage into every stream, tells errors as `{"detail":…}`, and
//! in the middle of a stream as a bare line of JSON (chutesai/chutes-api).
//!
//! The errors are read by [`openai_error`](crate::dialects::openai_error) and
//! [`openai_relay`](crate::dialects::openai_relay), which know all shapes.

use crate::dialects::openai_request::{Quirks, StreamUsage};
use crate::providers::openai_shaped::{self, Wire};
use crate::providers::table::{PLAIN, hosted};
use crate::registry::Provider;

const WIRE: Wire =
    Wire { quirks: Quirks { stream_usage: StreamUsage::Unasked, renames: &[] }, ..PLAIN };

/// Chutes.
pub static CHUTES: Provider = Provider {
    build: |settings| openai_shaped::build(settings, &WIRE),
    ..hosted("chutes", "Chutes", "https://llm.chutes.ai/v1", &["CHUTES_API_KEY"])
};
