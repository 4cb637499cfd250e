//! How a provider's chat completions differ from OpenAI's own.

use isthmus_inference::chat::Effort;

use crate::dialects::openai_request::StreamUsage;

/// How one provider's chat completions are to be written.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    /// Its word for the limit of tokens.
    pub max_tokens: &'static str,
    /// Its word for the seed.
    pub seed: &'static str,
    /// The members that it takes beside those that all take, by OpenAI's names.
    pub takes: &'static [&'static str],
    /// Its words for urgency.
    pub tiers: &'static [&'static str],
    /// How it comes to report the usage of a stream.
    pub stream_usage: StreamUsage,
    /// How it is told how much to think.
    pub thinking: Thinking,
    /// What it is told of earlier thoughts.
    pub thoughts: Thoughts,
    /// How it takes documents.
    pub documents: Documents,
    /// Whether it takes sound.
    pub audio: bool,
    /// Whether it takes films.
    pub video: bool,
    /// Whether it takes Anthropic's `cache_control`.
    pub cache_marks: bool,
    /// The highest temperature that it takes; what is above is as wild as it gets there.
    pub hottest: f64,
    /// Whether speakers may have names.
    pub names: bool,
    /// Whether calls must have ids of nine letters and digits.
    pub short_ids: bool,
    /// Whether a last turn of the assistant must be marked as a beginning to be continued.
    pub prefix: bool,
    /// How it is asked to go on with a turn of the assistant's.
    pub continuation: Continuation,
    /// Whether it fetches what an address points to.
    pub fetches: bool,
    /// Whether models are OpenAI's.
    pub openai_models: bool,
    /// Whether a model refuses to be told how tokens are drawn, as OpenAI's reasoning models do.
    pub drawn_freely: fn(&str) -> bool,
}

/// How a provider is told how much to think.
#[derive(Debug, Clone, Copy)]
pub enum Thinking {
    /// By `reasoning_effort`, in the words that the named model knows, the least first.
    Effort(fn(&str) -> &'static [Effort]),
    /// By OpenRouter's `reasoning`.
    Object,
    /// By `thinking: {"type": "enabled" | "disabled"}`.
    Switch,
}

/// How a provider is asked to go on with the last turn, which is the assistant's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Continuation {
    /// It cannot be asked: it would answer that turn.
    Unknown,
    /// The turn's place is enough (OpenRouter, its page "Assistant prefill"; Groq, its page
    /// "Prefilling").
    Place,
    /// By `prefix` in the turn (Mistral; DeepSeek, its guide "Chat Prefix Completion").
    Prefix,
    /// By `continue_final_message` beside the turns (vLLM's and SGLang's chat completions).
    FinalMessage,
}

/// What a provider is told of earlier thoughts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thoughts {
    /// Nothing.
    Forgotten,
    /// All, as OpenRouter's `reasoning_details`.
    Details,
    /// The text behind calls, as `reasoning_content`.
    Text,
    /// The text, as Mistral's `thinking` chunks.
    Chunks,
}

/// How a provider takes documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Documents {
    /// Not at all.
    Refused,
    /// As OpenAI's `file`, by id or in base64.
    File,
    /// As `file`, from an address too (OpenRouter).
    FileOrUrl,
    /// As Mistral's `document_url`.
    Url,
}

/// OpenAI's own (API reference, "Create chat completion").
pub const OPENAI: Style = Style {
    max_tokens: "max_completion_tokens",
    seed: "seed",
    takes: &[
        "n",
        "logprobs",
        "seed",
        "presence_penalty",
        "frequency_penalty",
        "logit_bias",
        "user",
        "metadata",
        "parallel_tool_calls",
        "store",
        "verbosity",
        "prediction",
        "prompt_cache_key",
        "prompt_cache_retention",
        "prompt_cache_options",
        "moderation",
        "modalities",
    ],
    tiers: &["auto", "default", "flex", "scale", "priority", "fast"],
    stream_usage: StreamUsage::Asked,
    thinking: Thinking::Effort(openai_efforts),
    thoughts: Thoughts::Forgotten,
    documents: Documents::File,
    audio: true,
    video: false,
    cache_marks: false,
    hottest: 2.0,
    names: true,
    short_ids: false,
    prefix: false,
    continuation: Continuation::Unknown,
    fetches: true,
    openai_models: true,
    drawn_freely: reasons,
};

