//! Streamed answers, written as the events of a response (API reference, "Streaming events").
//!
//! Thoughts and texts come one after the other; calls stay open until the answer ends, because their
//! arguments may come interleaved. Each event is counted, and each item has a place in the output.

use bytes::{BufMut, Bytes, BytesMut};
use isthmus_inference::answer::{FinishReason, TokenLogprob};
use isthmus_inference::failure::Failure;
use isthmus_inference::part::{Signature, ToolCall, formats};
use isthmus_inference::request::Request;
use isthmus_inference::stream::Event;
use isthmus_inference::usage::Usage;
use serde_json::{Value, json};

use super::answer::{self, Response};
use super::transcript::Begun;
use crate::dialect::{Stamp, StreamEncoder, Told};
use crate::dialects::broken::answer_too_large;
use crate::dialects::citations::{ANNOTATIONS, cited};

/// Writes the events of one streamed response.
#[derive(Debug)]
pub(super) struct EventWriter {
    response: Response,
    out: BytesMut,
    /// How many events were written.
    sequence: u64,
    /// The items, as far as they are complete.
    output: Vec<Value>,
    open: Open,
    calls: Vec<OpenCall>,
    /// Bytes written since the beginning: the last event holds the whole answer once more.
    kept: usize,
    finish: Option<FinishReason>,
    usage: Usage,
}

/// The most bytes of an answer's events; of what they say is kept no more.
const MOST_KEPT: usize = 32 << 20;

/// The thought or text that is being written, at the end of the output.
#[derive(Debug, Default)]
enum Open {
    #[default]
    Nothing,
    Thought {
        id: String,
        text: String,
    },
    Message {
        id: String,
        /// The parts that are complete.
        content: Vec<Value>,
        kind: Spoken,
        text: String,
        annotations: Vec<Value>,
        logprobs: Vec<Value>,
    },
}

/// What a part of a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spoken {
    Text,
    Refusal,
}

/// A call whose arguments may still come.
#[derive(Debug)]
struct OpenCall {
    place: usize,
    index: u32,
    id: String,
    call: ToolCall,
    arguments: String,
}

impl EventWriter {
    /// A writer for the answer to this request.
    pub(super) fn new(request: &Request, stamp: &Stamp<'_>) -> Self {
        Self {
            response: Response::new(request, stamp),
            out: BytesMut::new(),
            sequence: 0,
            output: Vec::new(),
            open: Open::Nothing,
            calls: Vec::new(),
            kept: 0,
            finish: None,
            usage: Usage::default(),
        }
    }

    /// The same for a response that has begun elsewhere.
    pub(super) fn begun(mut self, begun: &Begun) -> Self {
        self.sequence = begun.sequence;
        if let Some(members) = &begun.response {
            self.response = Response::created(members.clone());
        }
        let Some(id) = begun.message.clone() else { return self };
        self.output.push(Value::Null);
        let (text, logprobs) = (begun.text.clone(), begun.logprobs.clone());
        self.open = Open::Message {
            id,
            content: vec![],
            kind: Spoken::Text,
            text,
            logprobs,
            annotations: vec![],
        };
        if !begun.part {
            self.part_added();
        }
        self
    }

    /// Writes an event; `members` lack its type and number.
    fn write(&mut self, kind: &str, mut members: Value) {
        members["type"] = kind.into();
        members["sequence_number"] = self.sequence.into();
        self.sequence += 1;
        self.out.put_slice(b"event: ");
        self.out.put_slice(kind.as_bytes());
        self.out.put_slice(b"\ndata: ");
        self.out.put_slice(members.to_string().as_bytes());
        self.out.put_slice(b"\n\n");
    }

    fn begin(&mut self) {
        if self.sequence == 0 {
            let response = self.response.begun();
            self.write("response.created", json!({ "response": response }));
            self.write("response.in_progress", json!({ "response": response }));
        }
    }

