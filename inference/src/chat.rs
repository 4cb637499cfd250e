//! A conversation to be continued, in no provider's language.
//!
//! What is said lies in [`crate::part`], the answer in [`crate::answer`].

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::part::{CacheLife, Part};

/// A chat (or plain-text) completion to be made.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ChatRequest {
    /// What is to be continued.
    pub prompt: Prompt,
    /// The functions that the model may call.
    pub tools: Vec<Tool>,
    /// Tools that the provider itself runs, in the words of one wire format.
    pub native_tools: Vec<NativeTool>,
    /// Whether it may, must or must not call one.
    pub tool_choice: ToolChoice,
    /// Whether it may call several at once; `None` leaves it to the endpoint.
    pub parallel_tool_calls: Option<bool>,
    /// The shape that the answer must have.
    pub format: AnswerFormat,
    /// How tokens are drawn.
    pub sampling: Sampling,
    /// How much to think first.
    pub reasoning: Reasoning,
    /// How many answers are wanted; at least 1 (0, the default of this type, counts as 1).
    pub choices: u32,
    /// Log-probabilities of generated tokens: how many alternatives beside each one, if at all.
    pub top_logprobs: Option<u8>,
    /// Repeat the prompt before the answer (legacy completions only).
    pub echo: bool,
    /// The provider's word for how urgent it is: `auto`, `default`, `flex`, `priority`, `batch` …
    pub service_tier: Option<String>,
    /// Who asks, as an opaque name for the provider's abuse desk (`user`, `metadata.user_id`).
    pub user: Option<String>,
    /// Labels that the provider keeps with the exchange.
    pub metadata: Map<String, Value>,
    /// Members that no neutral word exists for, by the caller's own names. A dialect takes out those
    /// that it knows and reports the rest as dropped.
    pub extra: Map<String, Value>,
    /// Whether nothing may be dropped: an endpoint that cannot honour a field is then no endpoint for
    /// this request (OpenRouter's `provider.require_parameters`).
    pub require_parameters: bool,
    /// Whether the last turn, which is the assistant's, is to be gone on with where it stops, instead
    /// of being answered.
    pub continued: bool,
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
    /// What is said and done, in order: calls stand in the assistant's turns, their results in the
    /// tool's.
    pub content: Vec<Part>,
    /// The speaker's name, if there are several of a role.
    pub name: Option<String>,
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
    /// The results of functions.
    Tool,
}

/// A function that the model may call.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// JSON Schema of its arguments: an object.
    pub parameters: Value,
    /// Whether arguments must fit the schema exactly.
    pub strict: Option<bool>,
    /// The prefix that ends with this tool is worth caching.
    pub cache: Option<CacheLife>,
    /// The text that it takes in the place of arguments, if it is no function but a tool of free text
    /// (OpenAI's custom tools); its parameters are empty then.
    pub free_text: Option<FreeText>,
}

/// What text a tool takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FreeText {
    /// Any.
    Any,
    /// What a grammar accepts.
    Grammar {
        /// The language that it is written in: OpenAI's `lark` or `regex`.
        syntax: String,
        /// The grammar.
        definition: String,
    },
}

/// A tool that the provider runs itself (web search, code execution), as the caller wrote it.
#[derive(Debug, Clone, PartialEq)]
pub struct NativeTool {
    /// The wire format whose words these are.
    pub format: &'static str,
    /// The tool.
    pub value: Value,
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

/// The shape that the answer must have.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum AnswerFormat {
    /// Free text.
    #[default]
    Text,
    /// Any JSON object.
    JsonObject,
    /// JSON that a schema accepts.
    JsonSchema(JsonSchema),
    /// Text that this grammar accepts (Lark, as llguidance reads it).
    Grammar(String),
}

/// A JSON Schema for an answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct JsonSchema {
    /// Its name; some providers show it to the model. Empty if the caller's dialect has none.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// The schema itself.
    pub schema: Value,
    /// Whether the answer must fit exactly.
    pub strict: Option<bool>,
}

/// How tokens are drawn. `None` leaves a value to the endpoint.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sampling {
    /// Spread of the draw; 0 always takes the likeliest token.
    pub temperature: Option<f64>,
    /// Draw only among the likeliest tokens of this joint probability.
    pub top_p: Option<f64>,
    /// Draw only among this many of the likeliest tokens; 0 sets no limit.
    pub top_k: Option<u32>,
    /// Same seed, same draw, as far as the endpoint can promise it. A negative seed is kept in
    /// two's complement.
    pub seed: Option<u64>,
    /// Texts before which the answer ends.
    pub stop: Vec<String>,
    /// The most tokens to generate.
    pub max_tokens: Option<u32>,
    /// Taken from a token's logit if it occurred; 0 takes nothing.
    pub presence_penalty: f64,
    /// Taken from a token's logit for each time that it occurred; 0 takes nothing.
    pub frequency_penalty: f64,
    /// Added to the logits of these tokens.
    pub logit_bias: Vec<(u32, f32)>,
}

