//! What a caller was sent of a streamed chat completion, read back so that another endpoint can go on.

use bytes::Bytes;
use isthmus_inference::request::{Operation, Request};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::dialect::{Stamp, StreamEncoder, Transcript};
use crate::dialects::openai_stream::ChunkWriter;
use crate::framing::sse;

/// The chunks so far.
#[derive(Debug)]
pub(super) struct ChunksSent {
    text: String,
    /// Nothing was told but the beginning of one text.
    plain: bool,
    /// What all chunks of an answer have in common; that of the first one.
    common: Option<Common>,
    /// Somebody was said to speak.
    begun: bool,
}

#[derive(Debug, Deserialize)]
struct Chunk {
    #[serde(flatten)]
    common: Common,
    #[serde(default)]
    choices: Vec<Choice>,
}

#[derive(Debug, Clone, Default, Deserialize)]
struct Common {
    #[serde(default)]
    id: String,
    #[serde(default)]
    created: u64,
    #[serde(default)]
    model: String,
}

#[derive(Debug, Deserialize)]
struct Choice {
    #[serde(default)]
    index: u32,
    #[serde(default)]
    delta: Map<String, Value>,
    #[serde(default)]
    finish_reason: Option<String>,
}

// === impl ChunksSent ===

impl ChunksSent {
    pub(super) fn new() -> Self {
        Self { text: String::new(), plain: true, common: None, begun: false }
    }

    fn event(&mut self, event: &[u8]) {
        let Some(data) = sse::data(event).filter(|data| !data.trim_ascii().is_empty()) else {
            return;
        };
        let Ok(chunk) = serde_json::from_slice::<Chunk>(&data) else {
            // `[DONE]`, or an error.
            self.plain = false;
            return;
        };
        self.common.get_or_insert(chunk.common);
        for choice in chunk.choices {
            self.begun = true;
            let ended = choice.finish_reason.is_some_and(|reason| !reason.is_empty());
            self.plain &= choice.index == 0 && !ended;
            for (name, value) in choice.delta {
                self.member(&name, value);
            }
        }
    }

    fn member(&mut self, name: &str, value: Value) {
        match (name, value) {
            ("role", _) | (_, Value::Null) => {}
            ("content", Value::String(text)) => self.text.push_str(&text),
            (_, Value::String(text)) if text.is_empty() => {}
            (_, Value::Array(items)) if items.is_empty() => {}
            _ => self.plain = false,
        }
    }
}

impl Transcript for ChunksSent {
    fn read(&mut self, events: Bytes) {
        sse::events(events).for_each(|event| self.event(&event));
    }

    fn text(&self) -> Option<&str> {
        self.plain.then_some(&self.text)
    }

    fn writer(&self, request: &Request, stamp: &Stamp<'_>) -> Box<dyn StreamEncoder> {
        let common = self.common.clone().unwrap_or_default();
        let told = Stamp {
            id: if common.id.is_empty() { stamp.id } else { &common.id },
            created: if common.created == 0 { stamp.created } else { common.created },
            model: if common.model.is_empty() { stamp.model } else { &common.model },
        };
        let writer = ChunkWriter::new(Operation::Chat, &told, request.usage_wanted);
        Box::new(if self.begun { writer.begun() } else { writer })
    }
}

#[cfg(test)]
mod tests {
    use isthmus_inference::answer::FinishReason;
    use isthmus_inference::part::ToolCall;
    use isthmus_inference::stream::Event;
    use isthmus_inference::usage::Usage;

    use super::*;
    use crate::dialects::openai_request::decode;

    const STAMP: Stamp<'_> = Stamp { id: "chatcmpl-1", created: 7, model: "shown" };

    fn text(text: &str) -> Event {
        Event::Text { choice: 0, text: text.into(), logprobs: vec![] }
    }

    fn request() -> Request {
        let body = r#"{"model":"m","messages":[{}],"stream":true,"stream_options":{"include_usage":true}}"#;
        decode(Operation::Chat, Bytes::from_static(body.as_bytes())).unwrap()
    }

    fn read(stream: impl Into<Bytes>) -> ChunksSent {
        let mut sent = ChunksSent::new();
        sent.read(stream.into());
        sent
    }

    #[test]
    fn a_stream_that_is_gone_on_with_reads_as_if_it_had_never_broken() {
        let finish = Event::Finish { choice: 0, reason: FinishReason::Stop, stop_sequence: None };
        let events = [text("a\"é"), text(""), text("b\n"), finish, Event::Usage(Usage::default())];
        let mut unbroken = ChunkWriter::new(Operation::Chat, &STAMP, true);
        let expected: Vec<Bytes> = events.iter().map(|event| unbroken.encode(event)).collect();
        for cut in 0..4 {
            let sent = read(expected[..cut].concat());
            assert_eq!(sent.text(), Some(["", "a\"é", "a\"é", "a\"éb\n"][cut]));
            let other = Stamp { id: "chatcmpl-2", created: 8, model: "other" };
            let stamp = if cut == 0 { STAMP } else { other };
            let mut writer = sent.writer(&request(), &stamp);
            let rest: Vec<Bytes> = events[cut..].iter().map(|event| writer.encode(event)).collect();
            assert_eq!(rest, expected[cut..]);
        }
    }

    #[test]
    fn a_relayed_stream_is_gone_on_with_under_its_own_name() {
        let sent = read(concat!(
            ": ping\r\n\r\n",
            r#"data: {"id":"theirs","created":3,"model":"up-2026","choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"finish_reason":null}]}"#,
            "\r\n\r\n",
            r#"data: {"id":"theirs","created":3,"model":"up-2026","choices":[{"index":0,"delta":{"content":"so"},"logprobs":null,"finish_reason":null}],"usage":null}"#,
            "\r\n\r\n",
        ));
        assert_eq!(sent.text(), Some("so"));
        let written = sent.writer(&request(), &STAMP).encode(&text(" on"));
        let chunk = written.strip_prefix(b"data: ".as_slice()).unwrap();
        let chunk: Value = serde_json::from_slice(chunk).unwrap();
        assert_eq!((&chunk["id"], &chunk["model"]), (&"theirs".into(), &"up-2026".into()));
        assert_eq!(chunk["choices"][0]["delta"], serde_json::json!({"content": " on"}));
    }

    #[test]
    fn what_is_more_than_text_is_not_gone_on_with() {
        let call = ToolCall { id: "c".into(), name: "f".into(), ..ToolCall::default() };
        for more in [
            Event::ToolCallStart { choice: 0, index: 0, call },
            Event::Reasoning { choice: 0, text: "hm".into() },
            Event::Refusal { choice: 0, text: "no".into() },
            Event::Text { choice: 1, text: "b".into(), logprobs: vec![] },
            Event::Finish { choice: 0, reason: FinishReason::Length, stop_sequence: None },
        ] {
            let mut writer = ChunkWriter::new(Operation::Chat, &STAMP, true);
            let stream = [writer.encode(&text("a")), writer.encode(&more)].concat();
            assert_eq!(read(stream).text(), None, "{more:?}");
        }
        for odd in ["data: [DONE]\n\n", "data: {\"error\":{}, \"choices\": 1}\n\n"] {
            assert_eq!(read(odd).text(), None, "{odd}");
        }
    }
}