    /// An item takes its place in the output.
    fn add(&mut self, item: &Value) -> usize {
        let place = self.output.len();
        self.write("response.output_item.added", json!({"output_index": place, "item": item}));
        self.output.push(Value::Null);
        place
    }

    fn done(&mut self, place: usize, item: Value) {
        self.write("response.output_item.done", json!({"output_index": place, "item": item}));
        self.output[place] = item;
    }

    /// An item that comes whole.
    fn whole(&mut self, item: Value) {
        let place = self.add(&item);
        self.done(place, item);
    }

    /// The place of the item that is open: the last one before any call.
    fn place(&self) -> usize {
        let before = |place: &usize| self.output[*place].is_null() && !self.is_call(*place);
        (0..self.output.len()).rev().find(before).unwrap_or_default()
    }

    fn is_call(&self, place: usize) -> bool {
        self.calls.iter().any(|call| call.place == place)
    }

    // === thoughts ===

    fn think(&mut self, piece: &str) {
        if !matches!(self.open, Open::Thought { .. }) {
            self.close(None);
            let id = self.response.id("rs", self.output.len());
            let place = self.add(&answer::thought(&id, "", None));
            let part = json!({"type": "summary_text", "text": ""});
            self.write(
                "response.reasoning_summary_part.added",
                json!({"item_id": id, "output_index": place, "summary_index": 0, "part": part}),
            );
            self.open = Open::Thought { id, text: String::new() };
        }
        let place = self.place();
        if let Open::Thought { id, text } = &mut self.open {
            text.push_str(piece);
            let members = json!({
                "item_id": id, "output_index": place, "summary_index": 0, "delta": piece,
            });
            self.write("response.reasoning_summary_text.delta", members);
        }
    }

    fn sign(&mut self, signature: &Signature) {
        if matches!(self.open, Open::Thought { .. }) && !signature.redacted {
            self.close(Some(signature));
        } else {
            self.close(None);
            let id = self.response.id("rs", self.output.len());
            self.whole(answer::thought(&id, "", Some(signature)));
        }
    }

    // === texts ===

    fn speak(&mut self, kind: Spoken, piece: &str, tokens: &[TokenLogprob]) {
        if !matches!(self.open, Open::Message { .. }) {
            self.close(None);
            let id = self.response.id("msg", self.output.len());
            self.add(&answer::message(&id, "in_progress", &[]));
            let (content, text) = (vec![], String::new());
            let (annotations, logprobs) = (vec![], vec![]);
            self.open = Open::Message { id, content, kind, text, annotations, logprobs };
            self.part_added();
        } else if !matches!(self.open, Open::Message { kind: open, .. } if open == kind) {
            self.part_done();
            if let Open::Message { kind: open, .. } = &mut self.open {
                *open = kind;
            }
            self.part_added();
        }
        let place = self.place();
        let Open::Message { id, content, text, logprobs, .. } = &mut self.open else { return };
        text.push_str(piece);
        let new = answer::tokens(tokens);
        logprobs.extend(new.iter().cloned());
        let mut members = json!({
            "item_id": id, "output_index": place, "content_index": content.len(), "delta": piece,
        });
        match kind {
            Spoken::Text => {
                members["logprobs"] = new.into();
                self.write("response.output_text.delta", members);
            }
            Spoken::Refusal => self.write("response.refusal.delta", members),
        }
    }

    fn part_added(&mut self) {
        let place = self.place();
        if let Open::Message { id, content, kind, .. } = &self.open {
            let part = kind.part("", &[]);
            let members = json!({
                "item_id": id, "output_index": place, "content_index": content.len(), "part": part,
            });
            self.write("response.content_part.added", members);
        }
    }

