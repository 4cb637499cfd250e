//! Chutes (Bittensor subnet 64), as its own source has it (chutesai/chutes-api,
//! `api/invocation/router.py`).
//!
//! * It asks for the usage of every stream itself, and for one alternative where log-probabilities are
//!   wanted.
//! * Errors are `{"detail":…}`. A spent quota is 402; with the time at which it is filled again in
//!   newer versions. Having no room is 429 like asking too fast; only the text tells them apart. The
//!   same prompt more than 5,000 times in three hours is 429 too.
//! * In the middle of a stream an error is a bare line of JSON behind the last event.
//! * Its list of models has two prices in two units; `price`, per million, is the one that counts.
//! * It hands each request to a miner of its choice. The answer is not signed by him.
//!
//! The errors are read by [`openai_error`](crate::dialects::openai_error) and
//! [`openai_relay`](crate::dialects::openai_relay), the prices by
//! [`offers`](crate::dialects::offers), which know all shapes.

use crate::dialects::openai_request::{Quirks, StreamUsage};
use crate::providers::openai_shaped::{self, Wire};
use crate::providers::table::{PLAIN, hosted};
use crate::registry::{About, Continent, Provider};

const WIRE: Wire =
    Wire { quirks: Quirks { stream_usage: StreamUsage::Unasked, ..PLAIN.quirks }, ..PLAIN };

/// Chutes.
pub static CHUTES: Provider = Provider {
    continent: Some(Continent::Decentralised),
    about: About::OPENAI.limited(&[
        "Having no room (429) and asking too fast are told apart: the first goes elsewhere at once.",
        "A spent quota (402) is no rate limit: nothing is tried again before it is filled.",
        "It hands each request to a miner of its choice, and the answer is not signed by him.",
    ]),
    build: |settings| openai_shaped::build(settings, &WIRE),
    ..hosted("chutes", "Chutes", "https://llm.chutes.ai/v1", &["CHUTES_API_KEY"])
};
