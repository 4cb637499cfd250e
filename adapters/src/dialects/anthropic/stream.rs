//! Streamed answers, written for callers: blocks one after another between `message_start` and
//! `message_stop` (the vendor's page "Streaming messages").

use std::collections::BTreeMap;

use bytes::{BufMut, Bytes, BytesMut};
use isthmus_inference::answer::FinishReason;
use isthmus_inference::part::{Part, Signature, ToolCall, formats};
use isthmus_inference::stream::Event;
use isthmus_inference::usage::Usage;
use serde_json::{Value, json};

use super::answer::{blocks, call_signature, thought};
use super::usage::UsageOut;
use super::{error, finish, replay};
use crate::dialect::{Stamp, StreamEncoder, Told};
use crate::dialects::broken::BROKEN_OFF;
use crate::dialects::citations::cited;

/// Writes one streamed answer.
pub(super) struct Writer {
    id: String,
    model: String,
    out: BytesMut,
    begun: bool,
    /// The index of the next block.
    next: u32,
    open: Option<Open>,
    /// The blocks of calls, by the calls' own index.
    calls: BTreeMap<u32, u32>,
    usage: Usage,
    finish: Option<(FinishReason, Option<String>)>,
}

/// The block that has begun and not ended, which is the last one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    Text,
    /// Text of which was told what it is from: what is said next is from elsewhere.
    Cited,
    Thought,
    Call,
}

impl Writer {
    pub(super) fn new(stamp: &Stamp<'_>) -> Self {
        Self {
            id: stamp.id.to_owned(),
            model: stamp.model.to_owned(),
            out: BytesMut::new(),
            begun: false,
            next: 0,
            open: None,
            calls: BTreeMap::new(),
            usage: Usage::default(),
            finish: None,
        }
    }

    /// The same for a message that has begun elsewhere: with the index of its next block, and whether
    /// the one before, of text, is open.
    pub(super) fn begun(mut self, next: u32, open: bool) -> Self {
        self.begun = true;
        self.next = next;
        self.open = open.then_some(Open::Text);
        self
    }

    fn event(&mut self, kind: &str, mut data: Value) {
        data["type"] = kind.into();
        self.out.put_slice(b"event: ");
        self.out.put_slice(kind.as_bytes());
        self.out.put_slice(b"\ndata: ");
        self.out.put_slice(data.to_string().as_bytes());
        self.out.put_slice(b"\n\n");
    }

    fn begin(&mut self) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        let message = json!({
            "id": self.id, "type": "message", "role": "assistant", "model": self.model,
            "content": [], "stop_reason": null, "stop_sequence": null,
            "usage": UsageOut::of(&self.usage),
        });
        self.event("message_start", json!({ "type": "", "message": message }));
    }

    fn start(&mut self, block: &Value) {
        self.stop();
        let index = self.next;
        self.next += 1;
        let data = json!({ "type": "", "index": index, "content_block": block });
        self.event("content_block_start", data);
    }

    fn stop(&mut self) {
        if self.open.take().is_some() {
            let index = self.next - 1;
            self.event("content_block_stop", json!({ "type": "", "index": index }));
        }
    }

    /// A block that comes whole.
    fn whole(&mut self, block: &Value) {
        self.start(block);
        let index = self.next - 1;
        self.event("content_block_stop", json!({ "type": "", "index": index }));
    }

    fn delta(&mut self, index: u32, delta: &Value) {
        let data = json!({ "type": "", "index": index, "delta": delta });
        self.event("content_block_delta", data);
    }

    fn text(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        if self.open != Some(Open::Text) {
            self.start(&json!({ "type": "text", "text": "" }));
            self.open = Some(Open::Text);
        }
        self.delta(self.next - 1, &json!({ "type": "text_delta", "text": text }));
    }

    /// What the open text is from; without one it has no place.
    fn cite(&mut self, cited: Vec<Value>) {
        if !matches!(self.open, Some(Open::Text | Open::Cited)) {
            return;
        }
        for citation in cited {
            let delta = json!({ "type": "citations_delta", "citation": citation });
            self.delta(self.next - 1, &delta);
        }
        self.open = Some(Open::Cited);
    }

    fn think(&mut self, text: &str) {
        if self.open != Some(Open::Thought) {
            self.start(&json!({ "type": "thinking", "thinking": "", "signature": "" }));
            self.open = Some(Open::Thought);
        }
        if !text.is_empty() {
            self.delta(self.next - 1, &json!({ "type": "thinking_delta", "thinking": text }));
        }
    }

    fn signed(&mut self, signature: &Signature) {
        if signature.redacted {
            self.close();
            return self.whole(&thought("", Some(signature)));
        }
        self.think("");
        self.sign(Some(signature));
    }

    /// Signs the open thought and ends it.
    fn sign(&mut self, signature: Option<&Signature>) {
        let by = replay::thought(signature);
        self.delta(self.next - 1, &json!({ "type": "signature_delta", "signature": by }));
        self.stop();
    }

    /// Ends the open block; a thought that nobody signed is marked as such.
    fn close(&mut self) {
        if self.open == Some(Open::Thought) {
            return self.sign(None);
        }
        self.stop();
    }

    fn call(&mut self, index: u32, call: &ToolCall) {
        self.close();
        if let Some(block) = call_signature(call) {
            self.whole(&block);
        }
        self.start(&json!({ "type": "tool_use", "id": call.id, "name": call.name, "input": {} }));
        self.open = Some(Open::Call);
        self.calls.insert(index, self.next - 1);
    }

    /// Arguments may come interleaved with another call's; those of a block that has ended still
    /// name it, which the vendor's clients gather by.
    fn arguments(&mut self, index: u32, text: &str) {
        if let Some(block) = self.calls.get(&index).copied() {
            self.delta(block, &json!({ "type": "input_json_delta", "partial_json": text }));
        }
    }
}

