//! `streamGenerateContent?alt=sse`: each event's data is a chunk. Nothing marks the end but the end of
//! the response, so that an answer counts as complete if every candidate has said why it ended.

use bytes::Bytes;
use isthmus_inference::failure::Failure;
use isthmus_inference::stream::Event;

use super::answer::{Reader, Unfinished};
use crate::dialect::StreamDecoder;
use crate::dialects::broken::event_too_large;
use crate::framing::sse::{self, Splitter};

/// The largest event: images come whole.
const LARGEST_EVENT: usize = 32 << 20;

/// Reads one streamed answer.
pub(super) struct Decoder {
    splitter: Splitter,
    reader: Reader,
    over: bool,
}

impl Decoder {
    /// A reader; whether it keeps the text, see [`Reader::new`].
    pub(super) fn new(keeps: bool) -> Self {
        let (splitter, reader) = (Splitter::new(LARGEST_EVENT), Reader::new(keeps));
        Self { splitter, reader, over: false }
    }

    fn event(&mut self, event: &[u8], events: &mut Vec<Event>) -> Result<(), Failure> {
        match sse::data(event) {
            Some(data) if data.is_empty() => Ok(()),
            Some(data) => self.reader.read(&data, events),
            // No event at all but a plain body, which an error is sometimes told in.
            None if matches!(event.trim_ascii_start().first(), Some(b'{' | b'[')) => {
                self.reader.read_any(event, events)
            }
            None => Ok(()),
        }
    }
}

impl StreamDecoder for Decoder {
    fn push(&mut self, read: Bytes, events: &mut Vec<Event>) -> Result<(), Failure> {
        self.splitter.push(read);
        while let Some(event) = self.splitter.next_event().map_err(event_too_large)? {
            self.event(&event, events)?;
        }
        Ok(())
    }

    fn end(&mut self, events: &mut Vec<Event>) -> Result<(), Failure> {
        if let Some(rest) = self.splitter.finish() {
            self.event(&rest, events)?;
        }
        self.reader.finish(Unfinished::Cut, events)?;
        self.over = true;
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.over
    }
}
