//! Server-sent events, cut out of a byte stream without being changed or, mostly, copied.
//!
//! The format is the one of the HTML standard ("Server-sent events", section 9.2.6): an event is
//! the lines up to and with the next empty one; lines end with LF, CRLF or CR; a byte order mark may
//! stand at the very beginning. Joined again, the events are the stream, byte for byte, however the
//! network cut it.

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};

/// Cuts a stream into whole events.
#[derive(Debug)]
pub struct Splitter {
    /// The beginning of an event whose end has not come yet.
    head: BytesMut,
    /// What came last and was not looked at yet.
    read: Bytes,
    place: Place,
    largest: usize,
}

/// An event is larger than allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a server-sent event is longer than {0} bytes")]
pub struct TooLarge(pub usize);

/// Where in an event the scan stands; it goes on there when more bytes come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    LineStart,
    InLine,
    /// A CR ended a line; an LF now would still belong to it.
    AfterCr,
    /// A CR ended the empty line that ends the event; an LF now would still belong to it. A stream
    /// with bare CRs therefore gives each event only when the next byte comes: the price of giving
    /// the same events however CRLF was cut.
    AfterLastCr,
}

// === impl Splitter ===

impl Splitter {
    /// A splitter that gives up at an event of more than `largest` bytes.
    pub fn new(largest: usize) -> Self {
        Self { head: BytesMut::new(), read: Bytes::new(), place: Place::LineStart, largest }
    }

    /// Takes in what came from the network. All events of what came before must have been taken out.
    pub fn push(&mut self, read: Bytes) {
        debug_assert!(self.read.is_empty(), "take out all events before pushing more bytes");
        self.read = read;
    }

    /// Takes out the next whole event, or `None` if more bytes are needed. It is a slice of what was
    /// pushed, unless it began in an earlier push.
    pub fn next_event(&mut self) -> Result<Option<Bytes>, TooLarge> {
        let end = self.scan();
        let length = self.head.len() + end.unwrap_or(self.read.len());
        if length > self.largest {
            return Err(TooLarge(self.largest));
        }
        let Some(end) = end else {
            self.head.extend_from_slice(&self.read);
            self.read = Bytes::new();
            return Ok(None);
        };
        self.place = Place::LineStart;
        let rest = self.read.split_to(end);
        if self.head.is_empty() {
            return Ok(Some(rest));
        }
        self.head.extend_from_slice(&rest);
        Ok(Some(self.head.split().freeze()))
    }

    /// What is left when the stream has ended: an event without its empty line, or nothing.
    pub fn finish(&mut self) -> Option<Bytes> {
        let left = self.head.split().freeze();
        (!left.is_empty()).then_some(left)
    }

    /// Looks for the end of the event at the beginning of `read`.
    fn scan(&mut self) -> Option<usize> {
        let bytes = &self.read[..];
        let mut at = 0;
        while at < bytes.len() {
            match (self.place, bytes[at]) {
                (Place::AfterLastCr, b'\n') => return Some(at + 1),
                (Place::AfterLastCr, _) => return Some(at),
                (Place::AfterCr, b'\n') => {
                    self.place = Place::LineStart;
                    at += 1;
                }
                (Place::LineStart, b'\n') => return Some(at + 1),
                (Place::LineStart | Place::AfterCr, b'\r') => {
                    self.place = Place::AfterLastCr;
                    at += 1;
                }
                _ => {
                    let Some(length) = memchr::memchr2(b'\n', b'\r', &bytes[at..]) else {
                        self.place = Place::InLine;
                        return None;
                    };
                    let ended_by = bytes[at + length];
                    self.place = if ended_by == b'\r' { Place::AfterCr } else { Place::LineStart };
                    at += length + 1;
                }
            }
        }
        None
    }
}

// === reading an event ===

/// The lines of an event, without their ends and without a byte order mark.
pub fn lines(event: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = event.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(event);
    std::iter::from_fn(move || {
        let end = memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
        let (line, after) = rest.split_at(end);
        rest = after.strip_prefix(b"\r\n").or(after.get(1..)).unwrap_or_default();
        (!line.is_empty() || !rest.is_empty()).then_some(line)
    })
}

/// The values of one field of an event.
fn values<'a>(event: &'a [u8], field: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    lines(event).filter_map(move |line| {
        let rest = line.strip_prefix(field)?;
        match rest.strip_prefix(b":") {
            Some(value) => Some(value.strip_prefix(b" ").unwrap_or(value)),
            None => rest.is_empty().then_some(rest),
        }
    })
}

/// The data of an event, its lines joined by LF; `None` if it has none.
pub fn data(event: &[u8]) -> Option<Cow<'_, [u8]>> {
    let mut lines = values(event, b"data");
    let first = lines.next()?;
    let Some(second) = lines.next() else { return Some(first.into()) };
    let mut joined = [first, b"\n", second].concat();
    for line in lines {
        joined.push(b'\n');
        joined.extend_from_slice(line);
    }
    Some(joined.into())
}

/// The name of an event; `None` if it has the usual one, `message`.
pub fn name(event: &[u8]) -> Option<&[u8]> {
    values(event, b"event").last().filter(|name| !name.is_empty())
}
