//! A streamed answer of `ConverseStream`.
//!
//! `messageStart`, then for each block `contentBlockStart` (which blocks of text and of thinking do
//! without), `contentBlockDelta` and `contentBlockStop`, then `messageStop` with the reason, and
//! `metadata` with the usage, which is the end (API reference, `ConverseStreamOutput`).

use bytes::Bytes;
use isthmus_inference::failure::{Failure, Kind};
use isthmus_inference::stream::Event;
use isthmus_inference::usage::Usage;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::answer::stop_sequence;
use super::error::{in_stream, malformed, unreadable};
use super::open::{Delta, Open, Start, Told};
use super::usage::{ServiceTier, TokenUsage, finish};
use crate::dialect::StreamDecoder;
use crate::dialects::broken::cut;
use crate::framing::aws_event_stream::{Kind as Said, Malformed, Message, Splitter};

/// Reads one streamed answer.
pub(super) struct Reader {
    splitter: Splitter,
    /// Whose the model's signatures are.
    format: &'static str,
    /// The blocks that have not ended.
    open: Vec<Block>,
    told: Told,
    stopped: bool,
    /// How many bytes were told, for an estimate.
    said: usize,
    /// What it took, once that was said.
    usage: Option<Usage>,
    over: bool,
    failed: bool,
}

/// A block that has not ended.
struct Block {
    index: u32,
    open: Open,
    /// How many bytes are held until it ends.
    held: usize,
}

