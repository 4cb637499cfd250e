//! DeepSeek: its documents leave the `/v1` out; thinking is switched on and off, and the thoughts
//! behind calls must come back with the calls' results (its guides "Thinking mode", "Tool calls").

use crate::dialects::openai_provider::{COMPATIBLE, Continuation, Style, Thinking, Thoughts};
use crate::providers::openai_shaped::{self, Wire};
use crate::providers::table::{PLAIN, hosted};
use crate::registry::{About, Provider};

/// How chats with it are written.
pub const STYLE: Style = Style {
    takes: &["logprobs", "presence_penalty", "frequency_penalty"],
    thinking: Thinking::Switch,
    thoughts: Thoughts::Text,
    continuation: Continuation::Prefix,
    audio: false,
    video: false,
    ..COMPATIBLE
};

/// Where it goes on with a turn that was begun (its guide "Chat Prefix Completion (Beta)").
const CONTINUATION: &str = "/beta/chat/completions";

const WIRE: Wire = Wire { style: STYLE, continuation_path: Some(CONTINUATION), ..PLAIN };

/// DeepSeek.
pub static DEEPSEEK: Provider = Provider {
    about: About::OPENAI.continuing().limited(&[
        "Thinking can be switched on and off, not measured out.",
        "Thoughts behind calls go back with the calls' results, as the vendor wants them.",
    ]),
    build: |settings| openai_shaped::build(settings, &WIRE),
    ..hosted("deepseek", "DeepSeek", "https://api.deepseek.com", &["DEEPSEEK_API_KEY"])
};
