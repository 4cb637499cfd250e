//! The turns of a chat, written as chat completion messages.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use isthmus_inference::chat::{Message, Role};
use isthmus_inference::failure::Failure;
use isthmus_inference::part::{
    CacheLife, Media, Part, Signature, ToolCall, ToolResult, formats, text_of,
};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::encode::unsupported;
use super::style::{Continuation, Documents, Style, Thoughts};
use crate::dialects::openai_chat::reasoning;

/// The length of a call's id where a provider prescribes it (Mistral).
const SHORT_ID: usize = 9;

/// Writes `messages`; the last one may be `continued`.
pub(super) fn messages(
    style: &Style,
    turns: &[Message],
    continued: bool,
) -> Result<Vec<Value>, Failure> {
    let mut messages = Vec::with_capacity(turns.len());
    let mut shown = Vec::new();
    for (at, turn) in turns.iter().enumerate() {
        match turn.role {
            Role::System => messages.push(plain(style, turn, "system")?),
            Role::User => messages.push(plain(style, turn, "user")?),
            Role::Assistant => messages.push(assistant(style, turn)?),
            Role::Tool => results(style, turn, &mut messages, &mut shown)?,
        }
        // Pictures of results wait until all results of the calls are told.
        let more_results = turns.get(at + 1).is_some_and(|next| next.role == Role::Tool);
        if !more_results && !shown.is_empty() {
            messages.push(json!({"role": "user", "content": std::mem::take(&mut shown)}));
        }
    }
    let marked = continued && style.continuation == Continuation::Prefix;
    if (style.prefix || marked)
        && let Some(last) = messages.last_mut().filter(|last| last["role"] == "assistant")
    {
        last["prefix"] = true.into();
    }
    Ok(messages)
}

/// Anthropic's mark for the end of a prefix that is worth caching.
pub(super) fn cache_control(life: CacheLife) -> Value {
    match life {
        CacheLife::FiveMinutes => json!({"type": "ephemeral"}),
        CacheLife::OneHour => json!({"type": "ephemeral", "ttl": "1h"}),
    }
}

// === the turns ===

fn plain(style: &Style, turn: &Message, role: &str) -> Result<Value, Failure> {
    let mut message = json!({"role": role, "content": content(style, &turn.content)?});
    if let Some(name) = turn.name.as_ref().filter(|_| style.names) {
        message["name"] = name.as_str().into();
    }
    Ok(message)
}

fn assistant(style: &Style, turn: &Message) -> Result<Value, Failure> {
    let mut message = Map::new();
    message.insert("role".into(), "assistant".into());
    let calls: Vec<Value> = turn
        .content
        .iter()
        .filter_map(|part| if let Part::ToolCall(call) = part { Some(call) } else { None })
        .map(|call| tool_call(style, call))
        .collect();
    let said = content(style, &turn.content)?;
    let silent = said.as_str().is_some_and(str::is_empty) && !calls.is_empty();
    message.insert("content".into(), if silent { Value::Null } else { said });
    if let Some((name, value)) = thoughts(style, &turn.content, !calls.is_empty()) {
        message.insert(name.to_owned(), value);
    }
    if !calls.is_empty() {
        message.insert("tool_calls".into(), calls.into());
    }
    if let Some(name) = turn.name.as_ref().filter(|_| style.names) {
        message.insert("name".into(), name.as_str().into());
    }
    Ok(Value::Object(message))
}

/// Earlier thoughts as a member of the message; as chunks they are part of its content.
fn thoughts(style: &Style, parts: &[Part], calls: bool) -> Option<(&'static str, Value)> {
    match style.thoughts {
        Thoughts::Details => {
            let mut details = Vec::new();
            for part in parts {
                if let Part::Thinking { text, signature: Some(signature) } = part {
                    details.extend(reasoning::details(text, signature, details.len()));
                }
            }
            (!details.is_empty()).then_some(("reasoning_details", details.into()))
        }
        // DeepSeek wants them back while calls are being answered, and refuses or ignores them
        // otherwise (its guide "Thinking mode").
        Thoughts::Text if calls => {
            let texts = parts.iter().filter_map(|part| match part {
                Part::Thinking { text, signature: None } => Some(text.as_str()),
                _ => None,
            });
            let text: String = texts.collect();
            (!text.is_empty()).then_some(("reasoning_content", text.into()))
        }
        Thoughts::Text | Thoughts::Forgotten | Thoughts::Chunks => None,
    }
}

