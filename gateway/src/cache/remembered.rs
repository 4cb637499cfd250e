//! An answer as it is kept: in the caller's dialect, as it was sent, with who gave it and what it took.
//!
//! For a Redis it is written as bytes: a version, the length of a head, the head in JSON, and the
//! answer itself. What another version wrote is not read: it counts as not remembered.

use bytes::{BufMut, Bytes, BytesMut};
use isthmus_adapters::adapter::Piece;
use isthmus_inference::money::Money;
use isthmus_inference::usage::Usage;
use serde::{Deserialize, Serialize};

use super::stamp::Fresh;

/// An answer that was given.
#[derive(Debug, Clone, PartialEq)]
pub struct Remembered {
    head: Head,
    /// All bytes of the answer, one behind the other.
    body: Bytes,
}

/// What is known of an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Head {
    /// The endpoint that gave it.
    pub endpoint: String,
    /// What it took.
    pub usage: Usage,
    /// What that cost; `None` where nobody knows a price.
    pub cost: Option<Money>,
    /// The fields of the request that the endpoint had no word for.
    pub dropped: Vec<String>,
    shape: Shape,
}

/// How the bytes belong together. Numbers are lengths.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Shape {
    #[default]
    Whole,
    Stream(Vec<Said>),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Said {
    Events(usize),
    Usage { usage: Usage, length: usize, only_usage: bool, so_far: bool },
    Done(usize),
}

/// An answer that is given again.
#[derive(Debug)]
pub enum Again {
    /// All of it.
    Whole(Bytes),
    /// Piece by piece.
    Stream(Vec<Piece>),
}

/// A stream that may be kept, as far as it has come.
#[derive(Debug, Default)]
pub struct Gathering {
    said: Vec<Said>,
    body: BytesMut,
}

/// The version of the format.
const VERSION: u8 = 1;
/// The version, and the head's length.
const PREFACE: usize = 5;

// === impl Head ===

impl Head {
    /// What is known of an answer.
    pub fn new(endpoint: &str, usage: Usage, cost: Option<Money>, dropped: &[String]) -> Self {
        let (endpoint, dropped) = (endpoint.to_owned(), dropped.to_vec());
        Self { endpoint, usage, cost, dropped, shape: Shape::Whole }
    }
}

// === impl Remembered ===

impl Remembered {
    /// A whole answer.
    pub fn whole(head: Head, answer: &[u8]) -> Self {
        // Copied: it may lie in a larger piece of memory, which would be kept with it.
        Self { head, body: Bytes::copy_from_slice(answer) }
    }

    /// What is known of it.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// How much memory it takes, roughly.
    pub fn size(&self) -> usize {
        let pieces = match &self.head.shape {
            Shape::Whole => 0,
            Shape::Stream(said) => said.len() * size_of::<Said>(),
        };
        self.body.len() + pieces
    }

    /// The answer, to be given again under a fresh id.
    pub fn again(&self, fresh: &Fresh) -> Again {
        let said = match &self.head.shape {
            Shape::Whole => return Again::Whole(fresh.answer(&self.body)),
            Shape::Stream(said) => said,
        };
        let mut at = 0;
        let mut next = |length: usize| {
            at += length;
            fresh.events(&self.body.slice(at - length..at))
        };
        let piece = |said: &Said| match *said {
            Said::Events(length) => Piece::Relay(next(length)),
            Said::Usage { usage, length, only_usage, so_far } => {
                Piece::Usage { usage, event: next(length), only_usage, so_far }
            }
            Said::Done(length) => Piece::Done { event: Some(next(length)) },
        };
        Again::Stream(said.iter().map(piece).collect())
    }

    /// All of it as bytes.
    pub fn to_bytes(&self) -> Option<Vec<u8>> {
        let head = serde_json::to_vec(&self.head).ok()?;
        let mut bytes = Vec::with_capacity(PREFACE + head.len() + self.body.len());
        bytes.put_u8(VERSION);
        bytes.put_u32_le(u32::try_from(head.len()).ok()?);
        bytes.put_slice(&head);
        bytes.put_slice(&self.body);
        Some(bytes)
    }

