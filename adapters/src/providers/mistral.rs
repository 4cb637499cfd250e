//! Mistral AI: OpenAI's shape with its own words in it, and every other word refused.
//!
//! Fields that it does not know come back as 422 `extra_forbidden` (`stream_options`,
//! `max_completion_tokens`: mistralai/client-ts issue 64, openai/openai-agents-python issue 442);
//! `random_seed` is its word for `seed`; the content of a reasoning model's answer is a list with
//! `thinking` in it (its API reference). So chats are not relayed but written anew. It reports the
//! usage of every stream.

use isthmus_inference::capability::Capability;
use isthmus_inference::chat::Effort;

use crate::dialects::openai_provider::{
    COMPATIBLE, Continuation, Documents, Style, Thinking, Thoughts,
};
use crate::dialects::openai_request::{Quirks, StreamUsage};
use crate::providers::openai_shaped::{self, Wire};
use crate::providers::table::{PLAIN, hosted};
use crate::registry::{About, Provider};

/// How chats with it are written.
pub const STYLE: Style = Style {
    seed: "random_seed",
    takes: &[
        "n",
        "logprobs",
        "seed",
        "presence_penalty",
        "frequency_penalty",
        "top_k",
        "metadata",
        "parallel_tool_calls",
        "prediction",
        "prompt_cache_key",
        "prompt_mode",
        "safe_prompt",
        "guardrails",
        "min_tokens",
        "random_seed",
        "repetition_penalty",
    ],
    tiers: &["auto", "standard_only"],
    stream_usage: StreamUsage::OptionRefused,
    thinking: Thinking::Effort(efforts),
    thoughts: Thoughts::Chunks,
    documents: Documents::Url,
    audio: true,
    video: false,
    // Its API reference, "Chat": the range of `temperature`.
    hottest: 1.5,
    names: false,
    short_ids: true,
    prefix: true,
    continuation: Continuation::Prefix,
    ..COMPATIBLE
};

const WIRE: Wire = Wire {
    quirks: Quirks {
        stream_usage: StreamUsage::OptionRefused,
        renames: &[("dimensions", "output_dimension")],
        refused: &["user", "provider"],
    },
    relays_chat: false,
    style: STYLE,
    ..PLAIN
};

/// Mistral AI.
pub static MISTRAL: Provider = Provider {
    about: About {
        dialects: &["Mistral chat and embeddings"],
        relays: &[],
        capabilities: &[
            Capability::Chat,
            Capability::Embeddings,
            Capability::Tools,
            Capability::Vision,
            Capability::JsonSchema,
            Capability::Logprobs,
            Capability::Reasoning,
            Capability::Audio,
            Capability::Documents,
            Capability::Continuation,
        ],
        limits: &[
            "It refuses every word that it does not know, so that chats are written anew in its own \
             (`random_seed`, `max_tokens`); `user` is left out.",
            "No legacy completions.",
            "Sound in a prompt is billed by the second: its tokens stand beside those of the prompt, and \
             are flagged as unexplained.",
        ],
        ..About::OPENAI
    },
    build: |settings| openai_shaped::build(settings, &WIRE),
    ..hosted("mistral", "Mistral AI", "https://api.mistral.ai/v1", &["MISTRAL_API_KEY"])
};

/// Its first reasoning models think as they see fit.
fn efforts(model: &str) -> &'static [Effort] {
    const ALL: [Effort; 7] = [
        Effort::None,
        Effort::Minimal,
        Effort::Low,
        Effort::Medium,
        Effort::High,
        Effort::XHigh,
        Effort::Max,
    ];
    if model.starts_with("magistral") { &[] } else { &ALL }
}
