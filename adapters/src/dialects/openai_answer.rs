//! Whole chat answers, written for callers in exactly the shapes that the official SDKs expect.

use bytes::Bytes;
use isthmus_inference::answer::{ChatAnswer, Choice, FinishReason, TokenLogprob};
use isthmus_inference::part::{Media, Part, ToolCall, formats};
use isthmus_inference::usage::Usage;
use serde::Serialize;
use serde_json::{Value, json};

use crate::dialect::Stamp;
use crate::dialects::citations;
use crate::dialects::openai_chat::reasoning;

/// The lowest log-probability written: JSON has no minus infinity, and OpenAI writes this instead.
const LEAST_LOGPROB: f32 = -9999.0;

#[derive(Serialize)]
struct Answer<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: Vec<ChoiceOut<'a>>,
    usage: UsageOut,
    system_fingerprint: Option<&'a str>,
}

#[derive(Serialize)]
struct ChoiceOut<'a> {
    index: usize,
    message: MessageOut<'a>,
    logprobs: Option<LogprobsOut>,
    finish_reason: Option<&'static str>,
}

#[derive(Serialize)]
struct MessageOut<'a> {
    role: &'static str,
    content: Option<String>,
    refusal: Option<String>,
    /// The name that DeepSeek, vLLM and others gave to thinking; OpenAI shows none.
    #[serde(skip_serializing_if = "String::is_empty")]
    reasoning_content: String,
    /// Signed thoughts, in OpenRouter's words, so that they can be sent back with the next turn.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reasoning_details: Vec<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<ToolCallOut<'a>>,
    /// Pictures that the model made, as OpenRouter gives them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    images: Vec<Value>,
    /// The pages that the answer is from.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    annotations: Vec<Value>,
}

#[derive(Serialize)]
struct ToolCallOut<'a> {
    id: &'a str,
    r#type: &'static str,
    #[serde(flatten)]
    called: CalledOut<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    extra_content: Option<Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum CalledOut<'a> {
    Function { name: &'a str, arguments: &'a str },
    Custom { name: &'a str, input: &'a str },
}

/// Log-probabilities as chat answers have them.
#[derive(Serialize)]
pub(crate) struct LogprobsOut {
    content: Vec<TokenOut>,
    refusal: Option<Vec<TokenOut>>,
}

#[derive(Serialize)]
struct TokenOut {
    #[serde(flatten)]
    token: TopTokenOut,
    top_logprobs: Vec<TopTokenOut>,
}

#[derive(Serialize)]
struct TopTokenOut {
    token: String,
    logprob: f32,
    bytes: Vec<u8>,
}

/// Usage, with the overlaps that OpenAI's totals have.
#[derive(Serialize)]
pub(crate) struct UsageOut {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
    prompt_tokens_details: PromptDetailsOut,
    completion_tokens_details: CompletionDetailsOut,
}

#[derive(Serialize)]
struct PromptDetailsOut {
    cached_tokens: u64,
    /// OpenRouter's word; OpenAI does not charge for them apart.
    #[serde(skip_serializing_if = "is_zero")]
    cache_write_tokens: u64,
    audio_tokens: u64,
    #[serde(skip_serializing_if = "is_zero")]
    image_tokens: u64,
}

#[derive(Serialize)]
struct CompletionDetailsOut {
    reasoning_tokens: u64,
    audio_tokens: u64,
    accepted_prediction_tokens: u64,
    rejected_prediction_tokens: u64,
}

/// Writes a whole answer to `POST /chat/completions`.
pub fn encode_chat_answer(answer: &ChatAnswer, stamp: &Stamp<'_>) -> Bytes {
    json(&Answer {
        id: stamp.id,
        object: "chat.completion",
        created: stamp.created,
        model: stamp.model,
        choices: answer.choices.iter().enumerate().map(ChoiceOut::of).collect(),
        usage: UsageOut::of(&answer.usage),
        system_fingerprint: None,
    })
}

