//! A whole answer of `Converse`.

use std::sync::Arc;

use bytes::Bytes;
use isthmus_inference::answer::{ChatAnswer, Choice};
use isthmus_inference::failure::Failure;
use isthmus_inference::part::{Media, Part, Signature, ToolCall, formats};
use isthmus_inference::usage::Usage;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::error::{in_place_of_an_answer, malformed, unreadable};
use super::signature::withheld;
use super::usage::{ServiceTier, TokenUsage, finish};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    #[serde(borrow)]
    output: Option<Output<'a>>,
    stop_reason: Option<String>,
    usage: Option<TokenUsage>,
    service_tier: Option<ServiceTier>,
    additional_model_response_fields: Option<Value>,
}

#[derive(Deserialize)]
struct Output<'a> {
    #[serde(borrow)]
    message: Message<'a>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    content: Vec<&'a RawValue>,
}

/// A `ContentBlock`: one of these, or something newer.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Block {
    text: Option<String>,
    tool_use: Option<ToolUse>,
    reasoning_content: Option<Reasoning>,
    citations_content: Option<Citations>,
    image: Option<Image>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ToolUse {
    tool_use_id: String,
    name: String,
    input: Option<Box<RawValue>>,
    r#type: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reasoning {
    reasoning_text: Option<ReasoningText>,
    redacted_content: Option<String>,
}

#[derive(Deserialize)]
struct ReasoningText {
    #[serde(default)]
    text: String,
    signature: Option<String>,
}

#[derive(Deserialize)]
struct Citations {
    #[serde(default)]
    content: Vec<CitedText>,
    #[serde(default)]
    citations: Vec<Value>,
}

#[derive(Deserialize)]
struct CitedText {
    #[serde(default)]
    text: String,
}

#[derive(Deserialize)]
struct Image {
    format: String,
    source: ImageSource,
}

#[derive(Deserialize)]
struct ImageSource {
    bytes: Option<String>,
}

/// The type of a call that the provider itself makes and answers.
pub(super) const SERVER_CALL: &str = "server_tool_use";

/// Reads an answer. `format` is whose the model's signatures are.
pub(super) fn decode(body: &[u8], format: &'static str) -> Result<ChatAnswer, Failure> {
    let answer: Answer<'_> = serde_json::from_slice(body).map_err(unreadable)?;
    let Some(output) = answer.output else {
        let told = in_place_of_an_answer(&Bytes::copy_from_slice(body));
        return Err(told.unwrap_or_else(|| malformed("it has no `output`")));
    };
    let Some(reason) = answer.stop_reason else {
        return Err(malformed("it has no `stopReason`"));
    };
    let mut content = Vec::new();
    for block in output.message.content {
        take(block, format, &mut content).map_err(unreadable)?;
    }
    let choice = Choice {
        content,
        finish: Some(finish(&reason)),
        stop_sequence: stop_sequence(answer.additional_model_response_fields.as_ref()),
        logprobs: vec![],
    };
    let usage = match answer.usage {
        Some(usage) => usage.apart(answer.service_tier.as_ref()),
        None => estimated(&choice),
    };
    Ok(ChatAnswer { model: Arc::from(""), choices: vec![choice], usage })
}

/// A rough count of an answer that tells none.
fn estimated(choice: &Choice) -> Usage {
    let arguments: usize = choice.tool_calls().map(|call| call.arguments.len()).sum();
    Usage::of_answer(choice.text().len() + choice.reasoning().len() + arguments)
}

/// The stop text that was met, where the model was asked to say it.
pub(super) fn stop_sequence(additional: Option<&Value>) -> Option<String> {
    additional?.get("stop_sequence")?.as_str().map(str::to_owned)
}

/// The citations of a text, the answer's characters from `span.0` to `span.1`, behind which they stand.
pub(super) fn cited(citations: &[Value], span: (usize, usize)) -> Part {
    let value = json!({
        "citationsContent": { "citations": citations }, "start": span.0, "end": span.1,
    });
    Part::Native { format: formats::BEDROCK, value }
}

/// An image that the model made.
pub(super) fn drawn(format: &str, base64: String) -> Part {
    let media = Media::Inline { media_type: format!("image/{format}"), base64 };
    Part::Image { media, detail: None }
}

/// Adds what a block says.
fn take(
    raw: &RawValue,
    format: &'static str,
    content: &mut Vec<Part>,
) -> Result<(), serde_json::Error> {
    let block = match serde_json::from_str::<Block>(raw.get()) {
        // A block that is not read is of a kind that came later; a call must not be lost.
        Err(_) if !raw.get().contains("toolUse") => Block::default(),
        read => read?,
    };
    match block {
        Block { text: Some(text), .. } => say(content, text),
        Block { tool_use: Some(call), .. } if call.r#type.as_deref() != Some(SERVER_CALL) => {
            let arguments = call.input.map_or_else(|| "{}".to_owned(), |raw| raw.get().to_owned());
            let (id, name) = (call.tool_use_id, call.name);
            content.push(Part::ToolCall(ToolCall { id, name, arguments, ..ToolCall::default() }));
        }
        Block { reasoning_content: Some(thought), .. } => content.extend(thought.parts(format)),
        Block { citations_content: Some(said), .. } => {
            let text: String = said.content.into_iter().map(|piece| piece.text).collect();
            if said.citations.is_empty() {
                say(content, text);
            } else {
                let from = characters(content);
                let span = (from, from + text.chars().count());
                say(content, text);
                content.push(cited(&said.citations, span));
            }
        }
        Block {
            image: Some(Image { format, source: ImageSource { bytes: Some(bytes) } }), ..
        } => content.push(drawn(&format, bytes)),
        _ => {
            let value = serde_json::from_str(raw.get())?;
            content.push(Part::Native { format: formats::BEDROCK, value });
        }
    }
    Ok(())
}

/// How many characters a caller sees of these parts.
fn characters(content: &[Part]) -> usize {
    let of = |part: &Part| if let Part::Text(text) = part { text.chars().count() } else { 0 };
    content.iter().map(of).sum()
}

/// Adds text to what was said before it.
fn say(content: &mut Vec<Part>, text: String) {
    match content.last_mut() {
        _ if text.is_empty() => {}
        Some(Part::Text(before)) => before.push_str(&text),
        _ => content.push(Part::Text(text)),
    }
}

impl Reasoning {
    fn parts(self, format: &'static str) -> impl Iterator<Item = Part> {
        let shown = self.reasoning_text.map(|ReasoningText { text, signature }| {
            let signature = signature.filter(|signature| !signature.is_empty());
            let signature = signature.map(|data| Signature::new(format, data));
            Part::Thinking { text, signature }
        });
        let hidden = self.redacted_content.map(|blob| Part::Thinking {
            text: String::new(),
            signature: Some(withheld(&blob, format)),
        });
        shown.into_iter().chain(hidden)
    }
}
