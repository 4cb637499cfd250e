//! What a caller was sent of a streamed message, read back so that another endpoint can go on.

use std::borrow::Cow;

use bytes::Bytes;
use isthmus_inference::request::Request;
use serde::Deserialize;

use super::stream::Writer;
use crate::dialect::{Stamp, StreamEncoder, Transcript};
use crate::framing::sse;

/// The events so far.
pub(super) struct EventsSent {
    text: String,
    /// Nothing was told but the beginning of one text.
    plain: bool,
    message: Option<Message>,
    /// The index of the next block.
    next: u32,
    /// Whether the block before it has not ended.
    open: bool,
}

#[derive(Deserialize)]
struct Told<'a> {
    #[serde(borrow, default)]
    r#type: Cow<'a, str>,
    #[serde(default)]
    index: u32,
    message: Option<Message>,
    #[serde(borrow)]
    content_block: Option<Piece<'a>>,
    #[serde(borrow)]
    delta: Option<Piece<'a>>,
}

#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    id: String,
    #[serde(default)]
    model: String,
}

/// A block, or more of one.
#[derive(Deserialize)]
struct Piece<'a> {
    #[serde(borrow, default)]
    r#type: Cow<'a, str>,
    #[serde(borrow, default)]
    text: Cow<'a, str>,
}

// === impl EventsSent ===

impl EventsSent {
    pub(super) fn new() -> Self {
        Self { text: String::new(), plain: true, message: None, next: 0, open: false }
    }

    fn event(&mut self, event: &[u8]) {
        let Some(data) = sse::data(event).filter(|data| !data.trim_ascii().is_empty()) else {
            return;
        };
        match serde_json::from_slice::<Told<'_>>(&data) {
            Ok(told) => self.told(told),
            Err(_) => self.plain = false,
        }
    }

    fn told(&mut self, told: Told<'_>) {
        match (&*told.r#type, told.content_block, told.delta) {
            ("ping", ..) => {}
            ("message_start", ..) => self.message = told.message,
            ("content_block_start", Some(block), _) if block.r#type == "text" => {
                self.next = told.index.saturating_add(1);
                self.open = true;
                self.text.push_str(&block.text);
            }
            ("content_block_delta", _, Some(delta)) if delta.r#type == "text_delta" => {
                self.text.push_str(&delta.text);
            }
            ("content_block_stop", ..) => self.open = false,
            _ => self.plain = false,
        }
    }
}

impl Transcript for EventsSent {
    fn read(&mut self, events: Bytes) {
        sse::events(events).for_each(|event| self.event(&event));
    }

    fn text(&self) -> Option<&str> {
        self.plain.then_some(&self.text)
    }

    fn writer(&self, _request: &Request, stamp: &Stamp<'_>) -> Box<dyn StreamEncoder> {
        let Some(message) = &self.message else { return Box::new(Writer::new(stamp)) };
        let stamp = Stamp { id: &message.id, model: &message.model, ..*stamp };
        Box::new(Writer::new(&stamp).begun(self.next, self.open))
    }
}

#[cfg(test)]
mod tests {
    use isthmus_inference::answer::FinishReason;
    use isthmus_inference::request::Operation;
    use isthmus_inference::stream::Event;
    use isthmus_inference::usage::Usage;

    use super::super::read::read;
    use super::*;

    const STAMP: Stamp<'static> = Stamp { id: "msg_1", created: 0, model: "name" };

    fn text(text: &str) -> Event {
        Event::Text { choice: 0, text: text.into(), logprobs: vec![] }
    }

    fn sent(stream: impl Into<Bytes>) -> EventsSent {
        let mut sent = EventsSent::new();
        sent.read(stream.into());
        sent
    }

    fn request() -> Request {
        let body = r#"{"model":"m","max_tokens":9,"stream":true,"messages":[{}]}"#;
        read(Operation::Chat, Bytes::from_static(body.as_bytes())).unwrap()
    }

    #[test]
    fn a_stream_that_is_gone_on_with_reads_as_if_it_had_never_broken() {
        let finish = Event::Finish { choice: 0, reason: FinishReason::Stop, stop_sequence: None };
        let usage = Usage { uncached_input: 3, text_output: 2, ..Usage::default() };
        let events = [text("a\"é"), text("b\n"), finish, Event::Usage(usage)];
        let mut unbroken = Writer::new(&STAMP);
        let mut expected: Vec<Bytes> = events.iter().map(|event| unbroken.encode(event)).collect();
        expected.push(unbroken.done());
        for cut in 0..3 {
            let sent = sent(expected[..cut].concat());
            assert_eq!(sent.text(), Some(["", "a\"é", "a\"éb\n"][cut]));
            let other = Stamp { id: "msg_2", model: "other", ..STAMP };
            let stamp = if cut == 0 { STAMP } else { other };
            let mut writer = sent.writer(&request(), &stamp);
            let mut rest: Vec<Bytes> =
                events[cut..].iter().map(|event| writer.encode(event)).collect();
            rest.push(writer.done());
            assert_eq!(rest, expected[cut..]);
        }
    }

    #[test]
    fn behind_an_ended_block_comes_the_next_one() {
        let start = |index: u8| {
            format!(
                "event: content_block_start\ndata: {{\"type\":\"content_block_start\",\"index\":{index},\"content_block\":{{\"type\":\"text\",\"text\":\"\"}}}}\n\n"
            )
        };
        let begun = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"theirs\",\"model\":\"up\"}}\n\n";
        let stop = "data: {\"type\":\"content_block_stop\",\"index\":0}\n\n";
        let ping = "event: ping\ndata: {\"type\":\"ping\"}\n\n";
        let sent = sent([begun, &start(0), ping, stop].concat());
        let written = sent.writer(&request(), &STAMP).encode(&text("on"));
        let written = std::str::from_utf8(&written).unwrap();
        assert!(!written.contains("message_start"), "{written}");
        assert!(written.contains(r#""index":1,"content_block""#), "{written}");
    }

    #[test]
    fn what_is_more_than_text_is_not_gone_on_with() {
        for more in [
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"t","name":"f","input":{}}}"#,
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":""}}"#,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"citations_delta","citation":{}}}"#,
            r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":1}}"#,
            "[1]",
        ] {
            assert_eq!(sent(format!("data: {more}\n\n")).text(), None, "{more}");
        }
    }
}
