//! What an upstream says that an answer took, taken apart into disjoint buckets.
//!
//! The shapes are those of recorded answers: OpenAI counts cached, audio and reasoning tokens within
//! its totals; DeepSeek has `prompt_cache_hit_tokens`, Together and Moonshot `cached_tokens`, Mistral
//! `num_cached_tokens` at times; OpenRouter tells cache writes; Groq streams it inside `x_groq`; xAI
//! leaves reasoning out of `completion_tokens` but not out of `total_tokens`.

use isthmus_inference::failure::{Failure, Kind};
use isthmus_inference::usage::{Source, Usage};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::dialects::openai_error;

/// A rough count where nobody counted: English text has about four bytes to a token.
const BYTES_PER_TOKEN: u64 = 4;

/// The members of an answer, or of a chunk of one, that the house reads. All others are skipped
/// without being built.
#[derive(Deserialize)]
pub(crate) struct Told<'a> {
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    #[serde(borrow)]
    x_groq: Option<InGroq<'a>>,
    #[serde(borrow)]
    pub(crate) error: Option<&'a RawValue>,
    #[serde(borrow)]
    choices: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct InGroq<'a> {
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Wire {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    total_tokens: Option<u64>,
    prompt_tokens_details: Option<PromptDetails>,
    completion_tokens_details: Option<CompletionDetails>,
    prompt_cache_hit_tokens: Option<u64>,
    cached_tokens: Option<u64>,
    num_cached_tokens: Option<u64>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct PromptDetails {
    cached_tokens: Option<u64>,
    cache_write_tokens: Option<u64>,
    audio_tokens: Option<u64>,
    image_tokens: Option<u64>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct CompletionDetails {
    reasoning_tokens: Option<u64>,
    audio_tokens: Option<u64>,
}

/// The usage in a whole answer; `None` if it has none.
///
/// An answer that is no JSON object is no answer. One that holds an error instead (OpenRouter sends
/// some of those with status 200) is the failure it names.
pub fn read_answer(body: &[u8]) -> Result<Option<Usage>, Failure> {
    let told: Told<'_> = serde_json::from_slice(body).map_err(|error| {
        let message = "the provider's answer is not the JSON object that it should be";
        Failure::new(Kind::Malformed, message)
            .with_detail(format!("{error}; it began with {}", openai_error::excerpt(body)))
    })?;
    match told.error {
        Some(_) => Err(openai_error::in_answer(body)),
        None => Ok(told.usage()),
    }
}

/// A rough count for an exchange that reported none.
pub fn estimate(input_bytes: usize, output_bytes: usize) -> Usage {
    let tokens = |bytes: usize| (bytes as u64).div_ceil(BYTES_PER_TOKEN);
    Usage {
        uncached_input: tokens(input_bytes),
        text_output: tokens(output_bytes),
        source: Source::Estimated,
        ..Usage::default()
    }
}

// === impl Told ===

impl Told<'_> {
    /// The usage told; `None` if it is absent or in no known shape.
    pub(crate) fn usage(&self) -> Option<Usage> {
        let in_groq = self.x_groq.as_ref().and_then(|groq| groq.usage);
        let wire: Wire = serde_json::from_str(self.usage.or(in_groq)?.get()).ok()?;
        wire.apart()
    }

    /// Whether a chunk says nothing to the person who reads the answer.
    pub(crate) fn has_no_choices(&self) -> bool {
        self.choices.is_none_or(|choices| {
            let inside = choices.get().trim_start_matches('[').trim_start();
            choices.get() == "null" || inside.starts_with(']')
        })
    }
}

// === impl Wire ===

impl Wire {
    /// The tokens, each in one bucket. A part is never larger than what is left of its whole,
    /// whatever the upstream claims (Grok on Azure reports more cached tokens than prompt tokens).
    fn apart(self) -> Option<Usage> {
        let prompt_details = self.prompt_tokens_details.unwrap_or_default();
        let completion_details = self.completion_tokens_details.unwrap_or_default();
        if self.prompt_tokens.is_none() && self.completion_tokens.is_none() {
            return None;
        }
        let prompt = self.prompt_tokens.unwrap_or(0);
        let mut completion = self.completion_tokens.unwrap_or(0);
        let reasoning = completion_details.reasoning_tokens.unwrap_or(0);
        let counted_apart = prompt.checked_add(completion)?.checked_add(reasoning)?;
        if reasoning > 0 && self.total_tokens == Some(counted_apart) {
            completion += reasoning;
        }
        let cached = prompt_details
            .cached_tokens
            .or(self.prompt_cache_hit_tokens)
            .or(self.cached_tokens)
            .or(self.num_cached_tokens);

        let mut input = Whole(prompt);
        let cache_read = input.part(cached);
        let cache_write_5m = input.part(prompt_details.cache_write_tokens);
        let audio_input = input.part(prompt_details.audio_tokens);
        let image_input = input.part(prompt_details.image_tokens);
        let mut output = Whole(completion);
        let reasoning_output = output.part(Some(reasoning));
        let audio_output = output.part(completion_details.audio_tokens);
        Some(Usage {
            uncached_input: input.0,
            cache_read,
            cache_write_5m,
            cache_write_1h: 0,
            audio_input,
            image_input,
            text_output: output.0,
            reasoning_output,
            audio_output,
            source: Source::Reported,
        })
    }
}

/// What is left of a total after its parts were taken out.
struct Whole(u64);

impl Whole {
    fn part(&mut self, claimed: Option<u64>) -> u64 {
        let part = claimed.unwrap_or(0).min(self.0);
        self.0 -= part;
        part
    }
}
