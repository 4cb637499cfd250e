//! A conversation and its answer, in no provider's language.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::usage::Usage;

/// A chat (or plain-text) completion to be made.
#[derive(Debug, Clone, Default)]
pub struct ChatRequest {
    /// What is to be continued.
    pub prompt: Prompt,
    /// The functions that the model may call.
    pub tools: Vec<Tool>,
    /// Whether it may, must or must not call one.
    pub tool_choice: ToolChoice,
    /// The shape that the answer must have.
    pub format: AnswerFormat,
    /// How tokens are drawn.
    pub sampling: Sampling,
    /// How many answers are wanted; at least 1.
    pub choices: u32,
    /// Log-probabilities of generated tokens: how many alternatives beside each one, if at all.
    pub top_logprobs: Option<u8>,
    /// Repeat the prompt before the answer (legacy completions only).
    pub echo: bool,
}

/// What is to be continued.
#[derive(Debug, Clone, PartialEq)]
pub enum Prompt {
    /// A conversation, rendered by the model's chat template.
    Messages(Vec<Message>),
    /// Text as it stands, without a template.
    Text(String),
    /// Tokens as they stand.
    Tokens(Vec<u32>),
}

/// One turn of a conversation.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said, in order.
    pub content: Vec<Part>,
    /// The speaker's name, if there are several of a role.
    pub name: Option<String>,
    /// The calls that an assistant's turn made.
    pub tool_calls: Vec<ToolCall>,
    /// The call that a tool's turn answers.
    pub tool_call_id: Option<String>,
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The operator of the application (OpenAI's newer `developer` is the same voice).
    #[serde(alias = "developer")]
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
    /// A function's result.
    Tool,
}

/// A piece of a turn.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    /// Plain text.
    Text(String),
    /// An image by URL or `data:` URL.
    Image {
        /// Where it is.
        url: String,
    },
    /// Anything else, as the caller's dialect had it.
    Other(Value),
}

/// A function that the model may call.
#[derive(Debug, Clone, PartialEq)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// JSON Schema of its arguments.
    pub parameters: Value,
}

/// Whether the model may call a function.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ToolChoice {
    /// As it sees fit.
    #[default]
    Auto,
    /// Not at all.
    None,
    /// At least one.
    Required,
    /// This one.
    Named(String),
}

/// One call that the model made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolCall {
    /// The id that its result will name.
    pub id: String,
    /// The function.
    pub name: String,
    /// Its arguments: JSON text as the model wrote it.
    pub arguments: String,
}

/// The shape that the answer must have.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum AnswerFormat {
    /// Free text.
    #[default]
    Text,
    /// Any JSON object.
    JsonObject,
    /// JSON that this schema accepts.
    JsonSchema(Value),
    /// Text that this grammar accepts (Lark, as llguidance reads it).
    Grammar(String),
}

/// How tokens are drawn. `None` leaves a value to the endpoint.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sampling {
    /// Spread of the draw; 0 always takes the likeliest token.
    pub temperature: Option<f32>,
    /// Draw only among the likeliest tokens of this joint probability.
    pub top_p: Option<f32>,
    /// Draw only among this many of the likeliest tokens; 0 sets no limit.
    pub top_k: Option<u32>,
    /// Same seed, same draw, as far as the endpoint can promise it.
    pub seed: Option<u64>,
    /// Texts before which the answer ends.
    pub stop: Vec<String>,
    /// The most tokens to generate.
    pub max_tokens: Option<u32>,
    /// Taken from a token's logit if it occurred.
    pub presence_penalty: f32,
    /// Taken from a token's logit for each time that it occurred.
    pub frequency_penalty: f32,
    /// Added to the logits of these tokens.
    pub logit_bias: Vec<(u32, f32)>,
}

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
    /// The text.
    pub text: String,
    /// The thinking that came before it, where it is shown.
    pub reasoning: String,
    /// The calls made.
    pub tool_calls: Vec<ToolCall>,
    /// Why it ended.
    pub finish: Option<FinishReason>,
    /// The generated tokens with their probabilities, if asked for.
    pub logprobs: Vec<TokenLogprob>,
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FinishReason {
    /// The model was done, or met a stop text.
    Stop,
    /// The token limit was reached.
    Length,
    /// It called functions and waits for their results.
    ToolCalls,
    /// The provider withheld the rest.
    ContentFilter,
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

impl Default for Prompt {
    fn default() -> Self {
        Self::Text(String::new())
    }
}

impl FinishReason {
    /// OpenAI's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ToolCalls => "tool_calls",
            Self::ContentFilter => "content_filter",
        }
    }
}