fn tool_call(style: &Style, call: &ToolCall) -> Value {
    if call.free_text {
        let custom = json!({"name": call.name, "input": call.arguments});
        return json!({"id": call_id(style, &call.id), "type": "custom", "custom": custom});
    }
    let arguments = if call.arguments.is_empty() { "{}" } else { &call.arguments };
    json!({
        "id": call_id(style, &call.id),
        "type": "function",
        "function": {"name": call.name, "arguments": arguments},
    })
}

/// Ids that a provider did not make itself may have to be cut to its measure; the same id is always
/// cut to the same.
fn call_id(style: &Style, id: &str) -> String {
    let fits = id.len() == SHORT_ID && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !style.short_ids || fits {
        return id.to_owned();
    }
    const DIGITS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let hash = Sha256::digest(id.as_bytes());
    hash.iter().take(SHORT_ID).map(|byte| char::from(DIGITS[usize::from(byte % 36)])).collect()
}

/// A message for each result. They hold text alone, so pictures follow in a turn of the user's.
fn results(
    style: &Style,
    turn: &Message,
    messages: &mut Vec<Value>,
    shown: &mut Vec<Value>,
) -> Result<(), Failure> {
    for part in &turn.content {
        let Part::ToolResult(result) = part else { continue };
        messages.push(json!({
            "role": "tool",
            "tool_call_id": call_id(style, &result.call_id),
            "content": result_text(result),
        }));
        let media = |part: &&Part| !matches!(part, Part::Text(_) | Part::CachePoint(_));
        for (at, part) in result.content.iter().filter(media).enumerate() {
            if at == 0 {
                let text = format!("What the call `{}` resulted in:", result.call_id);
                shown.push(json!({"type": "text", "text": text}));
            }
            shown.extend(written(style, part)?);
        }
    }
    Ok(())
}

/// The format has no word for a call that failed, so the text says it.
fn result_text(result: &ToolResult) -> String {
    let text = text_of(&result.content);
    let told = text.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("error"));
    match text {
        text if result.is_error && !told => format!("Error: {text}"),
        text if text.is_empty() && !result.content.is_empty() => "(shown below)".to_owned(),
        text => text,
    }
}

// === the parts ===

/// Text alone as a string, anything else as a list.
fn content(style: &Style, parts: &[Part]) -> Result<Value, Failure> {
    let mut list: Vec<Value> = Vec::with_capacity(parts.len());
    for part in parts {
        match (part, list.last_mut()) {
            (Part::CachePoint(life), Some(before)) if style.cache_marks => {
                before["cache_control"] = cache_control(*life);
            }
            _ => list.extend(written(style, part)?),
        }
    }
    if let [Value::Object(only)] = &list[..]
        && only["type"] == "text"
        && only.len() == 2
    {
        return Ok(only["text"].clone());
    }
    Ok(if list.is_empty() { "".into() } else { Value::Array(list) })
}

/// A part as an item of `content`; `None` if it has its place elsewhere or nowhere.
fn written(style: &Style, part: &Part) -> Result<Option<Value>, Failure> {
    Ok(Some(match part {
        Part::Text(text) | Part::Refusal(text) if text.is_empty() => return Ok(None),
        Part::Text(text) | Part::Refusal(text) => json!({"type": "text", "text": text}),
        Part::Image { media, detail } => {
            let url = media.as_url().ok_or_else(|| refused(part))?;
            let mut image = json!({"url": url});
            if let Some(detail) = detail {
                // The newest word is OpenAI's alone.
                let closest = if style.openai_models { detail } else { closest_detail(detail) };
                image["detail"] = closest.into();
            }
            json!({"type": "image_url", "image_url": image})
        }
        Part::Document { media, name } => document(style, media, name.as_deref())?,
        Part::Audio(media) => audio(style, media).ok_or_else(|| refused(part))?,
        Part::Video(media) => {
            let url = media.as_url().filter(|_| style.video).ok_or_else(|| refused(part))?;
            json!({"type": "video_url", "video_url": {"url": url}})
        }
        Part::Thinking { text, signature } if style.thoughts == Thoughts::Chunks => {
            match thought_chunk(text, signature.as_ref()) {
                Some(chunk) => chunk,
                None => return Ok(None),
            }
        }
        Part::Native { format, value } if *format == formats::OPENAI_CHAT => value.clone(),
        Part::Native { .. } => return Err(refused(part)),
        Part::Thinking { .. } | Part::ToolCall(_) | Part::ToolResult(_) | Part::CachePoint(_) => {
            return Ok(None);
        }
    }))
}

