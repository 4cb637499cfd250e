//! Answers, whole and streamed, read into neutral events.
//!
//! A whole answer is read as a stream whose blocks come at once, so that both always agree. The
//! events of a stream are those of the vendor's page "Streaming messages"; unknown ones are passed
//! over, as that page asks.

use std::borrow::Cow;
use std::collections::BTreeMap;

use isthmus_inference::answer::{ChatAnswer, FinishReason};
use isthmus_inference::failure::{Failure, Kind};
use isthmus_inference::stream::{Event, Fold};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::opened::{Open, Progress};
use super::usage::Counts;
use super::{error, finish};
use crate::dialects::broken::{answer_too_large, no_event_stream};
use crate::dialects::openai_error::class;
use crate::dialects::sse_decoder::{EventReader, SseDecoder, is_of_later_type};
use crate::framing::sse;

/// The most bytes of blocks that wait for their end.
const MOST_HELD: usize = 8 << 20;
/// The types of events that are read here.
const EVENTS: [&str; 7] = [
    "message_start",
    "content_block_start",
    "content_block_delta",
    "content_block_stop",
    "message_delta",
    "message_stop",
    "error",
];
/// The most blocks of one answer.
const MOST_BLOCKS: u32 = 4096;

/// A whole answer, as far as it is read here.
#[derive(Deserialize)]
struct Whole<'a> {
    #[serde(borrow)]
    r#type: Option<Cow<'a, str>>,
    model: Option<String>,
    content: Option<Vec<Value>>,
    stop_reason: Option<String>,
    stop_sequence: Option<String>,
    stop_details: Option<StopDetails>,
    usage: Option<Counts>,
}

/// An event of a stream, as far as it is read here.
#[derive(Deserialize)]
struct Told<'a> {
    #[serde(borrow)]
    r#type: Cow<'a, str>,
    #[serde(default)]
    index: u32,
    /// The beginning of an answer, or a text that belongs to an error.
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    content_block: Option<Value>,
    #[serde(borrow)]
    delta: Option<&'a RawValue>,
    usage: Option<Counts>,
}

#[derive(Deserialize)]
struct Ending {
    stop_reason: Option<String>,
    stop_sequence: Option<String>,
    stop_details: Option<StopDetails>,
}

/// Why the model declined, in words for the reader (the vendor's SDK, `RefusalStopDetails`).
#[derive(Deserialize, Default)]
#[serde(default)]
struct StopDetails {
    explanation: Option<String>,
}

/// Reads a whole answer.
pub(super) fn decode(body: &[u8]) -> Result<ChatAnswer, Failure> {
    let malformed = || {
        let message = "the provider's answer is not the message that it should be";
        Failure::new(Kind::Malformed, message).with_detail(class(body))
    };
    let whole: Whole<'_> = serde_json::from_slice(body).map_err(|_| malformed())?;
    if whole.r#type.as_deref() == Some("error") {
        return Err(error::in_answer(body));
    }
    let mut events = Vec::new();
    let mut blocks = Blocks::default();
    for (index, block) in (0u32..).zip(whole.content.ok_or_else(malformed)?) {
        // Each is closed at once, so that none is held.
        blocks.open((index, 0), block, &mut events)?;
        blocks.close(index, &mut events);
    }
    explain(whole.stop_details, &mut events);
    let reason = whole.stop_reason.as_deref().map_or(FinishReason::Stop, finish::of_word);
    events.push(Event::Finish { choice: 0, reason, stop_sequence: whole.stop_sequence });
    let said = events.iter().map(Event::said).sum();
    events.push(Event::Usage(whole.usage.unwrap_or_default().of_answer(said)));
    let mut fold = Fold::default();
    events.into_iter().for_each(|event| fold.push(event));
    fold.finish(whole.model.unwrap_or_default().into()).ok_or_else(malformed)
}

/// Reads one streamed answer.
pub(super) type Decoder = SseDecoder<Reader>;

/// What is known of an answer while it streams.
#[derive(Default)]
pub(in crate::dialects) struct Reader {
    blocks: Blocks,
    counts: Counts,
    /// How many bytes were told, for an estimate.
    said: usize,
    finished: bool,
    over: bool,
}

/// The blocks that have begun and not ended.
#[derive(Default)]
struct Blocks {
    open: BTreeMap<u32, Open>,
    progress: Progress,
    /// How many bytes wait in open blocks.
    held: usize,
}

// === impl Reader ===

impl EventReader for Reader {
    fn event(&mut self, event: &[u8], events: &mut Vec<Event>) -> Result<(), Failure> {
        let before = events.len();
        let outcome = self.read(event, events);
        self.said += events[before..].iter().map(Event::said).sum::<usize>();
        outcome
    }

