//! Amazon's binary event streams (`application/vnd.amazon.eventstream`), cut into messages.
//!
//! A message is its length, the length of its headers and a checksum of both (4 bytes each), the
//! headers, the payload, and a checksum of it all: "Amazon event stream" in the Smithy
//! specification. The SDK's own codec reads the frames; here they are found in what the network
//! brings, within a bound, and their headers become words.

use aws_smithy_eventstream::frame::read_message_from;
use aws_smithy_types::event_stream::{Header, Message as Frame};
use aws_smithy_types::str_bytes::StrBytes;
use bytes::{Bytes, BytesMut};

/// Cuts a stream into messages.
#[derive(Debug)]
pub struct Splitter {
    /// The beginning of a message whose end has not come yet.
    head: BytesMut,
    /// What came last and was not looked at yet.
    read: Bytes,
    largest: usize,
}

/// One message.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    says: Says,
    /// What it carries; for Bedrock a JSON object.
    pub payload: Bytes,
}

/// What a message is, from its headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind<'a> {
    /// A part of the answer: `:message-type` is `event`.
    Event {
        /// `:event-type`, such as `contentBlockDelta`.
        name: &'a str,
    },
    /// An error that the API's model knows: `:message-type` is `exception`.
    Exception {
        /// `:exception-type`, such as `throttlingException`.
        name: &'a str,
    },
    /// Any other error: `:message-type` is `error`. It has no payload.
    Error {
        /// `:error-code`
        code: &'a str,
        /// `:error-message`, empty where there is none.
        message: &'a str,
    },
}

/// Why a stream cannot be read on. Nothing more comes out of its splitter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// A message is larger than allowed.
    #[error("an event stream message is longer than {0} bytes")]
    TooLarge(usize),
    /// A message is not one: a wrong checksum, or lengths that cannot be.
    #[error("an event stream message cannot be read: {0}")]
    Frame(String),
    /// The headers that say what a message is are missing or unknown.
    #[error("an event stream message does not say what it is: {0}")]
    Headers(&'static str),
    /// The stream ended inside a message.
    #[error("the event stream ended in the middle of a message")]
    Cut,
}

/// The headers that matter.
#[derive(Debug, Clone, PartialEq)]
enum Says {
    Event(StrBytes),
    Exception(StrBytes),
    Error(StrBytes, Option<StrBytes>),
}

/// The smallest message: two lengths and two checksums.
const SMALLEST: usize = 16;

// === impl Splitter ===

impl Splitter {
    /// A splitter that gives up at a message of more than `largest` bytes.
    pub fn new(largest: usize) -> Self {
        Self { head: BytesMut::new(), read: Bytes::new(), largest }
    }

    /// Takes in what came from the network. All messages of what came before must have been taken
    /// out.
    pub fn push(&mut self, read: Bytes) {
        debug_assert!(self.read.is_empty(), "take out all messages before pushing more bytes");
        self.read = read;
    }

    /// Takes out the next message, or `None` if more bytes are needed.
    pub fn next_event(&mut self) -> Result<Option<Message>, Malformed> {
        let length = self.length()?;
        let Some(length) = length.filter(|length| *length <= self.head.len() + self.read.len())
        else {
            self.head.extend_from_slice(&self.read);
            self.read = Bytes::new();
            return Ok(None);
        };
        let rest = self.read.split_to(length - self.head.len());
        let frame = if self.head.is_empty() {
            rest
        } else {
            self.head.extend_from_slice(&rest);
            self.head.split().freeze()
        };
        let frame = read_message_from(frame).map_err(|e| Malformed::Frame(e.to_string()))?;
        Message::new(&frame).map(Some)
    }

    /// Says whether the stream, which has ended, ended between two messages.
    pub fn finish(&self) -> Result<(), Malformed> {
        if self.head.is_empty() && self.read.is_empty() { Ok(()) } else { Err(Malformed::Cut) }
    }

    /// The length of the next message, once its first four bytes are here.
    fn length(&self) -> Result<Option<usize>, Malformed> {
        let mut four = [0; 4];
        let mut bytes = self.head.iter().chain(&self.read);
        for byte in &mut four {
            let Some(next) = bytes.next() else { return Ok(None) };
            *byte = *next;
        }
        let length = u32::from_be_bytes(four) as usize;
        if length > self.largest {
            return Err(Malformed::TooLarge(self.largest));
        }
        if length < SMALLEST {
            return Err(Malformed::Frame(format!("it claims to be {length} bytes long")));
        }
        Ok(Some(length))
    }
}

// === impl Message ===