    fn part_done(&mut self) {
        let place = self.place();
        let Open::Message { id, content, kind, text, annotations, logprobs } = &mut self.open
        else {
            return;
        };
        let (said, tokens) = (std::mem::take(text), std::mem::take(logprobs));
        let mut part = kind.part(&said, &tokens);
        if !annotations.is_empty() {
            part[ANNOTATIONS] = std::mem::take(annotations).into();
        }
        let place = json!({"item_id": id, "output_index": place, "content_index": content.len()});
        content.push(part.clone());
        let with = |name: &str, value: Value| {
            let mut members = place.clone();
            members[name] = value;
            members
        };
        match kind {
            Spoken::Text => {
                let mut members = with("text", said.into());
                members["logprobs"] = tokens.into();
                self.write("response.output_text.done", members);
            }
            Spoken::Refusal => {
                let members = with("refusal", said.into());
                self.write("response.refusal.done", members);
            }
        }
        self.write("response.content_part.done", with("part", part));
    }

    /// What the open text is from; without one it has no place.
    fn cite(&mut self, cited: Vec<Value>) {
        let place = self.place();
        for annotation in cited {
            let Open::Message { id, content, kind: Spoken::Text, annotations, .. } = &mut self.open
            else {
                return;
            };
            let members = json!({
                "item_id": id, "output_index": place, "content_index": content.len(),
                "annotation_index": annotations.len(), "annotation": annotation,
            });
            annotations.push(annotation);
            self.write("response.output_text.annotation.added", members);
        }
    }

    // === calls ===

    fn call(&mut self, index: u32, call: &ToolCall) {
        self.close(None);
        let id = self.response.call_id(call, self.output.len());
        let place = self.add(&answer::call(&id, call, "in_progress", ""));
        let call = call.clone();
        self.calls.push(OpenCall { place, index, id, call, arguments: String::new() });
    }

    /// Arguments of a call that never began have nowhere to go.
    fn arguments(&mut self, index: u32, piece: &str) {
        let Some(call) = self.calls.iter_mut().find(|call| call.index == index) else { return };
        call.arguments.push_str(piece);
        let kind = if call.call.free_text {
            "response.custom_tool_call_input.delta"
        } else {
            "response.function_call_arguments.delta"
        };
        let members = json!({"item_id": call.id, "output_index": call.place, "delta": piece});
        self.write(kind, members);
    }

    fn end_calls(&mut self) {
        for OpenCall { place, id, call, arguments, .. } in std::mem::take(&mut self.calls) {
            if call.free_text {
                let members = json!({"item_id": id, "output_index": place, "input": arguments});
                self.write("response.custom_tool_call_input.done", members);
            } else {
                let members = json!({
                    "item_id": id, "output_index": place, "name": call.name,
                    "arguments": arguments,
                });
                self.write("response.function_call_arguments.done", members);
            }
            self.done(place, answer::call(&id, &call, "completed", &arguments));
        }
    }

    /// Ends the open thought or message.
    fn close(&mut self, signature: Option<&Signature>) {
        let place = self.place();
        if matches!(self.open, Open::Message { .. }) {
            self.part_done();
        }
        match std::mem::take(&mut self.open) {
            Open::Nothing => {}
            Open::Thought { id, text } => {
                let at = json!({"item_id": id, "output_index": place, "summary_index": 0});
                let mut members = at.clone();
                members["text"] = text.as_str().into();
                self.write("response.reasoning_summary_text.done", members);
                let mut members = at;
                members["part"] = json!({"type": "summary_text", "text": text});
                self.write("response.reasoning_summary_part.done", members);
                self.done(place, answer::thought(&id, &text, signature));
            }
            Open::Message { id, content, .. } => {
                self.done(place, answer::message(&id, "completed", &content));
            }
        }
    }

    fn close_all(&mut self) {
        self.close(None);
        self.end_calls();
    }

    fn taken(&mut self) -> Bytes {
        self.kept += self.out.len();
        self.out.split().freeze()
    }
}

