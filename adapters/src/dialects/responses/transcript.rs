//! What a caller was sent of a streamed response, read back so that another endpoint can go on.

use bytes::Bytes;
use isthmus_inference::request::Request;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::writer::EventWriter;
use crate::dialect::{Stamp, StreamEncoder, Transcript};
use crate::framing::sse;

/// The events so far.
#[derive(Debug)]
pub(super) struct EventsSent {
    /// Nothing was told but the beginning of one text.
    plain: bool,
    begun: Begun,
}

/// A response that has begun, as far as its caller knows.
#[derive(Debug, Default)]
pub(super) struct Begun {
    /// The number of the next event.
    pub(super) sequence: u64,
    /// The response as it was created.
    pub(super) response: Option<Map<String, Value>>,
    /// The id of the message that is open.
    pub(super) message: Option<String>,
    /// Whether a part of it is open too.
    pub(super) part: bool,
    /// The part's text so far.
    pub(super) text: String,
    /// The probabilities of its tokens.
    pub(super) logprobs: Vec<Value>,
}

#[derive(Deserialize)]
struct Told {
    #[serde(default)]
    r#type: String,
    #[serde(default)]
    sequence_number: u64,
    #[serde(default)]
    output_index: u64,
    #[serde(default)]
    content_index: u64,
    response: Option<Map<String, Value>>,
    item: Option<Item>,
    part: Option<Item>,
    #[serde(default)]
    delta: String,
    #[serde(default)]
    logprobs: Vec<Value>,
}

/// An item of the output, or a part of one.
#[derive(Deserialize)]
struct Item {
    #[serde(default)]
    id: String,
    #[serde(default)]
    r#type: String,
}

// === impl EventsSent ===

impl EventsSent {
    pub(super) fn new() -> Self {
        Self { plain: true, begun: Begun::default() }
    }

    fn event(&mut self, event: &[u8]) {
        let Some(data) = sse::data(event).filter(|data| !data.trim_ascii().is_empty()) else {
            return;
        };
        match serde_json::from_slice::<Told>(&data) {
            Ok(told) => self.told(told),
            Err(_) => self.plain = false,
        }
    }

    fn told(&mut self, told: Told) {
        let begun = &mut self.begun;
        begun.sequence = told.sequence_number.saturating_add(1);
        let first = told.output_index == 0 && told.content_index == 0;
        match (told.r#type.as_str(), told.item, told.part) {
            ("keepalive" | "response.queued", ..) => {}
            ("response.created" | "response.in_progress", ..) => begun.response = told.response,
            ("response.output_item.added", Some(item), _) if first && item.r#type == "message" => {
                begun.message = Some(item.id);
            }
            ("response.content_part.added", _, Some(part))
                if first && part.r#type == "output_text" =>
            {
                begun.part = true;
            }
            ("response.output_text.delta", ..) if first && begun.part => {
                begun.text.push_str(&told.delta);
                begun.logprobs.extend(told.logprobs);
            }
            _ => self.plain = false,
        }
    }
}

impl Transcript for EventsSent {
    fn read(&mut self, events: Bytes) {
        sse::events(events).for_each(|event| self.event(&event));
    }

    fn text(&self) -> Option<&str> {
        self.plain.then_some(&self.begun.text)
    }

    fn writer(&self, request: &Request, stamp: &Stamp<'_>) -> Box<dyn StreamEncoder> {
        Box::new(EventWriter::new(request, stamp).begun(&self.begun))
    }
}

#[cfg(test)]
mod tests {
    use isthmus_inference::answer::FinishReason;
    use isthmus_inference::request::Operation;
    use isthmus_inference::stream::Event;
    use isthmus_inference::usage::Usage;

    use super::*;
    use crate::dialect::CallerDialect;
    use crate::dialects::responses::ResponsesCaller;

    const STAMP: Stamp<'_> = Stamp { id: "resp_x", created: 7, model: "shown" };

    fn text(text: &str) -> Event {
        Event::Text { choice: 0, text: text.into(), logprobs: vec![] }
    }

    fn request() -> Request {
        let body = r#"{"model":"m","input":"hi","stream":true,"temperature":0.5}"#;
        ResponsesCaller.read(Operation::Chat, body.into()).unwrap()
    }

    fn sent(stream: impl Into<Bytes>) -> EventsSent {
        let mut sent = EventsSent::new();
        sent.read(stream.into());
        sent
    }

    #[test]
    fn a_stream_that_is_gone_on_with_reads_as_if_it_had_never_broken() {
        let finish = Event::Finish { choice: 0, reason: FinishReason::Stop, stop_sequence: None };
        let usage = Usage { uncached_input: 3, text_output: 2, ..Usage::default() };
        let events = [text("a\"é"), text("b\n"), finish, Event::Usage(usage)];
        let mut unbroken = EventWriter::new(&request(), &STAMP);
        let mut expected: Vec<Bytes> = events.iter().map(|event| unbroken.encode(event)).collect();
        expected.push(unbroken.done());
        for cut in 0..3 {
            let sent = sent(expected[..cut].concat());
            assert_eq!(sent.text(), Some(["", "a\"é", "a\"éb\n"][cut]));
            let other = Stamp { id: "resp_y", created: 8, model: "other" };
            let stamp = if cut == 0 { STAMP } else { other };
            let mut writer = sent.writer(&request(), &stamp);
            let mut rest: Vec<Bytes> =
                events[cut..].iter().map(|event| writer.encode(event)).collect();
            rest.push(writer.done());
            assert_eq!(rest, expected[cut..]);
        }
    }

    #[test]
    fn a_stream_that_broke_between_any_two_events_is_gone_on_with() {
        let mut writer = EventWriter::new(&request(), &STAMP);
        let begun = writer.encode(&text("a"));
        let begun = std::str::from_utf8(&begun).unwrap();
        let events: Vec<&str> = begun.split_inclusive("\n\n").collect();
        for cut in 0..=events.len() {
            let sent = sent(events[..cut].concat());
            let said = sent.text().unwrap().to_owned();
            let mut writer = sent.writer(&request(), &STAMP);
            let rest = [writer.encode(&text("b")), writer.done()].concat();
            let all = [events[..cut].concat().into_bytes(), rest].concat();
            let all = String::from_utf8(all).unwrap();
            let last = all.lines().filter_map(|line| line.strip_prefix("data: ")).next_back();
            let last: Value = serde_json::from_str(last.unwrap()).unwrap();
            assert_eq!(last["response"]["output"][0]["content"][0]["text"], said + "b", "{cut}");
            assert_eq!(last["response"]["id"], "resp_x");
            let numbers = all.matches("sequence_number").count() as u64;
            assert_eq!(last["sequence_number"], numbers - 1, "each event is numbered once");
            assert_eq!(all.matches("event: response.created").count(), 1);
        }
    }

    #[test]
    fn what_is_more_than_text_is_not_gone_on_with() {
        for more in [
            r#"{"type":"response.output_item.added","output_index":0,"item":{"id":"f","type":"function_call"}}"#,
            r#"{"type":"response.output_item.added","output_index":1,"item":{"id":"m","type":"message"}}"#,
            r#"{"type":"response.output_text.done","output_index":0,"content_index":0,"text":"a"}"#,
            r#"{"type":"response.output_text.annotation.added","output_index":0}"#,
            r#"{"type":"response.completed","response":{}}"#,
        ] {
            assert_eq!(sent(format!("data: {more}\n\n")).text(), None, "{more}");
        }
    }
}