impl Message {
    /// What it is.
    pub fn kind(&self) -> Kind<'_> {
        match &self.says {
            Says::Event(name) => Kind::Event { name: name.as_str() },
            Says::Exception(name) => Kind::Exception { name: name.as_str() },
            Says::Error(code, message) => Kind::Error {
                code: code.as_str(),
                message: message.as_ref().map_or("", StrBytes::as_str),
            },
        }
    }

    fn new(frame: &Frame) -> Result<Self, Malformed> {
        let header = |name| text(frame.headers(), name);
        let named = |name, missing| header(name).ok_or(Malformed::Headers(missing));
        let kind = named(":message-type", "no `:message-type`")?;
        let says = match kind.as_str() {
            "event" => Says::Event(named(":event-type", "no `:event-type`")?),
            "exception" => Says::Exception(named(":exception-type", "no `:exception-type`")?),
            "error" => {
                Says::Error(named(":error-code", "no `:error-code`")?, header(":error-message"))
            }
            _ => return Err(Malformed::Headers("an unknown `:message-type`")),
        };
        Ok(Self { says, payload: frame.payload().clone() })
    }
}

/// The value of a header that is text.
fn text(headers: &[Header], name: &str) -> Option<StrBytes> {
    let header = headers.iter().find(|header| header.name().as_str() == name)?;
    header.value().as_string().ok().cloned()
}

/// Messages on the wire, for the tests of whoever reads them.
#[cfg(test)]
pub(crate) mod wire {
    use aws_smithy_eventstream::frame::write_message_to;
    use aws_smithy_types::event_stream::HeaderValue;

    use super::*;

    /// One message on the wire.
    pub(crate) fn frame(headers: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
        let header = |(name, value): &(&str, &str)| {
            let value = StrBytes::from((*value).to_owned());
            Header::new((*name).to_owned(), HeaderValue::String(value))
        };
        let headers = headers.iter().map(header).collect();
        let frame = Frame::new_from_parts(headers, Bytes::copy_from_slice(payload));
        let mut wire = Vec::new();
        write_message_to(&frame, &mut wire).unwrap();
        wire
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    use super::wire::frame;
    use super::*;

    const LARGEST: usize = 16 << 20;

    fn event(name: &str, payload: &[u8]) -> Vec<u8> {
        frame(&[(":message-type", "event"), (":event-type", name)], payload)
    }

    /// What comes out when the stream arrives in pieces of the given lengths, over and over.
    fn split(stream: &[u8], lengths: &[usize]) -> (Vec<Message>, Result<(), Malformed>) {
        let mut splitter = Splitter::new(LARGEST);
        let (mut messages, mut rest, mut lengths) = (Vec::new(), stream, lengths.iter().cycle());
        while !rest.is_empty() {
            let (piece, after) = rest.split_at((*lengths.next().unwrap()).min(rest.len()));
            splitter.push(Bytes::copy_from_slice(piece));
            loop {
                match splitter.next_event() {
                    Ok(Some(message)) => messages.push(message),
                    Ok(None) => break,
                    Err(error) => return (messages, Err(error)),
                }
            }
            rest = after;
        }
        (messages, splitter.finish())
    }

    /// The recorded streams beside the repository, where there are some.
    fn recordings() -> Vec<(String, Vec<u8>)> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folder = here.join("../../shared/kit/recordings/bedrock");
        let Ok(entries) = fs::read_dir(&folder) else {
            println!("skipped the recorded streams: {} is not there", folder.display());
            return Vec::new();
        };
        let read = |path: &Path| {
            let recording: serde_json::Value =
                serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
            let response = &recording["response"];
            let kind = response["headers"]["content-type"].as_str();
            let body = response["body_base64"].as_str();
            body.filter(|_| kind == Some("application/vnd.amazon.eventstream"))
                .map(|body| (path.display().to_string(), STANDARD.decode(body).unwrap()))
        };
        let streams: Vec<_> = entries.filter_map(|entry| read(&entry.unwrap().path())).collect();
        assert!(streams.len() > 10, "the recordings have changed their shape");
        streams
    }

    #[test]
    fn a_message_says_what_it_is() {
        let cases = [
            (event("messageStop", b"{}"), Kind::Event { name: "messageStop" }),
            (
                frame(
                    &[(":message-type", "exception"), (":exception-type", "throttlingException")],
                    b"{\"message\":\"slow down\"}",
                ),
                Kind::Exception { name: "throttlingException" },
            ),
            (
                frame(
                    &[(":error-code", "500"), (":error-message", "oh"), (":message-type", "error")],
                    b"",
                ),
                Kind::Error { code: "500", message: "oh" },
            ),
            (
                frame(&[(":message-type", "error"), (":error-code", "500")], b""),
                Kind::Error { code: "500", message: "" },
            ),
        ];
        for (wire, expected) in cases {
            let (messages, end) = split(&wire, &[usize::MAX]);
            assert_eq!((messages[0].kind(), end), (expected, Ok(())));
        }
    }

