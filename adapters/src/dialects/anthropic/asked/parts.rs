//! Content blocks as neutral parts.

use std::collections::BTreeMap;

use isthmus_inference::failure::Failure;
use isthmus_inference::part::{
    CacheLife, Media, Part, Signature, ToolCall, ToolResult, formats, text_of,
};
use serde_json::Value;

use super::super::replay::{self, Found};
use crate::dialects::fields::{Fields, name_of, wrong_type};

/// The parts of a `content`, which is text or a list of blocks.
pub(super) fn parts(value: Value, param: &str) -> Result<Vec<Part>, Failure> {
    let items = match value {
        Value::String(text) if text.is_empty() => return Ok(vec![]),
        Value::String(text) => return Ok(vec![Part::Text(text)]),
        Value::Array(items) => items,
        other => {
            return Err(wrong_type(param, "a string or an array of blocks", name_of(&other)));
        }
    };
    let mut parts = Vec::with_capacity(items.len());
    let mut signed = BTreeMap::new();
    for (at, item) in items.into_iter().enumerate() {
        // What only this vendor knows stays as it is, its cache mark included.
        if item["type"].as_str().is_some_and(|kind| !KINDS.contains(&kind)) {
            parts.push(Part::Native { format: formats::ANTHROPIC, value: item });
            continue;
        }
        let param = format!("{param}[{at}]");
        let is_document = item["type"] == "document";
        let mut block = Fields::of_value(item, &param)?;
        let life = cache_life(&mut block)?;
        // What a document is about, for the model to read and not to cite.
        if is_document {
            parts.extend(block.text("context")?.map(Part::Text));
        }
        match part(block)? {
            Some(Read::Part(part)) => parts.push(part),
            Some(Read::CallSigned(call, signature)) => {
                signed.insert(call, signature);
            }
            None => {}
        }
        parts.extend(life.map(Part::CachePoint));
    }
    for part in &mut parts {
        if let Part::ToolCall(call) = part {
            call.signature = signed.remove(&call.id);
        }
    }
    Ok(parts)
}

/// The types of blocks that there are neutral parts for.
const KINDS: [&str; 8] = [
    "text",
    "image",
    "document",
    "search_result",
    "thinking",
    "redacted_thinking",
    "tool_use",
    "tool_result",
];

/// What a block turned out to be.
enum Read {
    Part(Part),
    CallSigned(String, Signature),
}

/// `cache_control` of a block or a tool.
pub(super) fn cache_life(fields: &mut Fields) -> Result<Option<CacheLife>, Failure> {
    let Some(mut control) = fields.object("cache_control")? else { return Ok(None) };
    Ok(Some(match control.text("ttl")?.as_deref() {
        Some("1h") => CacheLife::OneHour,
        _ => CacheLife::FiveMinutes,
    }))
}

fn part(mut block: Fields) -> Result<Option<Read>, Failure> {
    let kind = block.required_text("type")?;
    let part = match kind.as_str() {
        "text" => Part::Text(block.required_text("text")?),
        "image" => Part::Image { media: source(&mut block)?, detail: None },
        "document" => Part::Document { media: source(&mut block)?, name: block.text("title")? },
        // A passage that was found, told as the document that it is.
        "search_result" => {
            let param = block.param("content");
            let content = parts(block.required("content")?, &param)?;
            Part::Document { media: Media::Text(text_of(&content)), name: block.text("title")? }
        }
        "thinking" => {
            let text = block.required_text("thinking")?;
            let by = block.text("signature")?.unwrap_or_default();
            return Ok(thought(text, replay::found(by, false)));
        }
        "redacted_thinking" => {
            let data = block.required_text("data")?;
            return Ok(match replay::found(data, true) {
                Found::Unsigned => None,
                found => thought(String::new(), found),
            });
        }
        "tool_use" => Part::ToolCall(ToolCall {
            id: block.required_text("id")?,
            name: block.required_text("name")?,
            arguments: block.required("input")?.to_string(),
            ..ToolCall::default()
        }),
        _ => Part::ToolResult(tool_result(block)?),
    };
    Ok(Some(Read::Part(part)))
}

fn thought(text: String, found: Found) -> Option<Read> {
    let signature = match found {
        Found::Call(call, signature) => return Some(Read::CallSigned(call, signature)),
        Found::Thought(signature) => Some(signature),
        Found::Unsigned => None,
    };
    Some(Read::Part(Part::Thinking { text, signature }))
}

fn tool_result(mut block: Fields) -> Result<ToolResult, Failure> {
    let param = block.param("content");
    let content = match block.take("content") {
        Some(content) => parts(content, &param)?,
        None => vec![],
    };
    Ok(ToolResult {
        call_id: block.required_text("tool_use_id")?,
        name: None,
        content,
        is_error: block.boolean("is_error")?.unwrap_or(false),
    })
}

fn source(block: &mut Fields) -> Result<Media, Failure> {
    let param = block.param("source");
    let mut source = Fields::of_value(block.required("source")?, &param)?;
    match source.required_text("type")?.as_str() {
        "base64" => Ok(Media::Inline {
            media_type: source.required_text("media_type")?,
            base64: source.required_text("data")?,
        }),
        "url" => Ok(Media::of_url(source.required_text("url")?)),
        "file" => Ok(Media::File { id: source.required_text("file_id")? }),
        "text" => Ok(Media::Text(source.required_text("data")?)),
        "content" => {
            let param = source.param("content");
            Ok(Media::Text(text_of(&parts(source.required("content")?, &param)?)))
        }
        other => {
            let param = source.param("type");
            let message =
                format!("`{param}` must be `base64`, `url`, `file` or `text`, got `{other}`");
            Err(Failure::invalid(&param, message))
        }
    }
}