    fn is_whole(event: &[u8]) -> bool {
        let read = |data: &[u8]| serde_json::from_slice::<Told<'_>>(data).is_ok();
        sse::data(event).is_some_and(|data| read(&data) || is_of_later_type(&data, &EVENTS))
    }

    fn is_over(&self) -> bool {
        self.over
    }
}

impl Reader {
    fn read(&mut self, event: &[u8], events: &mut Vec<Event>) -> Result<(), Failure> {
        let Some(data) = sse::data(event) else { return Ok(()) };
        if data.trim_ascii().is_empty() {
            return Ok(());
        }
        let Ok(told) = serde_json::from_slice::<Told<'_>>(&data) else {
            return if is_of_later_type(&data, &EVENTS) {
                Ok(())
            } else {
                Err(no_event_stream(&data))
            };
        };
        match &*told.r#type {
            "message_start" => {
                self.counts = Counts::of_begun(told.message);
                events.extend(self.counts.told().map(Event::UsageSoFar));
            }
            "content_block_start" => {
                let block = told.content_block.ok_or_else(|| no_event_stream(&data))?;
                self.blocks.open((told.index, data.len()), block, events)?;
            }
            "content_block_delta" => {
                let delta = told.delta.ok_or_else(|| no_event_stream(&data))?;
                self.blocks.grow(told.index, delta, events)?;
            }
            "content_block_stop" => self.blocks.close(told.index, events),
            "message_delta" => {
                self.counts.update(told.usage.unwrap_or_default());
                if let Some(delta) = told.delta {
                    self.ending(delta, events);
                }
            }
            "message_stop" => {
                self.finish(FinishReason::Stop, None, events);
                events.push(Event::Usage(self.counts.of_answer(self.said)));
                self.over = true;
            }
            "error" => return Err(error::in_answer(&data)),
            _ if sse::name(event) == Some(b"error") => return Err(error::in_answer(&data)),
            _ => {}
        }
        Ok(())
    }

    fn ending(&mut self, delta: &RawValue, events: &mut Vec<Event>) {
        let ending = serde_json::from_str::<Ending>(delta.get()).ok();
        let Some(Ending { stop_reason: Some(word), stop_sequence, stop_details }) = ending else {
            return;
        };
        self.blocks.close_all(events);
        explain(stop_details, events);
        self.finish(finish::of_word(&word), stop_sequence, events);
    }

    /// Ends the answer, once.
    fn finish(&mut self, reason: FinishReason, at: Option<String>, events: &mut Vec<Event>) {
        self.blocks.close_all(events);
        if !std::mem::replace(&mut self.finished, true) {
            events.push(Event::Finish { choice: 0, reason, stop_sequence: at });
        }
    }
}

fn explain(details: Option<StopDetails>, events: &mut Vec<Event>) {
    let explanation = details.and_then(|details| details.explanation);
    if let Some(text) = explanation.filter(|text| !text.is_empty()) {
        events.push(Event::Refusal { choice: 0, text });
    }
}

// === impl Blocks ===

impl Blocks {
    /// `size` is how many bytes the block came in.
    fn open(
        &mut self,
        (index, size): (u32, usize),
        block: Value,
        events: &mut Vec<Event>,
    ) -> Result<(), Failure> {
        self.close(index, events);
        if index >= MOST_BLOCKS || self.progress.calls >= MOST_BLOCKS {
            return Err(answer_too_large("too many blocks"));
        }
        let open = Open::begin(block, &mut self.progress, events);
        if open.is_held() {
            self.hold(size)?;
        }
        self.open.insert(index, open);
        Ok(())
    }

    fn grow(
        &mut self,
        index: u32,
        delta: &RawValue,
        events: &mut Vec<Event>,
    ) -> Result<(), Failure> {
        if index >= MOST_BLOCKS {
            return Err(answer_too_large("too many blocks"));
        }
        let open = self.open.entry(index).or_insert(Open::Plain);
        let grown = open.grow(delta, &mut self.progress, events);
        self.hold(grown)
    }

    fn hold(&mut self, more: usize) -> Result<(), Failure> {
        self.held += more;
        if self.held > MOST_HELD { Err(answer_too_large("too large a block")) } else { Ok(()) }
    }

    fn close(&mut self, index: u32, events: &mut Vec<Event>) {
        if let Some(open) = self.open.remove(&index) {
            open.end(&mut self.progress, events);
        }
        if self.open.is_empty() {
            self.held = 0;
        }
    }

    fn close_all(&mut self, events: &mut Vec<Event>) {
        for open in std::mem::take(&mut self.open).into_values() {
            open.end(&mut self.progress, events);
        }
    }
}

#[cfg(test)]
mod tests;
