//! All that the mock ever says, as bytes made before the first request.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};

use super::languages::Language;
use super::script::Script;

/// The mock's answers.
#[derive(Debug)]
pub struct Answers {
    /// A whole chat completion.
    pub whole: Bytes,
    /// A streamed one.
    pub(super) stream: Arc<Stream>,
    /// The same with a usage event before its end.
    pub(super) stream_with_usage: Arc<Stream>,
    /// Streams in other languages.
    others: Vec<(Language, Arc<Stream>)>,
    /// An error body.
    pub failure: Bytes,
    /// The list of models.
    pub models: Bytes,
}

/// One streamed answer.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) content_type: &'static str,
    /// One event for each token.
    pub(super) deltas: Vec<Bytes>,
    /// What follows the last token.
    pub(super) ending: Bytes,
}

const ID: &str = "chatcmpl-mock";
const MODEL: &str = "mock-model";
/// Any fixed moment will do: seconds since 1970.
const CREATED: u64 = 1_700_000_000;
/// The mock does not count the prompt's tokens.
const PROMPT_TOKENS: usize = 11;

// === impl Answers ===

impl Answers {
    /// Makes the answers of a script.
    pub fn prepare(script: &Script) -> Self {
        let usage = usage(script.tokens);
        let finish = event(&chunk(&json!({}), Some("stop")));
        let mut usage_chunk = chunk(&json!({}), None);
        usage_chunk["choices"] = json!([]);
        usage_chunk["usage"] = usage.clone();
        let done = "data: [DONE]\n\n";
        let stream = |ending: String| {
            Arc::new(Stream {
                content_type: "text/event-stream",
                deltas: (0..script.tokens).map(|index| delta(index).into()).collect(),
                ending: ending.into(),
            })
        };
        let others = [Language::Anthropic, Language::Gemini, Language::Bedrock];
        Self {
            whole: whole(script.answer_bytes, &usage),
            stream: stream(format!("{finish}{done}")),
            stream_with_usage: stream(format!("{finish}{}{done}", event(&usage_chunk))),
            others: others.map(|of| (of, Arc::new(of.stream(script.tokens)))).into(),
            failure: json!({ "error": {
                "message": "the mock was told to fail", "type": "server_error",
                "param": null, "code": null,
            }})
            .to_string()
            .into(),
            models: json!({ "object": "list", "data": [
                { "id": MODEL, "object": "model", "created": CREATED, "owned_by": "mock" },
            ]})
            .to_string()
            .into(),
        }
    }
}

impl Answers {
    /// The stream in another language.
    pub(super) fn in_language(&self, language: Language) -> Option<Arc<Stream>> {
        let found = self.others.iter().find(|(of, _)| *of == language);
        found.map(|(_, stream)| Arc::clone(stream))
    }
}

fn whole(answer_bytes: usize, usage: &Value) -> Bytes {
    let completion = |content: &str| {
        json!({
            "id": ID, "object": "chat.completion", "created": CREATED, "model": MODEL,
            "choices": [{
                "index": 0,
                "message": { "role": "assistant", "content": content, "refusal": null },
                "logprobs": null,
                "finish_reason": "stop",
            }],
            "usage": usage,
        })
        .to_string()
    };
    let padding = answer_bytes.saturating_sub(completion("").len());
    let words = "words ".repeat(padding / 6 + 1);
    completion(&words[..padding]).into()
}

fn delta(index: usize) -> String {
    let content = format!(" token{index}");
    let delta = match index {
        0 => json!({ "role": "assistant", "content": content }),
        _ => json!({ "content": content }),
    };
    event(&chunk(&delta, None))
}

fn chunk(delta: &Value, finish_reason: Option<&str>) -> Value {
    json!({
        "id": ID, "object": "chat.completion.chunk", "created": CREATED, "model": MODEL,
        "system_fingerprint": null,
        "choices": [{
            "index": 0, "delta": delta, "logprobs": null, "finish_reason": finish_reason,
        }],
    })
}

fn usage(tokens: usize) -> Value {
    json!({
        "prompt_tokens": PROMPT_TOKENS,
        "completion_tokens": tokens,
        "total_tokens": PROMPT_TOKENS + tokens,
    })
}

fn event(value: &Value) -> String {
    format!("data: {value}\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_answer_has_the_size_asked_for_and_is_json() {
        let answers = Answers::prepare(&Script { answer_bytes: 1024, ..Script::default() });
        assert_eq!(answers.whole.len(), 1024);
        let value: Value = serde_json::from_slice(&answers.whole).unwrap();
        assert_eq!(value["usage"]["total_tokens"], 75);
    }

    #[test]
    fn a_stream_holds_a_delta_for_each_token_and_usage_only_when_asked() {
        let answers = Answers::prepare(&Script { tokens: 3, ..Script::default() });
        assert_eq!(answers.stream.deltas.len(), 3);
        let with_usage = std::str::from_utf8(&answers.stream_with_usage.ending).unwrap();
        let without = std::str::from_utf8(&answers.stream.ending).unwrap();
        assert!(with_usage.contains("\"usage\"") && !without.contains("\"usage\""));
        assert!(with_usage.ends_with("data: [DONE]\n\n") && without.ends_with("data: [DONE]\n\n"));
    }
}