impl StreamEncoder for Writer {
    fn encode(&mut self, event: &Event) -> Bytes {
        if let Event::UsageSoFar(usage) | Event::Usage(usage) = event {
            self.usage = *usage;
        }
        self.begin();
        match event {
            // The dialect has room for one choice.
            Event::Text { choice: 1.., .. }
            | Event::Refusal { choice: 1.., .. }
            | Event::Reasoning { choice: 1.., .. }
            | Event::ReasoningSigned { choice: 1.., .. }
            | Event::ToolCallStart { choice: 1.., .. }
            | Event::ToolCallArguments { choice: 1.., .. }
            | Event::Part { choice: 1.., .. }
            | Event::Finish { choice: 1.., .. }
            | Event::UsageSoFar(_)
            | Event::Usage(_) => {}
            Event::Text { text, .. } | Event::Refusal { text, .. } => {
                if self.open == Some(Open::Thought) && !text.is_empty() {
                    self.close();
                }
                self.text(text);
            }
            Event::Reasoning { text, .. } => self.think(text),
            Event::ReasoningSigned { signature, .. } => self.signed(signature),
            // Nobody who speaks this language can have offered a tool of free text.
            Event::ToolCallStart { call, .. } if call.free_text => {}
            Event::ToolCallStart { index, call, .. } => self.call(*index, call),
            Event::ToolCallArguments { index, text, .. } => self.arguments(*index, text),
            Event::Part { part, .. } => self.part(part),
            Event::Finish { reason, stop_sequence, .. } => {
                self.close();
                self.finish = Some((*reason, stop_sequence.clone()));
            }
        }
        self.out.split().freeze()
    }

    fn done(&mut self) -> Bytes {
        self.begin();
        self.close();
        let (reason, stop_sequence) = self.finish.take().unzip();
        // What the provider broke off has no reason that the vendor knows: it ends as an error.
        let broken = reason == Some(FinishReason::Failed);
        let delta = json!({
            "stop_reason": reason.filter(|_| !broken).map(finish::word),
            "stop_sequence": stop_sequence.flatten(),
        });
        let usage = UsageOut::of(&self.usage);
        self.event("message_delta", json!({ "type": "", "delta": delta, "usage": usage }));
        if broken {
            let error = json!({ "type": "api_error", "message": BROKEN_OFF });
            self.event("error", json!({ "type": "", "error": error }));
        } else {
            self.event("message_stop", json!({ "type": "" }));
        }
        self.out.split().freeze()
    }

    fn failed(&mut self, told: &Told<'_>) -> Bytes {
        // An upstream's own error may be written over several lines; an event's data may not.
        let written = error::write(told);
        let mut data = BytesMut::with_capacity(written.len() + 24);
        data.put_slice(b"event: error\ndata: ");
        data.extend(
            written.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }),
        );
        data.put_slice(b"\n\n");
        data.freeze()
    }
}

impl Writer {
    fn part(&mut self, part: &Part) {
        let cited = cited(part, formats::ANTHROPIC);
        if !cited.is_empty() {
            return self.cite(cited);
        }
        let blocks = blocks(part);
        if !blocks.is_empty() {
            self.close();
        }
        for block in &blocks {
            self.whole(block);
        }
    }
}

#[cfg(test)]
mod tests {
    use isthmus_inference::failure::{Failure, Kind};
    use isthmus_inference::stream::Fold;

    use super::super::decode::Decoder;
    use super::*;
    use crate::dialect::StreamDecoder;

    const STAMP: Stamp<'static> = Stamp { id: "msg_1", created: 0, model: "name" };

    fn text(text: &str) -> Event {
        Event::Text { choice: 0, text: text.into(), logprobs: vec![] }
    }

    fn think(text: &str) -> Event {
        Event::Reasoning { choice: 0, text: text.into() }
    }

    fn signed(redacted: bool) -> Event {
        let signature = Signature { redacted, ..Signature::new(formats::ANTHROPIC, "sig") };
        Event::ReasoningSigned { choice: 0, signature }
    }

