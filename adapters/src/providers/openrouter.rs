//! OpenRouter: tells some errors with status 200, or in the middle of a stream; keeps signed thoughts
//! (`reasoning_details`) and cache marks of whoever answers behind it.

use crate::dialects::openai_provider::{
    COMPATIBLE, Continuation, Documents, Style, Thinking, Thoughts,
};
use crate::dialects::openai_request::Quirks;
use crate::providers::openai_shaped::{self, Wire};
use crate::providers::table::{PLAIN, hosted};
use crate::registry::{About, Provider};

/// How chats with it are written.
pub const STYLE: Style = Style {
    takes: &[
        "logprobs",
        "seed",
        "presence_penalty",
        "frequency_penalty",
        "logit_bias",
        "user",
        "top_k",
        "parallel_tool_calls",
        "min_p",
        "top_a",
        "repetition_penalty",
        "verbosity",
        "prediction",
        "modalities",
        "models",
        "plugins",
        "route",
        "transforms",
    ],
    tiers: &["auto", "default", "flex", "priority"],
    thinking: Thinking::Object,
    thoughts: Thoughts::Details,
    documents: Documents::FileOrUrl,
    cache_marks: true,
    continuation: Continuation::Place,
    ..COMPATIBLE
};

const WIRE: Wire = Wire {
    style: STYLE,
    responses: true,
    // It understands `provider` itself.
    quirks: Quirks { refused: &[], ..PLAIN.quirks },
    ..PLAIN
};

/// OpenRouter.
pub static OPENROUTER: Provider = Provider {
    // A router: who answers behind it may be anyone.
    continent: None,
    about: About::WITH_RESPONSES.limited(&[
        "Errors that come with status 200 are errors here.",
        "The request's `provider` object reaches it as it is.",
        "It is a router: who answers behind it, and where, is its choice within that object.",
    ]),
    build: |settings| openai_shaped::build(settings, &WIRE),
    ..hosted("openrouter", "OpenRouter", "https://openrouter.ai/api/v1", &["OPENROUTER_API_KEY"])
};
