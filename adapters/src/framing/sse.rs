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

/// The events of bytes that hold nothing but whole ones.
pub fn events(bytes: Bytes) -> impl Iterator<Item = Bytes> {
    let mut splitter = Splitter::new(usize::MAX);
    splitter.push(bytes);
    std::iter::from_fn(move || splitter.next_event().ok().flatten().or_else(|| splitter.finish()))
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The events that come out when the stream arrives in pieces of the given lengths, over and over.
    fn split(stream: &[u8], lengths: &[usize]) -> Vec<Bytes> {
        let mut splitter = Splitter::new(usize::MAX);
        let mut events = Vec::new();
        let mut rest = stream;
        for length in lengths.iter().cycle() {
            let (piece, after) = rest.split_at((*length).min(rest.len()));
            splitter.push(Bytes::copy_from_slice(piece));
            while let Some(event) = splitter.next_event().unwrap() {
                events.push(event);
            }
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        events.extend(splitter.finish());
        events
    }

    #[test]
    fn every_kind_of_line_end_ends_events() {
        for end in ["\n", "\r\n", "\r"] {
            let text = format!("data: a{end}data: b{end}{end}: note{end}{end}data: c{end}{end}");
            let events = split(text.as_bytes(), &[text.len()]);
            let data: Vec<_> = events.iter().map(|event| data(event)).collect();
            assert_eq!(data[0].as_deref(), Some(&b"a\nb"[..]), "{end:?}");
            assert_eq!(data[1], None, "{end:?}");
            assert_eq!(data[2].as_deref(), Some(&b"c"[..]), "{end:?}");
            assert_eq!(events.len(), 3, "{end:?}");
        }
    }

    #[test]
    fn data_follows_the_standard() {
        let cases: [(&[u8], Option<&[u8]>); 9] = [
            (b"data: x\n\n", Some(b"x")),
            (b"data:x\n\n", Some(b"x")),
            (b"data:  x\n\n", Some(b" x")),
            (b"data\n\n", Some(b"")),
            (b"data\ndata\n\n", Some(b"\n")),
            (b"data: a\n: b\nid: 1\ndata: c\n\n", Some(b"a\nc")),
            (b"\xEF\xBB\xBFdata: x\n\n", Some(b"x")),
            (b"database: x\n\n", None),
            (b"\n", None),
        ];
        for (event, expected) in cases {
            assert_eq!(data(event).as_deref(), expected, "{:?}", String::from_utf8_lossy(event));
        }
        assert_eq!(name(b"event: error\ndata: {}\n\n"), Some(&b"error"[..]));
        assert_eq!(name(b"data: {}\n\n"), None);
    }

    #[test]
    fn whole_events_of_one_read_are_not_copied() {
        let read = Bytes::from_static(b"data: 1\n\ndata: 2\n\ndata: 3");
        let mut splitter = Splitter::new(100);
        splitter.push(read.clone());
        for at in [0, 9] {
            let event = splitter.next_event().unwrap().unwrap();
            assert_eq!(event.as_ptr(), read[at..].as_ptr());
        }
        assert_eq!(splitter.next_event(), Ok(None));
        splitter.push(Bytes::from_static(b"\n\n"));
        assert_eq!(splitter.next_event().unwrap().unwrap(), "data: 3\n\n");
    }

    #[test]
    fn an_event_without_end_is_not_gathered_for_ever() {
        let mut splitter = Splitter::new(10);
        for _ in 0..2 {
            splitter.push(Bytes::from_static(b"12345"));
            assert_eq!(splitter.next_event(), Ok(None));
        }
        splitter.push(Bytes::from_static(b"6"));
        assert_eq!(splitter.next_event(), Err(TooLarge(10)));
    }

    proptest! {
        #[test]
        fn however_it_is_cut_a_stream_gives_the_same_events(
            stream in proptest::collection::vec(
                prop_oneof![
                    Just(b'\n'), Just(b'\r'), Just(b':'), Just(b' '),
                    Just(b'd'), Just(0xE2), Just(0x82), Just(0xAC),
                ],
                0..200,
            ),
            lengths in proptest::collection::vec(1usize..9, 1..20),
        ) {
            let whole = split(&stream, &[stream.len().max(1)]);
            prop_assert_eq!(&split(&stream, &lengths), &whole);
            prop_assert_eq!(whole.concat(), stream);
        }
    }
}
