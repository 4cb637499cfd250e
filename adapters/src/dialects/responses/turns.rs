//! The turns of a chat, written as input items.

use std::collections::HashSet;

use isthmus_inference::chat::{Message, Role};
use isthmus_inference::failure::Failure;
use isthmus_inference::part::{Media, Part, ToolResult, formats};
use serde_json::{Value, json};

use crate::dialects::openai_provider::unsupported;

/// Writes `input`.
pub(super) fn items(turns: &[Message]) -> Result<Vec<Value>, Failure> {
    let mut items = Vec::with_capacity(turns.len());
    let with_text = called_with_text(turns);
    for turn in turns {
        match turn.role {
            Role::System => items.push(message("system", &contents(&turn.content)?)),
            Role::User => items.push(message("user", &contents(&turn.content)?)),
            Role::Assistant => assistant(&turn.content, &mut items)?,
            Role::Tool => {
                for part in &turn.content {
                    if let Part::ToolResult(result) = part {
                        let free_text = with_text.contains(result.call_id.as_str());
                        items.push(tool_output(result, free_text)?);
                    }
                }
            }
        }
    }
    Ok(items)
}

/// The ids of the calls of tools that take free text.
fn called_with_text(turns: &[Message]) -> HashSet<&str> {
    let parts = turns.iter().flat_map(|turn| &turn.content);
    let calls = parts.filter_map(|part| match part {
        Part::ToolCall(call) if call.free_text => Some(call.id.as_str()),
        _ => None,
    });
    calls.collect()
}

fn message(role: &str, content: &[Value]) -> Value {
    json!({"type": "message", "role": role, "content": content})
}

/// A turn of the model's is an item for each thought, text and call, in order.
fn assistant(parts: &[Part], items: &mut Vec<Value>) -> Result<(), Failure> {
    for part in parts {
        match part {
            Part::Text(text) | Part::Refusal(text) if text.is_empty() => {}
            Part::Text(text) | Part::Refusal(text) => {
                items.push(json!({"type": "message", "role": "assistant", "content": text}));
            }
            Part::ToolCall(call) if call.free_text => items.push(json!({
                "type": "custom_tool_call",
                "call_id": call.id,
                "name": call.name,
                "input": call.arguments,
            })),
            Part::ToolCall(call) => items.push(json!({
                "type": "function_call",
                "call_id": call.id,
                "name": call.name,
                "arguments": if call.arguments.is_empty() { "{}" } else { &call.arguments },
            })),
            Part::Thinking { text, signature: Some(signature) }
                if signature.format == formats::RESPONSES =>
            {
                let summary =
                    (!text.is_empty()).then(|| json!({"type": "summary_text", "text": text}));
                items.push(json!({
                    "type": "reasoning",
                    "id": signature.id.as_deref().unwrap_or_default(),
                    "summary": summary.into_iter().collect::<Vec<_>>(),
                    "encrypted_content": signature.data,
                }));
            }
            Part::Native { format, value } if *format == formats::RESPONSES => {
                items.push(value.clone());
            }
            // Nobody else's thoughts can be read here.
            Part::Thinking { .. } | Part::CachePoint(_) | Part::ToolResult(_) => {}
            // Pictures that a model made come back as what the person shows.
            Part::Image { .. } => {
                items.push(message("user", &contents(std::slice::from_ref(part))?));
            }
            Part::Document { .. } | Part::Audio(_) | Part::Video(_) | Part::Native { .. } => {
                return Err(refused(part));
            }
        }
    }
    Ok(())
}

fn tool_output(result: &ToolResult, free_text: bool) -> Result<Value, Failure> {
    let mut content = contents(&result.content)?;
    if result.is_error {
        content.insert(0, json!({"type": "input_text", "text": "Error:"}));
    }
    let output = match content.as_slice() {
        [only] if only["type"] == "input_text" => only["text"].clone(),
        [] => "".into(),
        _ => content.into(),
    };
    let kind = if free_text { "custom_tool_call_output" } else { "function_call_output" };
    Ok(json!({"type": kind, "call_id": result.call_id, "output": output}))
}

fn contents(parts: &[Part]) -> Result<Vec<Value>, Failure> {
    parts.iter().filter_map(|part| content(part).transpose()).collect()
}

/// A part as an item of `content`; `None` if it has no place there.
fn content(part: &Part) -> Result<Option<Value>, Failure> {
    Ok(Some(match part {
        Part::Text(text) | Part::Refusal(text) => json!({"type": "input_text", "text": text}),
        Part::Image { media, detail } => {
            let detail = detail.as_deref().unwrap_or("auto");
            match (media, media.as_url()) {
                (Media::File { id }, _) => {
                    json!({"type": "input_image", "file_id": id, "detail": detail})
                }
                (_, Some(url)) => {
                    json!({"type": "input_image", "image_url": url, "detail": detail})
                }
                _ => return Err(refused(part)),
            }
        }
        Part::Document { media, name } => document(media, name.as_deref()),
        Part::Native { format, value } if *format == formats::RESPONSES => value.clone(),
        Part::Audio(_) | Part::Video(_) | Part::Native { .. } => return Err(refused(part)),
        Part::Thinking { .. } | Part::ToolCall(_) | Part::ToolResult(_) | Part::CachePoint(_) => {
            return Ok(None);
        }
    }))
}

fn document(media: &Media, name: Option<&str>) -> Value {
    let mut file = match media {
        Media::Text(text) => return json!({"type": "input_text", "text": text}),
        Media::File { id } => return json!({"type": "input_file", "file_id": id}),
        Media::Url { url, .. } => return json!({"type": "input_file", "file_url": url}),
        Media::Inline { .. } => json!({"type": "input_file", "file_data": media.as_url()}),
    };
    file["filename"] = name.unwrap_or("document.pdf").into();
    file
}

fn refused(part: &Part) -> Failure {
    unsupported("messages", &format!("{} in this form", part.what()))
}
