//! Parts of a turn as content blocks.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use isthmus_inference::chat::Role;
use isthmus_inference::failure::{Failure, Kind};
use isthmus_inference::part::{Media, Part, ToolCall, ToolResult, formats};
use serde_json::{Map, Value, json};

/// The block of a part; `None` for what is not sent: empty text, and thoughts that another vendor
/// signed.
pub(super) fn block(
    part: &Part,
    role: Role,
    message: usize,
    place: usize,
) -> Result<Option<Value>, Failure> {
    let unsupported = || {
        let what = part.what();
        let message_text = format!("the endpoint does not take {what} in a message");
        Failure::new(Kind::Unsupported, message_text)
            .with_param(format!("messages[{message}].content[{place}]"))
    };
    Ok(Some(match part {
        // "text content blocks must contain non-whitespace text"
        Part::Text(text) | Part::Refusal(text) if text.trim().is_empty() => return Ok(None),
        Part::Text(text) | Part::Refusal(text) => json!({ "type": "text", "text": text }),
        Part::Image { media, .. } => {
            let source = image_source(media).ok_or_else(unsupported)?;
            json!({ "type": "image", "source": source })
        }
        Part::Document { media, name } => {
            let source = document_source(media).ok_or_else(unsupported)?;
            let mut out = json!({ "type": "document", "source": source });
            if let Some(name) = name {
                out["title"] = name.clone().into();
            }
            out
        }
        Part::Thinking { text, signature } => match signature {
            Some(by) if by.format != formats::ANTHROPIC || role != Role::Assistant => {
                return Ok(None);
            }
            Some(by) if by.redacted => json!({ "type": "redacted_thinking", "data": by.data }),
            Some(by) => json!({ "type": "thinking", "thinking": text, "signature": by.data }),
            None => return Ok(None),
        },
        Part::ToolCall(call) => tool_use(call, message)?,
        Part::ToolResult(result) => tool_result(result, message, place)?,
        Part::Native { format, value } if *format == formats::ANTHROPIC => value.clone(),
        Part::Audio(_) | Part::Video(_) | Part::CachePoint(_) | Part::Native { .. } => {
            return Err(unsupported());
        }
    }))
}

/// The text of a part of the system's, who has nothing else to say.
pub(super) fn system_text(part: &Part, message: usize, place: usize) -> Result<&str, Failure> {
    match part {
        Part::Text(text) => Ok(text),
        other => {
            let what = other.what();
            let text = format!("the endpoint takes only text from the system, not {what}");
            Err(Failure::new(Kind::Unsupported, text)
                .with_param(format!("messages[{message}].content[{place}]")))
        }
    }
}

fn image_source(media: &Media) -> Option<Value> {
    Some(match media {
        Media::Url { url, .. } => json!({ "type": "url", "url": url }),
        Media::Inline { media_type, base64 } => {
            json!({ "type": "base64", "media_type": image_type(media_type), "data": base64 })
        }
        Media::File { id } => json!({ "type": "file", "file_id": id }),
        Media::Text(_) => return None,
    })
}

/// Some callers write `image/jpg`, which is no registered type.
fn image_type(written: &str) -> &str {
    if written == "image/jpg" { "image/jpeg" } else { written }
}

/// PDF documents and plain text are taken, nothing else.
fn document_source(media: &Media) -> Option<Value> {
    Some(match media {
        Media::Url { url, .. } => json!({ "type": "url", "url": url }),
        Media::Inline { media_type, base64 } if media_type.starts_with("text/") => {
            let text = String::from_utf8(STANDARD.decode(base64).ok()?).ok()?;
            plain_text(&text)
        }
        Media::Inline { media_type, base64 }
            if media_type.is_empty() || media_type == "application/pdf" =>
        {
            json!({ "type": "base64", "media_type": "application/pdf", "data": base64 })
        }
        Media::Inline { .. } => return None,
        Media::File { id } => json!({ "type": "file", "file_id": id }),
        Media::Text(text) => plain_text(text),
    })
}

fn plain_text(text: &str) -> Value {
    json!({ "type": "text", "media_type": "text/plain", "data": text })
}

fn tool_use(call: &ToolCall, message: usize) -> Result<Value, Failure> {
    let arguments = if call.arguments.trim().is_empty() { "{}" } else { &call.arguments };
    let input: Map<String, Value> = serde_json::from_str(arguments).map_err(|error| {
        let name = &call.name;
        let text = format!("the arguments of the call to `{name}` are no JSON object: {error}");
        Failure::invalid(&format!("messages[{message}].tool_calls"), text)
    })?;
    Ok(json!({ "type": "tool_use", "id": id(&call.id), "name": call.name, "input": input }))
}