fn refusal(content: &[Part]) -> Option<String> {
    let mut words = content.iter().filter_map(|part| match part {
        Part::Refusal(text) => Some(text.as_str()),
        _ => None,
    });
    let first = words.next()?;
    Some(words.fold(first.to_owned(), |all, more| all + more))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for this signature")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Signed thoughts as `reasoning_details`; those without a signature need not come back.
fn reasoning_details(content: &[Part]) -> Vec<Value> {
    let mut details = Vec::new();
    for part in content {
        if let Part::Thinking { text, signature: Some(signature) } = part {
            details.extend(reasoning::details(text, signature, details.len()));
        }
    }
    details
}

/// A picture as an item of `images`, counted from `index`.
pub(crate) fn image(media: &Media, index: usize) -> Option<Value> {
    let url = media.as_url()?;
    Some(json!({"type": "image_url", "image_url": {"url": url}, "index": index}))
}

fn images(content: &[Part]) -> Vec<Value> {
    let media = content.iter().filter_map(|part| match part {
        Part::Image { media, .. } => Some(media),
        _ => None,
    });
    media.enumerate().filter_map(|(index, media)| image(media, index)).collect()
}

fn annotations(content: &[Part]) -> Vec<Value> {
    content.iter().flat_map(|part| citations::cited(part, formats::OPENAI_CHAT)).collect()
}

/// What Google wants to see again with a call, in the words of its own OpenAI-shaped API.
pub(crate) fn extra_content(call: &ToolCall) -> Option<Value> {
    let signature = call.signature.as_ref()?;
    (signature.format == formats::GEMINI)
        .then(|| json!({"google": {"thought_signature": signature.data}}))
}

/// A value as JSON text.
pub(crate) fn json(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value).map(Bytes::from).unwrap_or_else(|_| {
        unreachable!("these types have text keys and finite numbers, and memory does not fail")
    })
}

/// A log-probability that JSON can hold.
pub(crate) fn finite(logprob: f32) -> f32 {
    if logprob.is_finite() { logprob.max(LEAST_LOGPROB) } else { LEAST_LOGPROB }
}

// === impl ChoiceOut ===

impl<'a> ChoiceOut<'a> {
    fn of((index, choice): (usize, &'a Choice)) -> Self {
        let text = choice.text();
        let refusal = refusal(&choice.content);
        let calls = choice.tool_calls().next().is_some();
        let silent = text.is_empty() && (calls || refusal.is_some());
        Self {
            index,
            message: MessageOut {
                role: "assistant",
                content: (!silent).then_some(text),
                refusal,
                reasoning_content: choice.reasoning(),
                reasoning_details: reasoning_details(&choice.content),
                images: images(&choice.content),
                annotations: annotations(&choice.content),
                tool_calls: choice.tool_calls().map(ToolCallOut::of).collect(),
            },
            logprobs: LogprobsOut::of(&choice.logprobs),
            finish_reason: choice.finish.map(FinishReason::as_openai),
        }
    }
}

impl<'a> ToolCallOut<'a> {
    fn of(call: &'a ToolCall) -> Self {
        let (name, text) = (&call.name, &call.arguments);
        let (kind, called) = if call.free_text {
            ("custom", CalledOut::Custom { name, input: text })
        } else {
            ("function", CalledOut::Function { name, arguments: text })
        };
        Self { id: &call.id, r#type: kind, called, extra_content: extra_content(call) }
    }
}

// === impl LogprobsOut ===

impl LogprobsOut {
    /// The tokens' list, or `None` if there are no tokens to list.
    pub(crate) fn of(tokens: &[TokenLogprob]) -> Option<Self> {
        let content: Vec<_> = tokens.iter().map(TokenOut::of).collect();
        (!content.is_empty()).then_some(Self { content, refusal: None })
    }
}

impl TokenOut {
    fn of(token: &TokenLogprob) -> Self {
        let top = token.top.iter();
        Self {
            token: TopTokenOut::of(&token.bytes, token.logprob),
            top_logprobs: top.map(|(bytes, logprob)| TopTokenOut::of(bytes, *logprob)).collect(),
        }
    }
}

impl TopTokenOut {
    fn of(bytes: &[u8], logprob: f32) -> Self {
        let token = String::from_utf8_lossy(bytes).into_owned();
        Self { token, logprob: finite(logprob), bytes: bytes.to_vec() }
    }
}

// === impl UsageOut ===

impl UsageOut {
    pub(crate) fn of(usage: &Usage) -> Self {
        Self {
            prompt_tokens: usage.input(),
            completion_tokens: usage.output(),
            total_tokens: usage.total(),
            prompt_tokens_details: PromptDetailsOut {
                cached_tokens: usage.cache_read,
                cache_write_tokens: usage.cache_write_5m + usage.cache_write_1h,
                audio_tokens: usage.audio_input,
                image_tokens: usage.image_input,
            },
            completion_tokens_details: CompletionDetailsOut {
                reasoning_tokens: usage.reasoning_output,
                audio_tokens: usage.audio_output,
                accepted_prediction_tokens: 0,
                rejected_prediction_tokens: 0,
            },
        }
    }
}
