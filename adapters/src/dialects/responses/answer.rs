//! Whole answers, written as response objects (API reference, "The response object").

use bytes::Bytes;
use isthmus_inference::answer::{ChatAnswer, FinishReason, TokenLogprob};
use isthmus_inference::part::{Media, Part, Signature, ToolCall, formats};
use isthmus_inference::request::Request;
use isthmus_inference::usage::Usage;
use serde_json::{Map, Value, json};

use super::sealed;
use super::usage::Wire;
use crate::dialect::Stamp;
use crate::dialects::broken::BROKEN_OFF;
use crate::dialects::citations::{ANNOTATIONS, cited};
use crate::dialects::openai_answer::{extra_content, finite};

/// What a response repeats of its request, and what it says where the request said nothing.
const REPEATED: [(&str, &str); 15] = [
    ("instructions", "null"),
    ("max_output_tokens", "null"),
    ("max_tool_calls", "null"),
    ("metadata", "{}"),
    ("parallel_tool_calls", "true"),
    ("prompt_cache_key", "null"),
    ("reasoning", r#"{"effort":null,"summary":null}"#),
    ("safety_identifier", "null"),
    ("temperature", "1.0"),
    ("text", r#"{"format":{"type":"text"}}"#),
    ("tool_choice", r#""auto""#),
    ("tools", "[]"),
    ("top_logprobs", "0"),
    ("top_p", "1.0"),
    ("user", "null"),
];

/// A response that is being made: what all its states have in common.
#[derive(Debug)]
pub(super) struct Response {
    members: Map<String, Value>,
    /// What the ids of its items end with.
    tail: String,
}

/// Writes a whole answer. The format has one choice.
pub(super) fn encode(request: &Request, answer: &ChatAnswer, stamp: &Stamp<'_>) -> Bytes {
    let response = Response::new(request, stamp);
    let choice = answer.choices.first();
    let content = choice.map(|choice| choice.content.as_slice()).unwrap_or_default();
    let mut output: Vec<Value> = Vec::new();
    let mut logprobs = choice.map(|choice| choice.logprobs.as_slice());
    for part in content {
        let spoken = spoken(part, &mut logprobs);
        match (spoken, output.last_mut()) {
            (Some(spoken), Some(last)) if last["type"] == "message" => speak_on(last, spoken),
            (Some(spoken), _) => {
                output.push(message(&response.id("msg", output.len()), "completed", &[spoken]));
            }
            (None, Some(last)) if last["type"] == "message" => {
                if !annotate(last, part) {
                    output.extend(response.item(part, output.len()));
                }
            }
            (None, _) => output.extend(response.item(part, output.len())),
        }
    }
    let finish = choice.and_then(|choice| choice.finish);
    response.ended(finish, output, &answer.usage).to_string().into()
}

/// Text and refusals, as parts of a message. Log-probabilities are those of the whole answer, so
/// they stand with its first text.
fn spoken(part: &Part, logprobs: &mut Option<&[TokenLogprob]>) -> Option<Value> {
    match part {
        Part::Text(said) => Some(text(said, &tokens(logprobs.take().unwrap_or_default()))),
        Part::Refusal(said) => Some(refusal(said)),
        _ => None,
    }
}

// === impl Response ===

impl Response {
    /// A response to this request.
    pub(super) fn new(request: &Request, stamp: &Stamp<'_>) -> Self {
        let mut members = Map::new();
        let mut put = |name: &str, value: Value| _ = members.insert(name.to_owned(), value);
        put("id", stamp.id.into());
        put("object", "response".into());
        put("created_at", stamp.created.into());
        put("status", "in_progress".into());
        put("background", false.into());
        put("error", Value::Null);
        put("incomplete_details", Value::Null);
        put("model", stamp.model.into());
        put("output", Value::Array(vec![]));
        put("previous_response_id", Value::Null);
        put("service_tier", "default".into());
        // Whatever was asked: nothing is kept here.
        put("store", false.into());
        put("truncation", "disabled".into());
        for (name, usual) in REPEATED {
            let said = request.outline.named(&request.body, name).next();
            let said = said.and_then(|member| {
                serde_json::from_slice(&request.body[member.value.clone()]).ok()
            });
            let said = said.filter(|said: &Value| !said.is_null());
            put(name, said.unwrap_or_else(|| serde_json::from_str(usual).unwrap_or_default()));
        }
        put("usage", Value::Null);
        let tail = stamp.id.strip_prefix("resp_").unwrap_or(stamp.id).to_owned();
        Self { members, tail }
    }

    /// A response as somebody else created it.
    pub(super) fn created(members: Map<String, Value>) -> Self {
        let id = members.get("id").and_then(Value::as_str).unwrap_or_default();
        let tail = id.strip_prefix("resp_").unwrap_or(id).to_owned();
        Self { members, tail }
    }

    /// The id of an item.
    pub(super) fn id(&self, kind: &str, index: usize) -> String {
        format!("{kind}_{}{index:02}", self.tail)
    }

    /// The id of a call.
    pub(super) fn call_id(&self, call: &ToolCall, index: usize) -> String {
        self.id(if call.free_text { "ctc" } else { "fc" }, index)
    }

    /// The response as it is while it is being made.
    pub(super) fn begun(&self) -> Value {
        self.members.clone().into()
    }

    /// The response as it ended (API reference, `status` and `incomplete_details`).
    pub(super) fn ended(
        &self,
        finish: Option<FinishReason>,
        output: Vec<Value>,
        usage: &Usage,
    ) -> Value {
        let mut members = self.members.clone();
        let (status, reason) = match finish {
            Some(FinishReason::Length | FinishReason::ContextLength) => {
                ("incomplete", Some("max_output_tokens"))
            }
            Some(FinishReason::ContentFilter) => ("incomplete", Some("content_filter")),
            // A refusal that says so is an answer; one without words must not look like one.
            Some(FinishReason::Refusal) if !output.iter().any(refuses) => {
                ("incomplete", Some("content_filter"))
            }
            Some(FinishReason::Failed) => ("failed", None),
            _ => ("completed", None),
        };
        members["status"] = status.into();
        if let Some(reason) = reason {
            members["incomplete_details"] = json!({ "reason": reason });
        }
        if status == "failed" {
            members["error"] = json!({"code": "server_error", "message": BROKEN_OFF});
        }
        members["output"] = output.into();
        members["usage"] = serde_json::to_value(Wire::of(usage)).unwrap_or_default();
        members.into()
    }

    /// A part that is an item of its own, complete; `None` if it has no place in a response.
    pub(super) fn item(&self, part: &Part, index: usize) -> Option<Value> {
        match part {
            Part::Thinking { text, signature } => {
                let id = signature.as_ref().and_then(|signature| signature.id.clone());
                let id = id.unwrap_or_else(|| self.id("rs", index));
                Some(thought(&id, text, signature.as_ref()))
            }
            Part::ToolCall(made) => {
                let id = self.call_id(made, index);
                Some(call(&id, made, "completed", &made.arguments))
            }
            Part::Image { media: Media::Inline { media_type, base64 }, .. } => Some(json!({
                "id": self.id("ig", index),
                "type": "image_generation_call",
                "status": "completed",
                "output_format": media_type.strip_prefix("image/").unwrap_or("png"),
                "result": base64,
            })),
            // What has no type is no item: citations, which belong to a text.
            Part::Native { format, value }
                if *format == formats::RESPONSES && value["type"].is_string() =>
            {
                Some(value.clone())
            }
            _ => None,
        }
    }
}

// === citations ===

/// Adds to what a message says. Texts between which nothing stands but what they cite are one.
fn speak_on(message: &mut Value, spoken: Value) {
    let Some(content) = message["content"].as_array_mut() else { return };
    match content.last_mut() {
        Some(last) if last["type"] == "output_text" && spoken["type"] == "output_text" => {
            let piece = |part: &Value| part["text"].as_str().unwrap_or_default().to_owned();
            last["text"] = (piece(last) + &piece(&spoken)).into();
        }
        _ => content.push(spoken),
    }
}

/// Adds what a part cites to the last text of a message; `false` if it cites nothing.
fn annotate(message: &mut Value, part: &Part) -> bool {
    let cited = cited(part, formats::RESPONSES);
    if cited.is_empty() {
        return false;
    }
    let content = message["content"].as_array_mut().and_then(|content| content.last_mut());
    if let Some(written) = content.and_then(|last| last[ANNOTATIONS].as_array_mut()) {
        written.extend(cited);
    }
    true
}

// === the items ===

/// A message of the model's.
pub(super) fn message(id: &str, status: &str, content: &[Value]) -> Value {
    json!({"id": id, "type": "message", "status": status, "role": "assistant", "content": content})
}

/// A piece of visible text.
pub(super) fn text(text: &str, logprobs: &[Value]) -> Value {
    json!({"type": "output_text", "text": text, "annotations": [], "logprobs": logprobs})
}

/// The model's words for why it does not answer.
pub(super) fn refusal(text: &str) -> Value {
    json!({"type": "refusal", "refusal": text})
}

/// Whether an item holds the model's words for why it does not answer.
fn refuses(item: &Value) -> bool {
    let content = item["content"].as_array().map(Vec::as_slice).unwrap_or_default();
    content.iter().any(|part| part["type"] == "refusal")
}

/// A thought, with what must be sent back with the next turn.
pub(super) fn thought(id: &str, text: &str, signature: Option<&Signature>) -> Value {
    let summary = (!text.is_empty()).then(|| json!({"type": "summary_text", "text": text}));
    let summary: Vec<Value> = summary.into_iter().collect();
    let mut item = json!({"id": id, "type": "reasoning", "summary": summary});
    if let Some(signature) = signature {
        item["encrypted_content"] = sealed::seal(signature, id).into();
    }
    item
}

/// A call of a function, or of a tool that takes free text.
pub(super) fn call(id: &str, call: &ToolCall, status: &str, arguments: &str) -> Value {
    if call.free_text {
        return json!({
            "id": id,
            "type": "custom_tool_call",
            "status": status,
            "call_id": call.id,
            "name": call.name,
            "input": arguments,
        });
    }
    let mut item = json!({
        "id": id,
        "type": "function_call",
        "status": status,
        "call_id": call.id,
        "name": call.name,
        "arguments": arguments,
    });
    // Clients that send items back as they came keep what they do not know.
    if let Some(extra) = extra_content(call) {
        item["extra_content"] = extra;
    }
    item
}

/// Tokens with their probabilities.
pub(super) fn tokens(tokens: &[TokenLogprob]) -> Vec<Value> {
    let weighed = |bytes: &[u8], logprob: f32| {
        json!({
            "token": String::from_utf8_lossy(bytes),
            "bytes": bytes,
            "logprob": finite(logprob),
        })
    };
    let token = |token: &TokenLogprob| {
        let mut value = weighed(&token.bytes, token.logprob);
        let top = token.top.iter();
        value["top_logprobs"] = top.map(|(bytes, logprob)| weighed(bytes, *logprob)).collect();
        value
    };
    tokens.iter().map(token).collect()
}