/// How closely to look, in the words that OpenAI had first and others took over.
pub(crate) fn closest_detail(detail: &str) -> &str {
    if detail == "original" { "high" } else { detail }
}

/// A thought as Mistral writes it; `None` for one that somebody else signed.
fn thought_chunk(text: &str, signature: Option<&Signature>) -> Option<Value> {
    let said = (!text.is_empty()).then(|| json!({"type": "text", "text": text}));
    let mut chunk = json!({"type": "thinking", "thinking": Vec::from_iter(said)});
    match signature {
        None if text.is_empty() => return None,
        None => {}
        Some(by) if by.format == formats::MISTRAL => chunk["signature"] = by.data.as_str().into(),
        Some(_) => return None,
    }
    Some(chunk)
}

fn refused(part: &Part) -> Failure {
    unsupported("messages", &format!("{} in this form", part.what()))
}

fn document(style: &Style, media: &Media, name: Option<&str>) -> Result<Value, Failure> {
    // Where files are pages alone, or nothing, text is said.
    let said = matches!(style.documents, Documents::Refused | Documents::Url);
    let text = match media {
        Media::Text(text) => Some(text.clone()),
        media => plain_text(media).filter(|_| said),
    };
    if let Some(text) = text {
        let text = said_document(name, &text);
        return Ok(json!({"type": "text", "text": text}));
    }
    let file = |data: &str| {
        let name = name.unwrap_or("document.pdf");
        json!({"type": "file", "file": {"filename": name, "file_data": data}})
    };
    let written = match (style.documents, media, media.as_url()) {
        (Documents::File | Documents::FileOrUrl, Media::File { id }, _) => {
            Some(json!({"type": "file", "file": {"file_id": id}}))
        }
        (Documents::File, Media::Inline { .. }, Some(url)) => Some(file(&url)),
        (Documents::FileOrUrl, _, Some(url)) => Some(file(&url)),
        (Documents::Url, _, Some(url)) => {
            let mut chunk = json!({"type": "document_url", "document_url": url});
            if let Some(name) = name {
                chunk["document_name"] = name.into();
            }
            Some(chunk)
        }
        (Documents::Url, Media::File { id }, _) => Some(json!({"type": "file", "file_id": id})),
        _ => None,
    };
    written.ok_or_else(|| unsupported("messages", "a document in this form"))
}

/// A document as a part of what is said.
pub(crate) fn said_document(title: Option<&str>, text: &str) -> String {
    match title {
        Some(title) => format!("<document title=\"{title}\">\n{text}\n</document>"),
        None => format!("<document>\n{text}\n</document>"),
    }
}

/// The text of a document that is nothing else.
pub(crate) fn plain_text(media: &Media) -> Option<String> {
    let Media::Inline { media_type, base64 } = media else { return None };
    let text = media_type.starts_with("text/").then(|| STANDARD.decode(base64).ok())??;
    String::from_utf8(text).ok()
}

/// OpenAI takes `wav` and `mp3` in base64; Mistral takes the same bare, or an address.
fn audio(style: &Style, media: &Media) -> Option<Value> {
    let written = match media {
        Media::Inline { base64, .. } if style.documents == Documents::Url => base64.as_str().into(),
        Media::Url { url, .. } if style.documents == Documents::Url => url.as_str().into(),
        Media::Inline { media_type, base64 } => {
            let format = match media_type.strip_prefix("audio/").unwrap_or(media_type) {
                "mpeg" => "mp3",
                "x-wav" | "wave" | "" => "wav",
                other => other,
            };
            json!({"data": base64, "format": format})
        }
        Media::Url { .. } | Media::File { .. } | Media::Text(_) => return None,
    };
    style.audio.then(|| json!({"type": "input_audio", "input_audio": written}))
}
