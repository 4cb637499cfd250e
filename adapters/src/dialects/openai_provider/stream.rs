//! A streamed chat completion, read into neutral events.

use bytes::Bytes;
use isthmus_inference::failure::Failure;
use isthmus_inference::stream::Event;
use serde_json::Value;

use super::decode::Reader;
use crate::dialect::StreamDecoder;
use crate::dialects::openai_error;
use crate::dialects::openai_relay::{
    DONE, LARGEST_EVENT, cut, data_of, no_event_stream, too_large,
};
use crate::framing::sse::{self, Splitter};

/// Reads one streamed answer.
#[derive(Debug)]
pub(super) struct ChunkReader {
    splitter: Splitter,
    reader: Reader,
    over: bool,
}

impl Default for ChunkReader {
    fn default() -> Self {
        Self { splitter: Splitter::new(LARGEST_EVENT), reader: Reader::default(), over: false }
    }
}

impl ChunkReader {
    fn take_in(&mut self, event: &Bytes, events: &mut Vec<Event>) -> Result<(), Failure> {
        let Some(data) = data_of(event)? else { return Ok(()) };
        if data.trim_ascii() == DONE {
            self.over = true;
            return self.reader.close(events);
        }
        let chunk: Value = serde_json::from_slice(&data).map_err(|_| no_event_stream(event))?;
        let failed = chunk.get("error").is_some_and(|error| !error.is_null());
        if failed || sse::name(event) == Some(b"error") {
            return Err(openai_error::in_answer(&data));
        }
        if !chunk.is_object() {
            return Err(no_event_stream(event));
        }
        self.reader.read(&chunk, events)
    }
}

impl StreamDecoder for ChunkReader {
    fn push(&mut self, read: Bytes, events: &mut Vec<Event>) -> Result<(), Failure> {
        self.splitter.push(read);
        while !self.over {
            let Some(event) = self.splitter.next_event().map_err(too_large)? else { break };
            self.take_in(&event, events)?;
        }
        Ok(())
    }

    fn end(&mut self, events: &mut Vec<Event>) -> Result<(), Failure> {
        if self.over {
            return Ok(());
        }
        if let Some(event) = self.splitter.finish() {
            // An event without its empty line was cut, unless it is the one that says so.
            let told = data_of(&event)?;
            if told.is_none_or(|data| data.trim_ascii() != DONE) {
                return Err(cut());
            }
        } else if !self.reader.is_finished() {
            return Err(cut());
        }
        self.over = true;
        self.reader.close(events)
    }

    fn is_over(&self) -> bool {
        self.over
    }
}