    fn call(index: u32) -> Event {
        let call = ToolCall { id: format!("t{index}"), name: "f".into(), ..ToolCall::default() };
        Event::ToolCallStart { choice: 0, index, call }
    }

    fn arguments(index: u32, text: &str) -> Event {
        Event::ToolCallArguments { choice: 0, index, text: text.into() }
    }

    fn finish(reason: FinishReason) -> Event {
        Event::Finish { choice: 0, reason, stop_sequence: None }
    }

    fn written(events: &[Event]) -> String {
        let mut writer = Writer::new(&STAMP);
        let mut out: Vec<Bytes> = events.iter().map(|event| writer.encode(event)).collect();
        out.push(writer.done());
        String::from_utf8(out.concat()).unwrap()
    }

    /// The names of the events, with the index of their block.
    fn names(stream: &str) -> Vec<String> {
        let data = stream.lines().filter_map(|line| line.strip_prefix("data: "));
        data.map(|data| {
            let data: Value = serde_json::from_str(data).unwrap();
            let kind = data["type"].as_str().unwrap().replace("content_block_", "");
            data.get("index").map_or(kind.clone(), |index| format!("{kind} {index}"))
        })
        .collect()
    }

    fn answer() -> Vec<Event> {
        let usage = Usage { uncached_input: 5, text_output: 9, ..Usage::default() };
        vec![
            Event::UsageSoFar(Usage { uncached_input: 5, ..Usage::default() }),
            think("h"),
            think("m"),
            signed(false),
            signed(true),
            text("Hel"),
            text("lo"),
            call(0),
            arguments(0, "{\"a\":"),
            arguments(0, "1}"),
            call(1),
            arguments(1, "{}"),
            finish(FinishReason::ToolCalls),
            Event::Usage(usage),
        ]
    }

    #[test]
    fn what_is_written_reads_as_what_was_meant() {
        let events = answer();
        let stream = written(&events);
        let mut decoder = Decoder::new();
        let mut read = Vec::new();
        decoder.push(stream.into(), &mut read).unwrap();
        assert!(decoder.is_over());
        let fold = |events: Vec<Event>| {
            let mut fold = Fold::default();
            events.into_iter().for_each(|event| fold.push(event));
            fold.finish("m".into()).unwrap()
        };
        assert_eq!(read[0], events[0]);
        assert_eq!(fold(read), fold(events));
    }

    #[test]
    fn blocks_come_one_after_another() {
        let expected = [
            "message_start",
            "start 0",
            "delta 0",
            "delta 0",
            "delta 0",
            "stop 0",
            "start 1",
            "stop 1",
            "start 2",
            "delta 2",
            "delta 2",
            "stop 2",
            "start 3",
            "delta 3",
            "delta 3",
            "stop 3",
            "start 4",
            "delta 4",
            "stop 4",
            "message_delta",
            "message_stop",
        ];
        assert_eq!(names(&written(&answer())), expected);
    }

    #[test]
    fn an_empty_answer_and_interleaved_calls_are_well_formed() {
        assert_eq!(names(&written(&[])), ["message_start", "message_delta", "message_stop"]);
        let events = [call(0), call(1), arguments(0, "{}"), arguments(7, "x")];
        let expected = [
            "message_start",
            "start 0",
            "stop 0",
            "start 1",
            "delta 0",
            "stop 1",
            "message_delta",
            "message_stop",
        ];
        assert_eq!(names(&written(&events)), expected);
    }

    #[test]
    fn a_thought_that_nobody_signed_is_marked() {
        let stream = written(&[think("hm"), text("x")]);
        assert!(
            stream.contains(r#"{"type":"signature_delta","signature":"isthmus:unsigned"}"#),
            "{stream}"
        );
    }

    #[test]
    fn what_the_provider_broke_off_ends_as_an_error_with_its_usage() {
        let usage = Usage { text_output: 9, ..Usage::default() };
        let stream = written(&[text("Hel"), finish(FinishReason::Failed), Event::Usage(usage)]);
        let names = names(&stream);
        assert_eq!(names[names.len() - 2..], ["message_delta", "error"]);
        assert!(stream.contains(r#""stop_reason":null"#), "{stream}");
        assert!(stream.contains(r#""output_tokens":9"#), "{stream}");
        let mut read = Vec::new();
        let failure = Decoder::new().push(stream.into(), &mut read).unwrap_err();
        assert_eq!(failure.kind, Kind::ProviderError);
    }

    #[test]
    fn a_broken_stream_ends_with_an_error_on_one_line() {
        let failure = Failure::new(Kind::Overloaded, "a\nb");
        let event = Writer::new(&STAMP).failed(&Told { failure: &failure, request_id: "r" });
        let text = String::from_utf8(event.to_vec()).unwrap();
        assert!(text.starts_with("event: error\ndata: {\"type\":\"error\""), "{text}");
        assert_eq!(text.matches('\n').count(), 3);
    }
}