impl StreamEncoder for EventWriter {
    fn encode(&mut self, event: &Event) -> Bytes {
        self.begin();
        match event {
            Event::Text { choice: 0, text, logprobs } => self.speak(Spoken::Text, text, logprobs),
            Event::Refusal { choice: 0, text } => self.speak(Spoken::Refusal, text, &[]),
            Event::Reasoning { choice: 0, text } => self.think(text),
            Event::ReasoningSigned { choice: 0, signature } => self.sign(signature),
            Event::ToolCallStart { choice: 0, index, call } => self.call(*index, call),
            Event::ToolCallArguments { choice: 0, index, text } => self.arguments(*index, text),
            Event::Part { choice: 0, part } => {
                self.cite(cited(part, formats::RESPONSES));
                if let Some(item) = self.response.item(part, self.output.len()) {
                    self.close(None);
                    self.whole(item);
                }
            }
            Event::Finish { choice: 0, reason, .. } => {
                self.close_all();
                self.finish = Some(*reason);
            }
            Event::Usage(usage) => self.usage = *usage,
            // The format has one choice.
            _ => {}
        }
        self.taken()
    }

    fn room(&self) -> Result<(), Failure> {
        match self.kept {
            0..=MOST_KEPT => Ok(()),
            _ => Err(answer_too_large("too much to be repeated at its end")),
        }
    }

    fn done(&mut self) -> Bytes {
        // A relayed stream has told its end itself.
        if self.sequence == 0 {
            return Bytes::new();
        }
        self.close_all();
        let output = std::mem::take(&mut self.output);
        let response = self.response.ended(self.finish, output, &self.usage);
        let kind = match response["status"].as_str() {
            Some("incomplete") => "response.incomplete",
            Some("failed") => "response.failed",
            _ => "response.completed",
        };
        self.write(kind, json!({ "response": response }));
        self.taken()
    }

    /// The members stand where the reference has them, and in an `error` within, where OpenAI writes
    /// them and the official SDKs look for them.
    fn failed(&mut self, told: &Told<'_>) -> Bytes {
        let body = crate::dialects::openai_error::encode(told);
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let error = if body["error"].is_object() { body["error"].clone() } else { body };
        let members = json!({
            "code": error["code"], "message": error["message"], "param": error["param"],
            "error": error,
        });
        self.write("error", members);
        self.taken()
    }
}

// === impl Spoken ===

