//! A stream of server-sent events whose last one says that it was the last, read event by event: how
//! Anthropic and Cohere stream.

use std::borrow::Cow;

use bytes::Bytes;
use isthmus_inference::failure::Failure;
use isthmus_inference::stream::Event;
use serde::Deserialize;

use super::broken::{answer_too_large, cut};
use crate::dialect::StreamDecoder;
use crate::framing::sse::Splitter;

/// The largest event that is held in memory: a document in base64 fits, a flood does not.
const LARGEST_EVENT: usize = 8 << 20;

/// What one language makes of its events.
pub(super) trait EventReader: Default + Send {
    /// Takes in one event.
    fn event(&mut self, event: &[u8], events: &mut Vec<Event>) -> Result<(), Failure>;

    /// Whether nothing is missing of an event that came without its empty line.
    fn is_whole(event: &[u8]) -> bool;

    /// Whether the last event came.
    fn is_over(&self) -> bool;
}

/// Whether this is an event of another type than those: one that came later, whose members may be
/// anything.
pub(super) fn is_of_later_type(data: &[u8], known: &[&str]) -> bool {
    #[derive(Deserialize)]
    struct Named<'a> {
        #[serde(borrow)]
        r#type: Cow<'a, str>,
    }
    let named = serde_json::from_slice::<Named<'_>>(data);
    named.is_ok_and(|named| !known.contains(&&*named.r#type))
}

/// Reads one streamed answer.
pub(super) struct SseDecoder<R> {
    splitter: Splitter,
    reader: R,
}

impl<R: EventReader> SseDecoder<R> {
    pub(super) fn new() -> Self {
        Self { splitter: Splitter::new(LARGEST_EVENT), reader: R::default() }
    }
}

impl<R: EventReader> StreamDecoder for SseDecoder<R> {
    fn push(&mut self, read: Bytes, events: &mut Vec<Event>) -> Result<(), Failure> {
        if self.reader.is_over() {
            return Ok(());
        }
        self.splitter.push(read);
        while !self.reader.is_over() {
            let Some(event) = self.splitter.next_event().map_err(answer_too_large)? else { break };
            self.reader.event(&event, events)?;
        }
        Ok(())
    }

    fn end(&mut self, events: &mut Vec<Event>) -> Result<(), Failure> {
        if self.reader.is_over() {
            return Ok(());
        }
        // The very last event counts without its empty line, if nothing is missing of it.
        if let Some(event) = self.splitter.finish().filter(|event| R::is_whole(event)) {
            self.reader.event(&event, events)?;
        }
        if self.reader.is_over() { Ok(()) } else { Err(cut()) }
    }

    fn is_over(&self) -> bool {
        self.reader.is_over()
    }
}