fn tool_result(result: &ToolResult, message: usize, place: usize) -> Result<Value, Failure> {
    let mut content = Vec::with_capacity(result.content.len());
    for part in &result.content {
        match part {
            Part::CachePoint(_) => {}
            part => content.extend(block(part, Role::Tool, message, place)?),
        }
    }
    let mut out = json!({ "type": "tool_result", "tool_use_id": id(&result.call_id) });
    match content.as_mut_slice() {
        [] => {}
        [only] if only["type"] == "text" => out["content"] = only["text"].take(),
        _ => out["content"] = content.into(),
    }
    if result.is_error {
        out["is_error"] = true.into();
    }
    Ok(out)
}

/// An id in the only characters that the API takes. Calls and results change alike, so they still
/// find each other.
fn id(id: &str) -> Cow<'_, str> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if id.chars().all(fits) {
        return id.into();
    }
    id.chars().map(|c| if fits(c) { c } else { '_' }).collect::<String>().into()
}

#[cfg(test)]
mod tests {
    use isthmus_inference::part::Signature;

    use super::*;

    fn inline(media_type: &str) -> Media {
        Media::Inline { media_type: media_type.into(), base64: "aGk=".into() }
    }

    #[test]
    fn parts_become_blocks() {
        let signed = |format, redacted| Part::Thinking {
            text: "hm".into(),
            signature: Some(Signature { redacted, ..Signature::new(format, "s") }),
        };
        let document = |media| Part::Document { media, name: Some("n".into()) };
        let url = Media::Url { url: "https://x/a".into(), media_type: None };
        let cases = [
            (Part::text("a"), Some(json!({"type": "text", "text": "a"}))),
            (Part::text(" "), None),
            (Part::Refusal("no".into()), Some(json!({"type": "text", "text": "no"}))),
            (
                Part::Image { media: inline("image/jpg"), detail: Some("low".into()) },
                Some(
                    json!({"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": "aGk="}}),
                ),
            ),
            (
                Part::Image { media: url.clone(), detail: None },
                Some(json!({"type": "image", "source": {"type": "url", "url": "https://x/a"}})),
            ),
            (
                document(inline("text/markdown")),
                Some(
                    json!({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "hi"}, "title": "n"}),
                ),
            ),
            (
                document(inline("application/pdf")),
                Some(
                    json!({"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "aGk="}, "title": "n"}),
                ),
            ),
            (
                document(Media::File { id: "f".into() }),
                Some(
                    json!({"type": "document", "source": {"type": "file", "file_id": "f"}, "title": "n"}),
                ),
            ),
            (
                signed(formats::ANTHROPIC, false),
                Some(json!({"type": "thinking", "thinking": "hm", "signature": "s"})),
            ),
            (
                signed(formats::ANTHROPIC, true),
                Some(json!({"type": "redacted_thinking", "data": "s"})),
            ),
            (signed(formats::GEMINI, false), None),
            (Part::Thinking { text: "hm".into(), signature: None }, None),
        ];
        for (part, expected) in cases {
            assert_eq!(block(&part, Role::Assistant, 0, 0).unwrap(), expected, "{part:?}");
        }
    }

    #[test]
    fn what_cannot_be_said_names_its_place() {
        for part in [
            Part::Audio(inline("audio/wav")),
            Part::Document { media: inline("application/zip"), name: None },
            Part::Native { format: formats::GEMINI, value: json!({}) },
        ] {
            let failure = block(&part, Role::User, 3, 1).unwrap_err();
            assert_eq!(failure.kind, Kind::Unsupported);
            assert_eq!(failure.param.as_deref(), Some("messages[3].content[1]"));
        }
        let call = ToolCall { arguments: "[1]".into(), ..ToolCall::default() };
        let failure = block(&Part::ToolCall(call), Role::Assistant, 2, 0).unwrap_err();
        assert_eq!(failure.param.as_deref(), Some("messages[2].tool_calls"));
    }

    #[test]
    fn results_keep_their_parts_and_their_error() {
        let result = ToolResult {
            call_id: "c".into(),
            content: vec![
                Part::text("a"),
                Part::Image { media: inline("image/png"), detail: None },
            ],
            is_error: true,
            ..ToolResult::default()
        };
        let written = block(&Part::ToolResult(result), Role::Tool, 0, 0).unwrap().unwrap();
        assert_eq!(written["is_error"], true);
        assert_eq!(written["content"][1]["source"]["media_type"], "image/png");
        let result = ToolResult { content: vec![Part::text("a")], ..ToolResult::default() };
        let written = block(&Part::ToolResult(result), Role::Tool, 0, 0).unwrap().unwrap();
        assert_eq!(written, json!({"type": "tool_result", "tool_use_id": "", "content": "a"}));
    }
}