/// The largest message of a stream, and the most that is held of a block, in bytes.
const LARGEST: usize = 8 << 20;
/// The most blocks that may be open at once; models write one after the other.
const MOST_OPEN: usize = 64;
/// The most calls of one answer.
const MOST_CALLS: u32 = 1024;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BlockStart {
    content_block_index: u32,
    #[serde(default)]
    start: Start,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BlockDelta {
    content_block_index: u32,
    delta: Delta,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BlockStop {
    content_block_index: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MessageStop {
    stop_reason: String,
    additional_model_response_fields: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    usage: Option<TokenUsage>,
    service_tier: Option<ServiceTier>,
}

// === impl Reader ===

impl Reader {
    /// A reader of a stream of a model whose signatures are of this format.
    pub(super) fn new(format: &'static str) -> Self {
        Self {
            splitter: Splitter::new(LARGEST),
            format,
            open: Vec::new(),
            told: Told::default(),
            stopped: false,
            said: 0,
            usage: None,
            over: false,
            failed: false,
        }
    }

    fn read(&mut self, read: Bytes, events: &mut Vec<Event>) -> Result<(), Failure> {
        self.splitter.push(read);
        while !self.over
            && let Some(message) = self.splitter.next_event().map_err(broken)?
        {
            self.take_in(&message, events)?;
        }
        Ok(())
    }

    fn take_in(&mut self, message: &Message, events: &mut Vec<Event>) -> Result<(), Failure> {
        let before = events.len();
        self.tell(message, events)?;
        self.said += events[before..].iter().map(Event::said).sum::<usize>();
        Ok(())
    }

    fn tell(&mut self, message: &Message, events: &mut Vec<Event>) -> Result<(), Failure> {
        let body = &message.payload;
        match message.kind() {
            Said::Event { name: "contentBlockStart" } => self.start(read(body)?, events)?,
            Said::Event { name: "contentBlockDelta" } => self.delta(read(body)?, events)?,
            Said::Event { name: "contentBlockStop" } => {
                let stop: BlockStop = read(body)?;
                self.end_block(stop.content_block_index, events);
            }
            Said::Event { name: "messageStop" } => self.stop(&read(body)?, events),
            Said::Event { name: "metadata" } => {
                let Metadata { usage, service_tier } = read(body)?;
                let counted = usage.map(|usage| usage.apart(service_tier.as_ref()));
                self.usage = Some(counted.unwrap_or_else(|| Usage::of_answer(self.said)));
            }
            // `messageStart`, and whatever there will be.
            Said::Event { .. } => {}
            Said::Exception { name } => return Err(in_stream(name, "", body)),
            Said::Error { code, message } => return Err(in_stream(code, message, body)),
        }
        if self.stopped
            && let Some(usage) = self.usage
        {
            events.push(Event::Usage(usage));
            self.over = true;
        }
        Ok(())
    }

    fn start(&mut self, begun: BlockStart, events: &mut Vec<Event>) -> Result<(), Failure> {
        let index = begun.content_block_index;
        self.end_block(index, events);
        if self.open.len() >= MOST_OPEN || self.told.calls >= MOST_CALLS {
            return Err(malformed("more blocks or calls than an answer can have"));
        }
        let open = Open::begin(begun.start, &mut self.told, events);
        self.open.push(Block { index, open, held: 0 });
        Ok(())
    }

    fn delta(&mut self, piece: BlockDelta, events: &mut Vec<Event>) -> Result<(), Failure> {
        let index = piece.content_block_index;
        let known = self.open.iter().position(|block| block.index == index);
        let at = match known {
            Some(at) => at,
            None if self.open.len() < MOST_OPEN => {
                self.open.push(Block { index, open: Open::said(self.told.characters), held: 0 });
                self.open.len() - 1
            }
            None => return Err(malformed("more blocks than an answer can have")),
        };
        let block = &mut self.open[at];
        let held = block.open.grow(piece.delta, &mut self.told, self.format, events);
        block.held += held.ok_or_else(|| malformed("arguments of a call that never began"))?;
        if block.held > LARGEST {
            return Err(malformed(&format!("a block is longer than {LARGEST} bytes")));
        }
        Ok(())
    }

    fn end_block(&mut self, index: u32, events: &mut Vec<Event>) {
        if let Some(at) = self.open.iter().position(|block| block.index == index) {
            self.open.remove(at).open.end(self.format, events);
        }
    }

    fn stop(&mut self, stop: &MessageStop, events: &mut Vec<Event>) {
        for block in self.open.drain(..) {
            block.open.end(self.format, events);
        }
        if self.stopped {
            return;
        }
        self.stopped = true;
        let reason = finish(&stop.stop_reason);
        let stop_sequence = stop_sequence(stop.additional_model_response_fields.as_ref());
        events.push(Event::Finish { choice: 0, reason, stop_sequence });
    }
}

impl StreamDecoder for Reader {
    fn push(&mut self, read: Bytes, events: &mut Vec<Event>) -> Result<(), Failure> {
        if self.over || self.failed {
            return Ok(());
        }
        let outcome = self.read(read, events);
        self.failed = outcome.is_err();
        outcome
    }

    fn end(&mut self, _events: &mut Vec<Event>) -> Result<(), Failure> {
        if self.over {
            return Ok(());
        }
        self.splitter.finish().map_err(broken)?;
        Err(cut())
    }

    fn is_over(&self) -> bool {
        self.over
    }
}

fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, Failure> {
    serde_json::from_slice(body).map_err(unreadable)
}

#[expect(clippy::needless_pass_by_value, reason = "it stands in `map_err`")]
fn broken(error: Malformed) -> Failure {
    let message = "the provider's stream is broken";
    Failure::new(Kind::Malformed, message).with_detail(error.to_string())
}

#[cfg(test)]
mod tests {
    use isthmus_inference::part::formats;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::framing::aws_event_stream::wire;

    fn frame(name: &str, data: &str) -> Bytes {
        let headers = [(":message-type", "event"), (":event-type", name)];
        wire::frame(&headers, data.as_bytes()).into()
    }

    /// What comes of these messages.
    fn read(messages: &[(&str, Value)]) -> (Vec<Event>, Option<Kind>) {
        let (mut reader, mut events) = (Reader::new(formats::ANTHROPIC), Vec::new());
        for (name, data) in messages {
            if let Err(failure) = reader.push(frame(name, &data.to_string()), &mut events) {
                return (events, Some(failure.kind));
            }
        }
        let ended = reader.end(&mut events);
        assert_eq!(ended.is_ok(), reader.is_over());
        (events, ended.err().map(|failure| failure.kind))
    }

    fn usage() -> (&'static str, Value) {
        ("metadata", json!({"usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2}}))
    }

    fn stop() -> (&'static str, Value) {
        ("messageStop", json!({"stopReason": "end_turn"}))
    }

    #[test]
    fn a_stream_is_over_when_reason_and_usage_have_come() {
        for (messages, ends) in [
            (vec![stop(), usage()], None),
            (vec![usage(), stop()], None),
            (vec![stop(), usage(), ("contentBlockDelta", json!("after the end"))], None),
            (vec![stop()], Some(Kind::Malformed)),
            (vec![usage()], Some(Kind::Malformed)),
            // Without a count it is estimated.
            (vec![stop(), ("metadata", json!({"metrics": {}}))], None),
        ] {
            let (events, ended) = read(&messages);
            assert_eq!(ended, ends, "{messages:?}");
            assert_eq!(matches!(events.last(), Some(Event::Usage(_))), ends.is_none());
        }
    }

    #[test]
    fn nothing_of_a_call_is_lost_and_nothing_grows_without_end() {
        let arguments = json!({"contentBlockIndex": 0, "delta": {"toolUse": {"input": "{}"}}});
        assert_eq!(read(&[("contentBlockDelta", arguments)]).1, Some(Kind::Malformed));

        let open =
            |at| ("contentBlockDelta", json!({"contentBlockIndex": at, "delta": {"text": "a"}}));
        let many: Vec<_> = (0..=MOST_OPEN).map(open).collect();
        assert_eq!(read(&many).1, Some(Kind::Malformed));

        let image = (
            "contentBlockStart",
            json!({"contentBlockIndex": 0, "start": {"image": {"format": "png"}}}),
        );
        let bytes = "A".repeat(LARGEST / 2);
        let piece =
            json!({"contentBlockIndex": 0, "delta": {"image": {"source": {"bytes": bytes}}}});
        let piece = ("contentBlockDelta", piece);
        assert_eq!(read(&[image, piece.clone(), piece.clone(), piece]).1, Some(Kind::Malformed));
    }

    #[test]
    fn a_call_that_is_not_closed_is_told_whole() {
        let call =
            json!({"contentBlockIndex": 0, "start": {"toolUse": {"toolUseId": "t", "name": "f"}}});
        let (events, _) = read(&[("contentBlockStart", call), stop(), usage()]);
        let arguments = Event::ToolCallArguments { choice: 0, index: 0, text: "{}".into() };
        assert_eq!(events[1], arguments);
        assert!(matches!(events[2], Event::Finish { .. }));
    }

    proptest! {
        #[test]
        fn whatever_comes_it_neither_panics_nor_looks_complete(
            pieces in proptest::collection::vec(
                (
                    prop_oneof![
                        Just("contentBlockStart"), Just("contentBlockDelta"), Just("contentBlockStop"),
                        Just("metadata"), Just("messageStart"),
                    ],
                    prop_oneof![
                        "[ -~]{0,30}",
                        (0u32..3, "[a-z]{4,9}").prop_map(|(at, word)| {
                            format!(r#"{{"contentBlockIndex":{at},"delta":{{"{word}":{{}}}},"start":{{}}}}"#)
                        }),
                    ],
                ),
                0..12,
            ),
            tail in proptest::collection::vec(any::<u8>(), 0..40),
        ) {
            let (mut reader, mut events) = (Reader::new(formats::BEDROCK), Vec::new());
            for (name, data) in &pieces {
                let _ = reader.push(frame(name, data), &mut events);
            }
            let _ = reader.push(tail.into(), &mut events);
            prop_assert!(reader.end(&mut events).is_err());
            prop_assert!(!reader.is_over());
        }
    }
}
