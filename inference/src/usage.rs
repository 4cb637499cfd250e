//! Tokens in disjoint buckets: every token is counted in exactly one of them.
//!
//! Providers overlap theirs in different ways (OpenAI's `prompt_tokens` contains the cached ones,
//! Anthropic's `input_tokens` does not). Dialects take the overlap apart once, on the way in, so
//! that a price is a plain sum of products here.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use crate::tier::Tier;

/// What one exchange consumed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Input that was neither read from nor written to a prompt cache.
    #[serde(skip_serializing_if = "is_none")]
    pub uncached_input: u64,
    /// Input served from the provider's prompt cache.
    #[serde(skip_serializing_if = "is_none")]
    pub cache_read: u64,
    /// Input written to a cache that lives five minutes.
    #[serde(skip_serializing_if = "is_none")]
    pub cache_write_5m: u64,
    /// Input written to a cache that lives an hour.
    #[serde(skip_serializing_if = "is_none")]
    pub cache_write_1h: u64,
    /// Audio in the prompt.
    #[serde(skip_serializing_if = "is_none")]
    pub audio_input: u64,
    /// Images in the prompt, where the provider counts them apart.
    #[serde(skip_serializing_if = "is_none")]
    pub image_input: u64,
    /// Text (and tool calls) that the caller sees.
    #[serde(skip_serializing_if = "is_none")]
    pub text_output: u64,
    /// Thinking, billed as output, seen by the caller or not.
    #[serde(skip_serializing_if = "is_none")]
    pub reasoning_output: u64,
    /// Audio that was generated.
    #[serde(skip_serializing_if = "is_none")]
    pub audio_output: u64,
    /// Tokens that the provider's own total has and none of its parts explains. They belong to no
    /// bucket, so they are flagged, and charged like the dearest.
    #[serde(skip_serializing_if = "is_none")]
    pub unexplained: u64,
    /// The service tier that the endpoint says it answered by, or else that it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tier: Option<Tier>,
    /// Who counted.
    pub source: Source,
}

/// Who counted the tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The endpoint said so.
    #[default]
    Reported,
    /// The house estimated, because the endpoint said nothing (a cut stream, a silent provider).
    Estimated,
}

/// Most buckets are empty, and what is written down need not say so.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_none(tokens: &u64) -> bool {
    *tokens == 0
}

/// A rough count where nobody counted: English text has about four bytes to a token.
const BYTES_PER_TOKEN: u64 = 4;

/// How many tokens so many bytes of text are, roughly.
pub fn estimate_tokens(bytes: usize) -> u64 {
    (bytes as u64).div_ceil(BYTES_PER_TOKEN)
}

/// How many tokens a file of so many bytes of base64 is, roughly. A picture of a megapixel is 765 tokens
/// to GPT-4o, 1,290 to Gemini and about 1,400 to Claude, however many bytes it has; of PDFs and sound,
/// longer ones are more.
pub fn file_tokens(bytes: usize) -> u64 {
    const OF_PICTURE: u64 = 1000;
    const BYTES_PER_MORE: u64 = 500;
    estimate_tokens(bytes).min(OF_PICTURE) + bytes as u64 / BYTES_PER_MORE
}

impl Usage {
    /// A rough count for an answer that reports none, by the bytes of its text. Whoever knows what was
    /// asked adds [that](Self::with_asked).
    pub fn of_answer(bytes: usize) -> Self {
        let text_output = estimate_tokens(bytes);
        Self { text_output, source: Source::Estimated, ..Self::default() }
    }

    /// A rough count for an answer that was cut: what its endpoint had said until then, if anything,
    /// else what the request was expected to be; and no less output than the tokens that came, thinking
    /// included.
    pub fn of_cut(so_far: Option<Self>, input: u64, output: u64) -> Self {
        let known = so_far.unwrap_or(Self { uncached_input: input, ..Self::default() });
        let text_output = known.text_output.max(output.saturating_sub(known.reasoning_output));
        Self { text_output, source: Source::Estimated, ..known }
    }

    /// With so much input, if the output was estimated and nobody counted the input: whoever reads an
    /// answer does not see what was asked.
    #[must_use]
    pub fn with_asked(mut self, input: u64) -> Self {
        if self.source == Source::Estimated && self.input() == 0 {
            self.uncached_input = input;
        }
        self
    }

    /// All input tokens, however they were served: OpenAI's `prompt_tokens`.
    pub fn input(&self) -> u64 {
        self.uncached_input
            + self.cache_read
            + self.cache_write_5m
            + self.cache_write_1h
            + self.audio_input
            + self.image_input
    }

    /// All output tokens: OpenAI's `completion_tokens`.
    pub fn output(&self) -> u64 {
        self.text_output + self.reasoning_output + self.audio_output
    }

    /// Input and output together, and what nothing explains: the provider's own total.
    pub fn total(&self) -> u64 {
        self.input() + self.output() + self.unexplained
    }
}

/// Several exchanges that answer one request: estimated as soon as one of them is. The tier stays that of
/// the first, as a sum has none.
impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.uncached_input += other.uncached_input;
        self.cache_read += other.cache_read;
        self.cache_write_5m += other.cache_write_5m;
        self.cache_write_1h += other.cache_write_1h;
        self.audio_input += other.audio_input;
        self.image_input += other.image_input;
        self.text_output += other.text_output;
        self.reasoning_output += other.reasoning_output;
        self.audio_output += other.audio_output;
        self.unexplained += other.unexplained;
        if other.source == Source::Estimated {
            self.source = Source::Estimated;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_count_each_bucket_once() {
        let usage = Usage {
            uncached_input: 1,
            cache_read: 2,
            cache_write_5m: 4,
            cache_write_1h: 8,
            audio_input: 16,
            image_input: 32,
            text_output: 64,
            reasoning_output: 128,
            audio_output: 256,
            unexplained: 0,
            tier: None,
            source: Source::Reported,
        };
        assert_eq!(usage.input(), 63);
        assert_eq!(usage.output(), 448);
        assert_eq!(usage.total(), 511);
        let mut twice = usage;
        twice += Usage { source: Source::Estimated, unexplained: 1, ..usage };
        assert_eq!((twice.input(), twice.output(), twice.total()), (126, 896, 1023));
        assert_eq!(twice.source, Source::Estimated);
    }

    #[test]
    fn an_estimate_counts_what_was_asked_once() {
        let answer = Usage::of_answer(9);
        assert_eq!((answer.with_asked(5).input(), answer.with_asked(5).output()), (5, 3));
        let counted = Usage { cache_read: 7, ..answer };
        assert_eq!(counted.with_asked(5), counted, "its input is known");
        let reported = Usage { text_output: 3, ..Usage::default() };
        assert_eq!(reported.with_asked(5), reported, "nothing is added to a report");
    }

    #[test]
    fn a_cut_answer_takes_what_was_said_and_what_came() {
        let told = Usage { uncached_input: 10, cache_read: 3, text_output: 1, ..Usage::default() };
        let cut = Usage::of_cut(Some(told), 1000, 6);
        assert_eq!((cut.input(), cut.output(), cut.source), (13, 6, Source::Estimated));
        assert_eq!(Usage::of_cut(Some(cut), 1000, 2).output(), 6);
        let thought = Usage { reasoning_output: 4, ..told };
        assert_eq!(Usage::of_cut(Some(thought), 1000, 6).output(), 6, "thinking counts once");
        let silent = Usage::of_cut(None, 1000, 2);
        assert_eq!((silent.input(), silent.output()), (1000, 2));
    }
}
