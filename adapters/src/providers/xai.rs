//! xAI: counts reasoning beside `completion_tokens`; only its small third-generation models can be
//! told how much to think (its guide "Reasoning").

use isthmus_inference::chat::Effort;

use crate::dialects::openai_provider::{COMPATIBLE, Continuation, Style, Thinking};
use crate::providers::openai_shaped::{self, Wire};
use crate::providers::table::{PLAIN, hosted};
use crate::registry::{About, Provider};

/// How chats with it are written.
pub const STYLE: Style = Style {
    max_tokens: "max_completion_tokens",
    takes: &[
        "n",
        "logprobs",
        "seed",
        "presence_penalty",
        "frequency_penalty",
        "user",
        "parallel_tool_calls",
    ],
    thinking: Thinking::Effort(efforts),
    continuation: Continuation::Unknown,
    audio: false,
    video: false,
    ..COMPATIBLE
};

const WIRE: Wire = Wire { style: STYLE, responses: true, ..PLAIN };

/// xAI.
pub static XAI: Provider = Provider {
    about: About::WITH_RESPONSES.limited(&[
        "Reasoning is counted beside `completion_tokens`, and added up here.",
        "Only its small third-generation models can be told how much to think.",
    ]),
    build: |settings| openai_shaped::build(settings, &WIRE),
    ..hosted("xai", "xAI", "https://api.x.ai/v1", &["XAI_API_KEY"])
};

fn efforts(model: &str) -> &'static [Effort] {
    if model.contains("grok-3-mini") { &[Effort::Low, Effort::High] } else { &[] }
}
