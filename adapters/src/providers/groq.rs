//! Groq: streams report usage unasked too, inside `x_groq`; a single answer and no probabilities (its
//! API reference: `n`, `logprobs`, `logit_bias`).

use isthmus_inference::capability::Capability;
use isthmus_inference::chat::Effort;

use crate::dialects::openai_provider::{COMMON_EFFORTS, COMPATIBLE, Continuation, Style, Thinking};
use crate::providers::openai_shaped::{self, Wire};
use crate::providers::table::{PLAIN, hosted};
use crate::registry::{About, Provider};

/// How chats with it are written.
pub const STYLE: Style = Style {
    max_tokens: "max_completion_tokens",
    takes: &["seed", "user", "parallel_tool_calls"],
    tiers: &["auto", "on_demand", "flex", "performance"],
    thinking: Thinking::Effort(efforts),
    audio: false,
    continuation: Continuation::Place,
    video: false,
    ..COMPATIBLE
};

const WIRE: Wire = Wire { style: STYLE, responses: true, ..PLAIN };

/// Groq.
pub static GROQ: Provider = Provider {
    about: About {
        capabilities: &[
            Capability::Chat,
            Capability::Tools,
            Capability::Vision,
            Capability::JsonSchema,
            Capability::Reasoning,
        ],
        ..About::WITH_RESPONSES
            .limited(&["One answer to a request, no log-probabilities, no `logit_bias`."])
    },
    build: |settings| openai_shaped::build(settings, &WIRE),
    ..hosted("groq", "Groq", "https://api.groq.com/openai/v1", &["GROQ_API_KEY"])
};

/// The words are those of its API reference, `reasoning_effort`.
fn efforts(model: &str) -> &'static [Effort] {
    match model {
        model if model.contains("gpt-oss") => &COMMON_EFFORTS,
        model if model.contains("qwen") => &[Effort::None],
        _ => &[],
    }
}