    /// What [`to_bytes`](Self::to_bytes) wrote; `None` if it is anything else.
    pub fn from_bytes(bytes: &Bytes) -> Option<Self> {
        let (preface, rest) = bytes.split_first_chunk::<PREFACE>()?;
        let [VERSION, length @ ..] = *preface else { return None };
        let length = usize::try_from(u32::from_le_bytes(length)).ok()?;
        let head: Head = serde_json::from_slice(rest.get(..length)?).ok()?;
        let body = bytes.slice(PREFACE + length..);
        head.shape.fits(body.len()).then_some(Self { head, body })
    }

    #[cfg(test)]
    pub(super) fn sample(answer: &[u8]) -> Self {
        Self::whole(Head::new("e", Usage::default(), None, &[]), answer)
    }
}

// === impl Shape ===

impl Shape {
    /// Whether it is made of so many bytes.
    fn fits(&self, bytes: usize) -> bool {
        match self {
            Self::Whole => true,
            Self::Stream(said) => {
                let lengths = said.iter().map(|said| match *said {
                    Said::Events(length) | Said::Done(length) | Said::Usage { length, .. } => {
                        length
                    }
                });
                lengths.into_iter().try_fold(0, usize::checked_add) == Some(bytes)
            }
        }
    }
}

// === impl Gathering ===

impl Gathering {
    /// Adds events.
    pub fn events(&mut self, events: &[u8]) {
        self.body.put_slice(events);
        self.said.push(Said::Events(events.len()));
    }

    /// Adds the event in which usage is told.
    pub fn usage(&mut self, usage: Usage, event: &[u8], only_usage: bool, so_far: bool) {
        self.body.put_slice(event);
        self.said.push(Said::Usage { usage, length: event.len(), only_usage, so_far });
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.body.len()
    }

    /// Whether there is nothing yet.
    pub fn is_empty(&self) -> bool {
        self.said.is_empty()
    }

    /// All of the answer, with the events that closed it.
    pub fn done(mut self, head: Head, closing: &[u8]) -> Remembered {
        self.body.put_slice(closing);
        self.said.push(Said::Done(closing.len()));
        let head = Head { shape: Shape::Stream(self.said), ..head };
        Remembered { head, body: self.body.freeze() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stream() -> Remembered {
        let mut gathering = Gathering::default();
        gathering.events(b"data: {\"a\":1}\n\n");
        let usage = Usage { text_output: 3, ..Usage::default() };
        gathering.usage(usage, b"data: {\"usage\":3}\n\n", true, false);
        let cost = Some("0.01".parse().unwrap());
        gathering.done(Head::new("e", usage, cost, &[]), b"data: [DONE]\n\n")
    }

    #[test]
    fn an_answer_is_the_same_after_its_way_through_bytes() {
        for answer in [stream(), Remembered::sample(b"{\"a\":\"\xc3\xa9\"}")] {
            let bytes = Bytes::from(answer.to_bytes().unwrap());
            assert_eq!(Remembered::from_bytes(&bytes), Some(answer));
        }
    }

    #[test]
    fn a_stream_is_given_again_piece_by_piece() {
        let Again::Stream(pieces) = stream().again(&Fresh::unchanged()) else { panic!("a stream") };
        assert_eq!(pieces[0], Piece::Relay("data: {\"a\":1}\n\n".into()));
        assert!(matches!(&pieces[1], Piece::Usage { only_usage: true, .. }));
        assert_eq!(pieces[2], Piece::Done { event: Some("data: [DONE]\n\n".into()) });
    }

    #[test]
    fn another_version_or_a_cut_is_not_read() {
        let bytes = stream().to_bytes().unwrap();
        let mut other = bytes.clone();
        other[0] = VERSION + 1;
        assert_eq!(Remembered::from_bytes(&other.into()), None);
        for length in 0..bytes.len() {
            let cut = Bytes::copy_from_slice(&bytes[..length]);
            assert_eq!(Remembered::from_bytes(&cut), None, "{length}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_not(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _anything = Remembered::from_bytes(&bytes.into());
        }
    }
}