/// How much to think before answering. Providers count effort or tokens; each dialect takes what it
/// can say and derives it where only the other is given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reasoning {
    /// How much, in words.
    pub effort: Option<Effort>,
    /// How much, in tokens; 0 asks for none.
    pub budget: Option<u32>,
    /// Whether the provider is to choose the amount itself (Anthropic's `adaptive`, Gemini's budget
    /// of −1).
    pub adaptive: bool,
    /// Whether and how the thinking is to be shown.
    pub summary: Option<Summary>,
}

/// How much thinking, in OpenAI's words (API reference, `reasoning_effort`) and Anthropic's `max`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effort {
    /// No thinking.
    None,
    /// As little as the model can.
    Minimal,
    /// A little.
    Low,
    /// The usual.
    Medium,
    /// Much.
    High,
    /// Very much.
    XHigh,
    /// Without bound.
    Max,
}

/// How thinking is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Summary {
    /// Not at all.
    Hidden,
    /// As the provider sees fit.
    Auto,
    /// Briefly.
    Concise,
    /// At length.
    Detailed,
}

// === impl ===

impl Default for Prompt {
    fn default() -> Self {
        Self::Messages(Vec::new())
    }
}

impl ChatRequest {
    /// The turns; none for a prompt that is no conversation.
    pub fn messages(&self) -> &[Message] {
        match &self.prompt {
            Prompt::Messages(messages) => messages,
            Prompt::Text(_) | Prompt::Tokens(_) => &[],
        }
    }

    /// Whether it offers a tool of this name that takes free text.
    pub fn takes_free_text(&self, name: &str) -> bool {
        self.tools.iter().any(|tool| tool.name == name && tool.free_text.is_some())
    }

    /// How many answers are wanted; at least 1.
    pub fn wanted_choices(&self) -> u32 {
        self.choices.max(1)
    }
}

impl Message {
    /// A turn of plain text.
    pub fn text(role: Role, text: impl Into<String>) -> Self {
        Self { role, content: vec![Part::text(text)], name: None }
    }
}

impl Effort {
    /// Every effort with its word, the least first.
    pub const ALL: [(Self, &str); 7] = [
        (Self::None, "none"),
        (Self::Minimal, "minimal"),
        (Self::Low, "low"),
        (Self::Medium, "medium"),
        (Self::High, "high"),
        (Self::XHigh, "xhigh"),
        (Self::Max, "max"),
    ];

    /// The word.
    pub fn as_str(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    /// The effort of this word.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, known)| *known == word).map(|(effort, _)| effort)
    }

    /// The share of the answer's tokens that may be thinking: the ratios that OpenRouter documents
    /// for providers which count tokens (`reasoning.effort`).
    fn share(self) -> f64 {
        match self {
            Self::None => 0.0,
            Self::Minimal => 0.1,
            Self::Low => 0.2,
            Self::Medium => 0.5,
            Self::High => 0.8,
            Self::XHigh | Self::Max => 0.95,
        }
    }

    /// This effort as tokens, of an answer that may have so many.
    pub fn as_budget(self, max_tokens: u32) -> u32 {
        (f64::from(max_tokens) * self.share()) as u32
    }

    /// The effort that a number of tokens comes nearest to, of an answer that may have so many.
    pub fn of_budget(budget: u32, max_tokens: u32) -> Self {
        let share = f64::from(budget) / f64::from(max_tokens.max(1));
        match share {
            _ if budget == 0 => Self::None,
            share if share < 0.15 => Self::Minimal,
            share if share < 0.35 => Self::Low,
            share if share < 0.65 => Self::Medium,
            share if share < 0.9 => Self::High,
            _ => Self::XHigh,
        }
    }
}

impl Reasoning {
    /// Whether the caller said anything about it.
    pub fn is_asked(&self) -> bool {
        self.adaptive || self.effort.is_some() || self.budget.is_some()
    }

    /// Whether the caller asked for none.
    pub fn is_off(&self) -> bool {
        self.budget == Some(0) || (self.budget.is_none() && self.effort == Some(Effort::None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn efforts_survive_the_way_to_tokens_and_back() {
        for (effort, word) in Effort::ALL {
            assert_eq!((effort.as_str(), Effort::of_word(word)), (word, Some(effort)));
            let expected = if effort == Effort::Max { Effort::XHigh } else { effort };
            assert_eq!(Effort::of_budget(effort.as_budget(10_000), 10_000), expected);
        }
    }
}