impl Spoken {
    fn part(self, text: &str, logprobs: &[Value]) -> Value {
        match self {
            Self::Text => answer::text(text, logprobs),
            Self::Refusal => answer::refusal(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use isthmus_inference::failure::Kind;
    use isthmus_inference::part::Part;
    use isthmus_inference::request::Operation;
    use isthmus_inference::stream::Fold;

    use super::*;
    use crate::dialect::{CallerDialect, ChatDialect};
    use crate::dialects::responses::{ResponsesCaller, ResponsesChat};

    const STAMP: Stamp<'_> = Stamp { id: "resp_x", created: 7, model: "shown" };

    fn writer() -> Box<dyn StreamEncoder> {
        let request = ResponsesCaller.read(Operation::Chat, r#"{"model":"m","input":"hi"}"#.into());
        ResponsesCaller.encoder(&request.unwrap(), &STAMP)
    }

    /// The events of a stream that says this, ended.
    fn written(events: &[Event]) -> Bytes {
        let mut writer = writer();
        let mut all: Vec<Bytes> = events.iter().map(|event| writer.encode(event)).collect();
        all.push(writer.done());
        all.concat().into()
    }

    #[test]
    fn thoughts_calls_and_texts_in_any_order_are_read_as_they_were() {
        let (choice, usage) = (0, Event::Usage(Usage { text_output: 2, ..Usage::default() }));
        let signed = |signature| Event::ReasoningSigned { choice, signature };
        let text = |text: &str| Event::Text { choice, text: text.into(), logprobs: vec![] };
        let think = |text: &str| Event::Reasoning { choice, text: text.into() };
        let call = ToolCall { id: "c".into(), name: "f".into(), ..ToolCall::default() };
        let openai =
            Signature { id: Some("rs_9".into()), ..Signature::new(formats::RESPONSES, "e") };
        let events = [
            signed(openai.clone()),
            think("hm"),
            text("a"),
            Event::Refusal { choice, text: "no".into() },
            Event::ToolCallStart { choice, index: 0, call },
            think("so"),
            signed(openai),
            Event::ToolCallArguments { choice, index: 0, text: "{}".into() },
            text("b"),
            Event::Finish { choice, reason: FinishReason::ToolCalls, stop_sequence: None },
            usage,
        ];
        let mut read = Vec::new();
        ResponsesChat.decoder().push(written(&events), &mut read).unwrap();
        let folded = |events: &[Event]| {
            let mut fold = Fold::default();
            events.iter().cloned().for_each(|event| fold.push(event));
            fold.finish("m".into()).unwrap().choices.remove(0)
        };
        let (found, meant) = (folded(&read), folded(&events));
        assert_eq!((found.text(), found.reasoning()), (meant.text(), meant.reasoning()));
        assert_eq!(found.tool_calls().collect::<Vec<_>>(), meant.tool_calls().collect::<Vec<_>>());
        assert_eq!((found.finish, found.content.len()), (meant.finish, meant.content.len()));
    }

    #[test]
    fn how_an_answer_ended_is_the_name_of_its_last_event() {
        let cases = [
            (FinishReason::Stop, "response.completed"),
            (FinishReason::Refusal, "response.incomplete"),
            (FinishReason::Length, "response.incomplete"),
            (FinishReason::ContentFilter, "response.incomplete"),
            (FinishReason::Failed, "response.failed"),
        ];
        for (reason, name) in cases {
            let finish = Event::Finish { choice: 0, reason, stop_sequence: None };
            let stream = String::from_utf8(written(&[finish]).to_vec()).unwrap();
            let last = stream.trim_end().rsplit("\n\n").next().unwrap();
            assert!(last.starts_with(&format!("event: {name}\n")), "{reason:?}: {last}");
        }
        let refused = Event::Refusal { choice: 0, text: "no".into() };
        let finish =
            Event::Finish { choice: 0, reason: FinishReason::Refusal, stop_sequence: None };
        let stream = String::from_utf8(written(&[refused, finish]).to_vec()).unwrap();
        assert!(stream.contains("event: response.completed\n"), "{stream}");
    }

    #[test]
    fn an_answer_that_never_ends_is_not_kept_for_ever() {
        let mut writer = writer();
        let text = Event::Text { choice: 0, text: "x".repeat(1 << 20), logprobs: vec![] };
        for _ in 1..MOST_KEPT >> 20 {
            assert!(writer.encode(&text).len() > 1 << 20);
            writer.room().unwrap();
        }
        writer.encode(&text);
        assert_eq!(writer.room().unwrap_err().kind, Kind::Malformed);
        let call = ToolCall { arguments: "x".repeat(MOST_KEPT), ..ToolCall::default() };
        let mut writer = self::writer();
        writer.encode(&Event::Part { choice: 0, part: Part::ToolCall(call) });
        writer.room().unwrap_err();
    }

    #[test]
    fn a_relayed_stream_gets_no_end_of_ours_and_a_broken_one_an_error() {
        assert_eq!(writer().done(), "");
        let failure = Failure::new(Kind::Malformed, "cut");
        let told = Told { failure: &failure, request_id: "r" };
        let event = String::from_utf8(writer().failed(&told).to_vec()).unwrap();
        let data = event.strip_prefix("event: error\ndata: ").unwrap();
        let data: Value = serde_json::from_str(data).unwrap();
        assert_eq!((&data["message"], &data["error"]["message"]), (&json!("cut"), &json!("cut")));
    }
}
