//! Parts of a turn as content blocks.

use std::borrow::Cow;

use isthmus_inference::chat::Role;
use isthmus_inference::failure::{Failure, Kind};
use isthmus_inference::part::{CacheLife, Media, Part, Signature, ToolCall, ToolResult, formats};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::family::Family;
use super::media::{AUDIO, DOCUMENT, IMAGE, MediaKind, VIDEO, document_name};
use super::signature::blob;
use super::tools::tool_name;

/// Writes the blocks of one request.
pub(super) struct Writer {
    pub(super) family: Family,
    /// Whether calls and their results are told as text, because no tool is on offer: Converse takes
    /// their blocks only beside a `toolConfig`, and what stands there may be called.
    pub(super) calls_as_text: bool,
    /// Whether documents are to be cited.
    pub(super) cites: bool,
    /// The names of documents so far.
    pub(super) documents: Vec<String>,
    /// Whether a cache mark was left out.
    pub(super) unmarked: bool,
}

/// Where a part stands in the caller's request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) message: usize,
    pub(super) part: usize,
}

/// The longest id of a call.
const LONGEST_ID: usize = 64;

impl Writer {
    /// Adds the blocks of a part: none for empty text, which Converse refuses, and for thoughts that
    /// this model cannot read.
    pub(super) fn write(
        &mut self,
        part: &Part,
        role: Role,
        place: Place,
        out: &mut Vec<Value>,
    ) -> Result<(), Failure> {
        match part {
            Part::Text(text) | Part::Refusal(text) => out.extend(said(text)),
            Part::Thinking { text, signature } => {
                let signature = signature.as_ref().filter(|_| role == Role::Assistant);
                out.extend(signature.and_then(|by| self.thought(text, by)));
            }
            Part::ToolCall(call) if self.calls_as_text => out.push(call_as_text(call)),
            Part::ToolCall(call) => out.push(tool_use(call)),
            Part::ToolResult(result) => self.result(result, place, out)?,
            Part::CachePoint(life) => self.mark(*life, out),
            Part::Native { format: formats::BEDROCK, value } => {
                // What was cited stands in the text before it.
                out.extend(value.get("citationsContent").is_none().then(|| value.clone()));
            }
            Part::Image { .. } | Part::Document { .. } | Part::Audio(_) | Part::Video(_)
                if role == Role::Assistant =>
            {
                return Err(unsupported(part, place));
            }
            other => out.push(self.media(other, place)?),
        }
        Ok(())
    }

    /// Marks everything before as worth caching, where there is something and the model can.
    pub(super) fn mark(&mut self, life: CacheLife, out: &mut Vec<Value>) {
        if self.family.caches() {
            let marked = out.last().is_none_or(|last| last.get("cachePoint").is_some());
            out.extend((!marked).then(|| cache_point(life)));
        } else {
            self.unmarked = true;
        }
    }

    fn thought(&self, text: &str, by: &Signature) -> Option<Value> {
        let readable = by.format == self.family.signs() || by.format == formats::BEDROCK;
        let block = if by.redacted {
            json!({ "redactedContent": blob(by) })
        } else {
            json!({ "reasoningText": { "text": text, "signature": by.data } })
        };
        readable.then(|| json!({ "reasoningContent": block }))
    }

    fn result(
        &mut self,
        result: &ToolResult,
        place: Place,
        out: &mut Vec<Value>,
    ) -> Result<(), Failure> {
        let mut content = Vec::new();
        let mut mark = None;
        for part in &result.content {
            match part {
                Part::Text(text) if text.trim().is_empty() => {}
                Part::Text(text) if self.family == Family::Mistral && !self.calls_as_text => {
                    content.push(json!({ "json": { "result": text } }));
                }
                Part::Text(text) => content.push(json!({ "text": text })),
                // It can only stand behind the result.
                Part::CachePoint(life) => mark = Some(*life),
                Part::Native { format: formats::BEDROCK, value } => content.push(value.clone()),
                other => content.push(self.media(other, place)?),
            }
        }
        if self.calls_as_text {
            let what = if result.is_error { "failure" } else { "result" };
            let head = format!("[{what} of the call {}]", result.call_id);
            out.push(json!({ "text": head }));
            out.extend(content);
        } else {
            let mut block = json!({ "toolUseId": call_id(&result.call_id), "content": content });
            if result.is_error && self.tells_errors() {
                block["status"] = "error".into();
            }
            out.push(json!({ "toolResult": block }));
        }
        if let Some(life) = mark {
            self.mark(life, out);
        }
        Ok(())
    }

    /// `status` is for Claude and Nova alone (API reference, `ToolResultBlock`).
    fn tells_errors(&self) -> bool {
        matches!(self.family, Family::Claude | Family::Nova | Family::Nova2 | Family::Unknown)
    }

