//! A whole answer, in no provider's language.

use std::sync::Arc;

use crate::part::{Part, ToolCall, text_of};
use crate::usage::Usage;

/// A whole answer.
#[derive(Debug, Clone, PartialEq)]
pub struct ChatAnswer {
    /// The model that answered, in its own words.
    pub model: Arc<str>,
    /// One for each answer asked for, by index.
    pub choices: Vec<Choice>,
    /// What it took.
    pub usage: Usage,
}

/// One of the answers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Choice {
    /// What was thought, said and called, in order.
    pub content: Vec<Part>,
    /// Why it ended.
    pub finish: Option<FinishReason>,
    /// The stop text that was met, where the provider says which.
    pub stop_sequence: Option<String>,
    /// The generated tokens with their probabilities, if asked for.
    pub logprobs: Vec<TokenLogprob>,
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FinishReason {
    /// The model was done.
    Stop,
    /// It met a stop text.
    StopSequence,
    /// The token limit was reached.
    Length,
    /// The context window is full.
    ContextLength,
    /// It called functions and waits for their results.
    ToolCalls,
    /// The provider withheld the rest.
    ContentFilter,
    /// The model declined.
    Refusal,
    /// The provider paused a long turn; the caller may ask to go on (Anthropic's `pause_turn`).
    Pause,
    /// The provider broke the answer off without saying that it is complete.
    Failed,
}

/// A token and how likely it was.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenLogprob {
    /// The token's bytes; a character may be spread over several tokens.
    pub bytes: Vec<u8>,
    /// Natural logarithm of its probability.
    pub logprob: f32,
    /// The likeliest tokens at that place, likeliest first.
    pub top: Vec<(Vec<u8>, f32)>,
}

// === impl Choice ===

impl Choice {
    /// All plain text.
    pub fn text(&self) -> String {
        text_of(&self.content)
    }

    /// All thinking that is shown.
    pub fn reasoning(&self) -> String {
        let thoughts = self.content.iter().filter_map(|part| match part {
            Part::Thinking { text, .. } => Some(text.as_str()),
            _ => None,
        });
        thoughts.collect()
    }

    /// The calls made, in order.
    pub fn tool_calls(&self) -> impl Iterator<Item = &ToolCall> {
        self.content.iter().filter_map(|part| match part {
            Part::ToolCall(call) => Some(call),
            _ => None,
        })
    }
}

impl FinishReason {
    /// OpenAI's word.
    pub const fn as_openai(self) -> &'static str {
        match self {
            Self::Stop | Self::StopSequence | Self::Pause => "stop",
            Self::Length | Self::ContextLength => "length",
            Self::ToolCalls => "tool_calls",
            Self::ContentFilter | Self::Refusal => "content_filter",
            // vLLM's and OpenRouter's word; OpenAI has none.
            Self::Failed => "error",
        }
    }
}