/// OpenAI's for a model that is known to think, under a name that may not tell: a deployment on Azure.
pub const REASONING: Style = Style {
    thinking: Thinking::Effort(|model| match openai_efforts(model) {
        [] => &COMMON_EFFORTS,
        known => known,
    }),
    drawn_freely: |_| true,
    ..OPENAI
};

/// What servers that call themselves compatible have in common: vLLM, SGLang, llama.cpp and the
/// clouds that run them.
pub const COMPATIBLE: Style = Style {
    max_tokens: "max_tokens",
    takes: &[
        "n",
        "logprobs",
        "seed",
        "presence_penalty",
        "frequency_penalty",
        "logit_bias",
        "user",
        "parallel_tool_calls",
        "top_k",
    ],
    tiers: &[],
    thinking: Thinking::Effort(|_| &COMMON_EFFORTS),
    documents: Documents::Refused,
    video: true,
    continuation: Continuation::FinalMessage,
    openai_models: false,
    drawn_freely: |_| false,
    ..OPENAI
};

/// The words that all reasoning models with an effort know.
pub(crate) const COMMON_EFFORTS: [Effort; 3] = [Effort::Low, Effort::Medium, Effort::High];

/// OpenAI's models name their efforts on their pages: none before o1, `minimal` in GPT-5 alone, `none`
/// from GPT-5.1 and `xhigh` from GPT-5.2 on.
pub(crate) fn openai_efforts(model: &str) -> &'static [Effort] {
    const FIRST: [Effort; 4] = [Effort::Minimal, Effort::Low, Effort::Medium, Effort::High];
    const SECOND: [Effort; 4] = [Effort::None, Effort::Low, Effort::Medium, Effort::High];
    const LATER: [Effort; 5] =
        [Effort::None, Effort::Low, Effort::Medium, Effort::High, Effort::XHigh];
    match model {
        model if !reasons(model) => &[],
        model if model.starts_with('o') => &COMMON_EFFORTS,
        model if model.starts_with("gpt-5.1") => &SECOND,
        model if model.starts_with("gpt-5.") => &LATER,
        _ => &FIRST,
    }
}

/// Whether a model of OpenAI's is a reasoning model, by its name.
pub(crate) fn reasons(model: &str) -> bool {
    const FAMILIES: [&str; 4] = ["o1", "o3", "o4", "gpt-5"];
    let model = model.strip_prefix("openai/").unwrap_or(model);
    FAMILIES.iter().any(|family| model.starts_with(family)) && !model.contains("-chat")
}

/// The allowed effort that comes nearest to the wanted one. No thinking is never given for some, nor
/// more than a little for none.
pub(crate) fn nearest(wanted: Effort, allowed: &[Effort]) -> Option<Effort> {
    if wanted == Effort::None {
        return allowed.first().copied().filter(|least| *least <= Effort::Minimal);
    }
    let some = allowed.iter().copied().filter(|effort| *effort != Effort::None);
    some.clone().filter(|effort| *effort <= wanted).max().or_else(|| some.min())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_model_gets_the_nearest_effort_that_it_knows() {
        let cases = [
            ("o3-mini", Effort::High, Some(Effort::High)),
            ("o3-mini", Effort::Max, Some(Effort::High)),
            ("o3-mini", Effort::Minimal, Some(Effort::Low)),
            ("o3-mini", Effort::None, None),
            ("gpt-5-mini", Effort::None, Some(Effort::Minimal)),
            ("gpt-5.1", Effort::None, Some(Effort::None)),
            ("gpt-5.1", Effort::Minimal, Some(Effort::Low)),
            ("gpt-5.2", Effort::Max, Some(Effort::XHigh)),
            ("gpt-5-chat-latest", Effort::Low, None),
            ("gpt-4o", Effort::Low, None),
        ];
        for (model, wanted, expected) in cases {
            assert_eq!(nearest(wanted, openai_efforts(model)), expected, "{model} {wanted:?}");
        }
    }
}