    fn media(&mut self, part: &Part, place: Place) -> Result<Value, Failure> {
        let written = |kind: &'static MediaKind, media: &Media, name: Option<&str>| {
            let (format, source) =
                kind.written(media, name).ok_or_else(|| unsupported(part, place))?;
            Ok((kind.block, json!({ "format": format, "source": source })))
        };
        let (block, value) = match part {
            Part::Image { media, .. } => written(&IMAGE, media, None)?,
            Part::Video(media) => written(&VIDEO, media, None)?,
            Part::Audio(media) => written(&AUDIO, media, None)?,
            Part::Document { media, name } => {
                let (block, mut value) = written(&DOCUMENT, media, name.as_deref())?;
                value["name"] = document_name(name.as_deref(), &mut self.documents).into();
                if self.cites {
                    value["citations"] = json!({ "enabled": true });
                }
                (block, value)
            }
            other => return Err(unsupported(other, place)),
        };
        Ok(json!({ block: value }))
    }
}

/// A mark of this life. Five minutes are the usual, which older models take only unsaid.
pub(super) fn cache_point(life: CacheLife) -> Value {
    match life {
        CacheLife::FiveMinutes => json!({ "cachePoint": { "type": "default" } }),
        CacheLife::OneHour => json!({ "cachePoint": { "type": "default", "ttl": "1h" } }),
    }
}

/// A block of text, if there is any: blank text is refused.
pub(super) fn said(text: &str) -> Option<Value> {
    (!text.trim().is_empty()).then(|| json!({ "text": text }))
}

pub(super) fn unsupported(part: &Part, place: Place) -> Failure {
    let message = format!("the endpoint does not take {} here, or not in this form", part.what());
    let param = format!("messages[{}].content[{}]", place.message, place.part);
    Failure::new(Kind::Unsupported, message).with_param(param)
}

fn tool_use(call: &ToolCall) -> Value {
    let input = match serde_json::from_str(&call.arguments) {
        Ok(Value::Object(input)) => Value::Object(input),
        _ if call.arguments.trim().is_empty() => json!({}),
        // Models do write what is no object. Converse wants one, and the result that follows says
        // what was wrong.
        _ => json!({ "arguments": call.arguments }),
    };
    let (id, name) = (call_id(&call.id), tool_name(&call.name));
    json!({ "toolUse": { "toolUseId": id, "name": name, "input": input } })
}

fn call_as_text(call: &ToolCall) -> Value {
    json!({ "text": format!("[call {} of {}: {}]", call.id, call.name, call.arguments) })
}

/// An id within `[a-zA-Z0-9_.:-]{1,64}`: the caller's own if it is, else one that is made of it, the
/// same for the call and for its result.
fn call_id(id: &str) -> Cow<'_, str> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_.:-".contains(c);
    if !id.is_empty() && id.len() <= LONGEST_ID && id.chars().all(allowed) {
        return Cow::Borrowed(id);
    }
    let digest = Sha256::digest(id);
    let hex: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    Cow::Owned(format!("call_{hex}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_ids_become_allowed_ones_and_stay_apart() {
        assert_eq!(call_id("functions.get_temperature:0"), "functions.get_temperature:0");
        let odd = ["", "a b", "ж", &"x".repeat(65), "a|b"];
        let mut made: Vec<_> = odd.iter().map(|id| call_id(id)).collect();
        assert_eq!(made[1], call_id("a b"));
        made.dedup();
        assert_eq!(made.len(), odd.len());
        assert!(made.iter().all(|id| id.starts_with("call_") && id.len() <= LONGEST_ID));
    }

    #[test]
    fn the_names_of_calls_made_elsewhere_become_allowed_ones() {
        for (name, expected) in
            [("get-it_2", "get-it_2"), ("functions.get it", "functions_get_it"), ("", "_")]
        {
            let call = ToolCall { name: name.into(), ..ToolCall::default() };
            assert_eq!(tool_use(&call)["toolUse"]["name"], expected);
        }
        let long = ToolCall { name: "ж".repeat(100), ..ToolCall::default() };
        assert_eq!(tool_use(&long)["toolUse"]["name"], "_".repeat(64));
    }

    #[test]
    fn arguments_are_an_object() {
        for (arguments, input) in [
            (r#"{"b":1,"a":2}"#, json!({"b": 1, "a": 2})),
            ("", json!({})),
            ("[1]", json!({"arguments": "[1]"})),
            ("{\"a\":", json!({"arguments": "{\"a\":"})),
        ] {
            let call = ToolCall { arguments: arguments.into(), ..ToolCall::default() };
            assert_eq!(tool_use(&call)["toolUse"]["input"], input);
        }
    }
}
