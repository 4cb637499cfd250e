//! The conversation, and the documents that were shown in it.

use isthmus_inference::chat::{Message, Role};
use isthmus_inference::failure::{Failure, Kind};
use isthmus_inference::part::{Media, Part, ToolResult, formats, text_of};
use serde_json::{Value, json};

use crate::dialects::citations::DOCUMENT;
use crate::dialects::openai_provider::{closest_detail, plain_text, said_document};

/// What a [`Signature`](isthmus_inference::part::Signature) of a plan for calls holds; that of a
/// thought holds nothing. The vendor signs neither, but wants both back in their own places.
pub(super) const PLAN: &str = "tool_plan";

/// The conversation as the API takes it.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// `messages`.
    pub(super) messages: Vec<Value>,
    /// For `documents`: they stand beside the conversation.
    pub(super) documents: Vec<Value>,
    /// Whether they may: else they are part of what is said.
    apart: bool,
}

impl Turns {
    /// Whether documents stand `apart` from what is said.
    pub(super) fn of(
        messages: &[Message],
        apart: bool,
        dropped: &mut Vec<String>,
    ) -> Result<Self, Failure> {
        let mut turns = Self { apart, ..Self::default() };
        for (at, message) in messages.iter().enumerate() {
            if message.name.is_some() && !dropped.iter().any(|name| name == "messages.name") {
                dropped.push("messages.name".to_owned());
            }
            match message.role {
                Role::System => turns.said("system", message, at)?,
                Role::User => turns.said("user", message, at)?,
                Role::Assistant => turns.assistant(message, at)?,
                Role::Tool => turns.results(message, at)?,
            }
        }
        Ok(turns)
    }

    fn said(&mut self, role: &str, message: &Message, at: usize) -> Result<(), Failure> {
        let mut content = Vec::new();
        for (place, part) in message.content.iter().enumerate() {
            match part {
                Part::CachePoint(_) => {}
                Part::Document { media, name } if role == "user" => {
                    let text = text_in(media).ok_or_else(|| unsupported(part, at, place))?;
                    let title = name.as_deref().unwrap_or_default();
                    if !self.apart {
                        let text = said_document(Some(title), &text);
                        content.push(json!({ "type": "text", "text": text }));
                        continue;
                    }
                    let id = format!("{DOCUMENT}{}", self.documents.len());
                    let data = json!({ "title": title, "text": text });
                    self.documents.push(json!({ "id": id, "data": data }));
                }
                part => content.push(shown(part, role, at, place)?),
            }
        }
        self.messages.push(json!({ "role": role, "content": plain(content) }));
        Ok(())
    }

    fn assistant(&mut self, message: &Message, at: usize) -> Result<(), Failure> {
        let (mut content, mut calls, mut plan) = (Vec::new(), Vec::new(), String::new());
        for (place, part) in message.content.iter().enumerate() {
            match part {
                Part::Text(text) | Part::Refusal(text) if text.is_empty() => {}
                Part::Text(text) | Part::Refusal(text) => {
                    content.push(json!({ "type": "text", "text": text }));
                }
                Part::Thinking { text, signature: Some(by) } if by.format == formats::COHERE => {
                    if by.data == PLAN {
                        plan.push_str(text);
                    } else {
                        content.push(json!({ "type": "thinking", "thinking": text }));
                    }
                }
                Part::Thinking { .. } | Part::CachePoint(_) => {}
                Part::ToolCall(call) => {
                    let empty = call.arguments.trim().is_empty();
                    let arguments = if empty { "{}" } else { &call.arguments };
                    let function = json!({ "name": call.name, "arguments": arguments });
                    calls.push(json!({ "id": call.id, "type": "function", "function": function }));
                }
                part => return Err(unsupported(part, at, place)),
            }
        }
        let mut turn = json!({ "role": "assistant" });
        if !plan.is_empty() {
            turn["tool_plan"] = plan.into();
        }
        if !content.is_empty() || calls.is_empty() {
            turn["content"] = plain(content);
        }
        if !calls.is_empty() {
            turn["tool_calls"] = calls.into();
        }
        self.messages.push(turn);
        Ok(())
    }

    /// Each result is a turn of its own.
    fn results(&mut self, message: &Message, at: usize) -> Result<(), Failure> {
        for (place, part) in message.content.iter().enumerate() {
            let content = match part {
                Part::ToolResult(result) => result_content(result, at, place)?,
                Part::CachePoint(_) => continue,
                part => return Err(unsupported(part, at, place)),
            };
            let Part::ToolResult(result) = part else { continue };
            let id = &result.call_id;
            self.messages.push(json!({ "role": "tool", "tool_call_id": id, "content": content }));
        }
        Ok(())
    }
}

fn result_content(result: &ToolResult, at: usize, place: usize) -> Result<Value, Failure> {
    let mut content = Vec::new();
    for part in &result.content {
        match part {
            Part::CachePoint(_) => {}
            Part::Document { media, name } => {
                let text = text_in(media).ok_or_else(|| unsupported(part, at, place))?;
                let data = json!({ "title": name.as_deref().unwrap_or_default(), "text": text });
                content.push(json!({ "type": "document", "document": { "data": data } }));
            }
            Part::Native { format, value } if *format == formats::COHERE => {
                content.push(value.clone());
            }
            Part::Text(text) => content.push(json!({ "type": "text", "text": text })),
            part => return Err(unsupported(part, at, place)),
        }
    }
    // There is no other word for a function that failed.
    if result.is_error {
        return Ok(json!({ "error": text_of(&result.content) }).to_string().into());
    }
    Ok(plain(content))
}

/// A part of what a person or the system says.
fn shown(part: &Part, role: &str, at: usize, place: usize) -> Result<Value, Failure> {
    match part {
        Part::Text(text) => Ok(json!({ "type": "text", "text": text })),
        Part::Image { media, detail } if role == "user" => {
            let url = media.as_url().ok_or_else(|| unsupported(part, at, place))?;
            let mut image = json!({ "url": url });
            if let Some(detail) = detail {
                image["detail"] = closest_detail(detail).into();
            }
            Ok(json!({ "type": "image_url", "image_url": image }))
        }
        Part::Native { format, value } if *format == formats::COHERE => Ok(value.clone()),
        part => Err(unsupported(part, at, place)),
    }
}

/// Plain text where there is nothing else, which every model takes.
fn plain(mut content: Vec<Value>) -> Value {
    match content.as_mut_slice() {
        [] => "".into(),
        [only] if only["type"] == "text" => only["text"].take(),
        _ => content.into(),
    }
}

/// The text of a document that is nothing else.
fn text_in(media: &Media) -> Option<String> {
    match media {
        Media::Text(text) => Some(text.clone()),
        media => plain_text(media),
    }
}

fn unsupported(part: &Part, at: usize, place: usize) -> Failure {
    let message = match part {
        Part::Document { .. } => "the endpoint takes documents of text alone".to_owned(),
        part => format!("the endpoint does not take {} in a message", part.what()),
    };
    Failure::new(Kind::Unsupported, message).with_param(format!("messages[{at}].content[{place}]"))
}
