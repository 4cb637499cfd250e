//! Whole answers, written for callers (the vendor's SDK, `Message`).

use bytes::Bytes;
use isthmus_inference::answer::{ChatAnswer, Choice};
use isthmus_inference::part::{Part, Signature, ToolCall, formats};
use serde::Serialize;
use serde_json::{Value, json};

use super::usage::UsageOut;
use super::{finish, replay};
use crate::dialect::Stamp;
use crate::dialects::citations::{CITATIONS, cited};

#[derive(Serialize)]
struct Message<'a> {
    id: &'a str,
    r#type: &'static str,
    role: &'static str,
    model: &'a str,
    content: Vec<Value>,
    stop_reason: Option<&'static str>,
    stop_sequence: Option<&'a str>,
    usage: UsageOut,
}

/// Writes a whole answer. The dialect has room for one choice.
pub(super) fn write(answer: &ChatAnswer, stamp: &Stamp<'_>) -> Bytes {
    let nothing = Choice::default();
    let choice = answer.choices.first().unwrap_or(&nothing);
    let message = Message {
        id: stamp.id,
        r#type: "message",
        role: "assistant",
        model: stamp.model,
        content: content(&choice.content),
        stop_reason: choice.finish.map(finish::word),
        stop_sequence: choice.stop_sequence.as_deref(),
        usage: UsageOut::of(&answer.usage),
    };
    serde_json::to_vec(&message).unwrap_or_default().into()
}

/// The blocks of an answer; what a text cites stands in its block.
fn content(parts: &[Part]) -> Vec<Value> {
    let mut content: Vec<Value> = Vec::with_capacity(parts.len());
    for part in parts {
        let cited = cited(part, formats::ANTHROPIC);
        if cited.is_empty() {
            content.extend(blocks(part));
            continue;
        }
        let text = content.iter_mut().rfind(|block| block["type"] == "text");
        if let Some(text) = text {
            match text[CITATIONS].as_array_mut() {
                Some(before) => before.extend(cited),
                None => text[CITATIONS] = cited.into(),
            }
        }
    }
    content
}

/// The blocks that say what a part says; none for what the dialect has no word for.
pub(super) fn blocks(part: &Part) -> Vec<Value> {
    match part {
        Part::Text(text) | Part::Refusal(text) => vec![json!({ "type": "text", "text": text })],
        Part::Thinking { text, signature } => vec![thought(text, signature.as_ref())],
        // Nobody who speaks this language can have offered a tool of free text.
        Part::ToolCall(call) if call.free_text => vec![],
        Part::ToolCall(call) => call_blocks(call),
        // What has no type is no block: citations, which belong to a text.
        Part::Native { format, value }
            if *format == formats::ANTHROPIC && value.get("type").is_some() =>
        {
            vec![value.clone()]
        }
        _ => vec![],
    }
}

/// A thought, signed or withheld.
pub(super) fn thought(text: &str, signature: Option<&Signature>) -> Value {
    let by = replay::thought(signature);
    if signature.is_some_and(|signature| signature.redacted) {
        return json!({ "type": "redacted_thinking", "data": by });
    }
    json!({ "type": "thinking", "thinking": text, "signature": by })
}

/// What carries a call's signature, if it has one.
pub(super) fn call_signature(call: &ToolCall) -> Option<Value> {
    let data = replay::call(&call.id, call.signature.as_ref()?);
    Some(json!({ "type": "redacted_thinking", "data": data }))
}

fn call_blocks(call: &ToolCall) -> Vec<Value> {
    let arguments = if call.arguments.trim().is_empty() { "{}" } else { &call.arguments };
    let input = match serde_json::from_str::<Value>(arguments) {
        Ok(input @ Value::Object(_)) => input,
        // Cut by the token limit, say: the vendor's own way to show what is no JSON (its page
        // "Fine-grained tool streaming").
        _ => json!({ "INVALID_JSON": arguments }),
    };
    let block = json!({ "type": "tool_use", "id": call.id, "name": call.name, "input": input });
    call_signature(call).into_iter().chain([block]).collect()
}

#[cfg(test)]
mod tests {
    use isthmus_inference::answer::FinishReason;
    use isthmus_inference::usage::Usage;

    use super::*;

    #[test]
    fn an_answer_has_the_vendors_shape() {
        let call = |arguments: &str| ToolCall {
            id: "t".into(),
            name: "f".into(),
            arguments: arguments.into(),
            ..ToolCall::default()
        };
        let signature = Some(Signature::new(formats::ANTHROPIC, "sig"));
        let choice = Choice {
            content: vec![
                Part::Thinking { text: "hm".into(), signature },
                Part::text("Hello"),
                Part::ToolCall(call("{\"a\":1}")),
                Part::ToolCall(call("")),
                Part::ToolCall(call("{\"a\":")),
                Part::ToolCall(ToolCall { free_text: true, ..call("4 + 4") }),
                Part::Native { format: formats::GEMINI, value: json!({}) },
            ],
            finish: Some(FinishReason::ToolCalls),
            ..Choice::default()
        };
        let usage = Usage { uncached_input: 3, cache_read: 2, text_output: 4, ..Usage::default() };
        let answer = ChatAnswer { model: "m".into(), choices: vec![choice], usage };
        let written = write(&answer, &Stamp { id: "msg_1", created: 0, model: "name" });
        let written: Value = serde_json::from_slice(&written).unwrap();
        let expected = json!({
            "id": "msg_1", "type": "message", "role": "assistant", "model": "name",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": "sig"},
                {"type": "text", "text": "Hello"},
                {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}},
                {"type": "tool_use", "id": "t", "name": "f", "input": {}},
                {"type": "tool_use", "id": "t", "name": "f", "input": {"INVALID_JSON": "{\"a\":"}},
            ],
            "stop_reason": "tool_use", "stop_sequence": null,
            "usage": {
                "input_tokens": 3, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 2,
                "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
                "output_tokens": 4,
            },
        });
        assert_eq!(written, expected);
    }
}