    #[test]
    fn what_says_nothing_is_refused() {
        let cases: [&[(&str, &str)]; 4] = [
            &[],
            &[(":message-type", "event")],
            &[(":message-type", "news"), (":event-type", "x")],
            &[(":event-type", "x")],
        ];
        for headers in cases {
            let (_, end) = split(&frame(headers, b"{}"), &[usize::MAX]);
            assert!(matches!(end, Err(Malformed::Headers(_))), "{headers:?}: {end:?}");
        }
    }

    #[test]
    fn a_length_out_of_bounds_is_refused_at_once() {
        let mut splitter = Splitter::new(100);
        splitter.push(Bytes::from_static(&[0, 0, 0, 101]));
        assert_eq!(splitter.next_event(), Err(Malformed::TooLarge(100)));
        let (_, end) = split(&[0, 0, 0, 15], &[1]);
        assert!(matches!(end, Err(Malformed::Frame(_))), "{end:?}");
    }

    #[test]
    fn a_stream_cut_in_a_message_does_not_end_cleanly() {
        let wire = [event("a", b"1"), event("b", b"2")].concat();
        let first = event("a", b"1").len();
        for length in 0..wire.len() {
            let (_, end) = split(&wire[..length], &[7]);
            let whole = length == 0 || length == first;
            assert_eq!(end, if whole { Ok(()) } else { Err(Malformed::Cut) }, "{length}");
        }
    }

    #[test]
    fn recorded_streams_come_out_whole_however_they_are_cut() {
        for (name, stream) in recordings() {
            let (whole, end) = split(&stream, &[stream.len()]);
            assert_eq!(end, Ok(()), "{name}");
            for message in &whole {
                assert!(serde_json::from_slice::<serde_json::Value>(&message.payload).is_ok());
            }
            proptest!(ProptestConfig::with_cases(8), |(
                lengths in proptest::collection::vec(1usize..300, 1..20),
            )| prop_assert_eq!(&split(&stream, &lengths), &(whole.clone(), Ok(()))));
        }
    }

    proptest! {
        #[test]
        fn own_streams_come_out_whole_however_they_are_cut(
            sent in proptest::collection::vec(
                ("[a-zA-Z]{1,20}", proptest::collection::vec(any::<u8>(), 0..100)), 0..8,
            ),
            lengths in proptest::collection::vec(1usize..60, 1..20),
        ) {
            let wire: Vec<_> = sent.iter().flat_map(|(name, load)| event(name, load)).collect();
            let (messages, end) = split(&wire, &lengths);
            prop_assert_eq!(end, Ok(()));
            prop_assert_eq!(messages.len(), sent.len());
            for (message, (name, payload)) in messages.iter().zip(&sent) {
                prop_assert_eq!(message.kind(), Kind::Event { name });
                prop_assert_eq!(&message.payload, payload);
            }
        }

        #[test]
        fn a_changed_byte_is_an_error(
            payload in proptest::collection::vec(any::<u8>(), 0..50),
            at in any::<prop::sample::Index>(),
            change in 1u8..,
        ) {
            let mut wire = event("contentBlockDelta", &payload);
            let at = at.index(wire.len());
            wire[at] ^= change;
            let (messages, end) = split(&wire, &[9]);
            prop_assert!(messages.is_empty() && end.is_err());
        }

        #[test]
        fn any_headers_under_right_checksums_are_read_or_refused(
            headers in headers(),
            claimed in prop_oneof![Just(None), (0u32..60).prop_map(Some)],
            payload in proptest::collection::vec(any::<u8>(), 0..40),
        ) {
            let claimed = claimed.unwrap_or(u32::try_from(headers.len()).unwrap());
            let length = u32::try_from(16 + headers.len() + payload.len()).unwrap();
            let mut wire = [length.to_be_bytes(), claimed.to_be_bytes()].concat();
            wire.extend(crc32(&wire).to_be_bytes());
            wire.extend(headers.iter().chain(&payload));
            wire.extend(crc32(&wire).to_be_bytes());
            // It must not panic, and nothing of this is a whole message but by a miracle.
            prop_assert!(split(&wire, &[11]).1.is_err());
        }
    }

    /// Header blocks: anything, and what begins like headers of every type.
    fn headers() -> impl Strategy<Value = Vec<u8>> {
        let bytes = |most| proptest::collection::vec(any::<u8>(), 0..most);
        let header = (0u8..3, 0u8..11, bytes(20)).prop_map(|(name, kind, value)| {
            [&[name], &b"ab"[..usize::from(name)], &[kind], &value].concat()
        });
        prop_oneof![bytes(40), proptest::collection::vec(header, 0..3).prop_map(|all| all.concat())]
    }

    /// The checksum of Ethernet and zip, bit by bit.
    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc: u32, _| {
                (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg())
            })
        })
    }
}
