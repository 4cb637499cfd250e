//! What a wire format can do, on each side of the house. All of it is pure: bytes in, bytes out.
//!
//! A provider's side writes requests and reads answers ([`ChatDialect`], [`EmbeddingDialect`]); a
//! caller's side reads requests and writes answers ([`CallerDialect`]). Between them stand the neutral
//! forms of `isthmus_inference`, so that N formats of callers and M of providers take N + M
//! conversions. Where both sides speak the same, a [`RelayDialect`] passes the bytes on instead.

use std::time::SystemTime;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use isthmus_inference::answer::ChatAnswer;
use isthmus_inference::chat::ChatRequest;
use isthmus_inference::embedding::{EmbeddingAnswer, EmbeddingRequest};
use isthmus_inference::failure::Failure;
use isthmus_inference::ident::UpstreamModel;
use isthmus_inference::request::{Operation, Request};
use isthmus_inference::stream::Event;
use isthmus_inference::usage::Usage;

use crate::adapter::Piece;
use crate::pieces::Pieces;

// === the provider's side ===

/// A chat format as providers speak it.
pub trait ChatDialect: Send + Sync + 'static {
    /// Writes a request. What the format cannot carry and the answer depends on is a failure of kind
    /// `Unsupported` that names the field; what is only a wish is left out and listed in
    /// [`Encoded::dropped`].
    fn encode(
        &self,
        chat: &ChatRequest,
        model: &UpstreamModel,
        stream: bool,
    ) -> Result<Encoded, Failure>;

    /// The same format for a model that is known to think though its name may not tell, where that
    /// makes a difference.
    fn of_reasoning_model(&self) -> Option<&'static dyn ChatDialect> {
        None
    }

    /// Reads a whole answer that came with a status of success.
    fn decode(&self, body: &[u8]) -> Result<ChatAnswer, Failure>;

    /// A reader for one streamed answer.
    fn decoder(&self) -> Box<dyn StreamDecoder>;

    /// The same for the answer to this request, where what it asks for tells how little must be kept.
    fn decoder_for(&self, _chat: &ChatRequest) -> Box<dyn StreamDecoder> {
        self.decoder()
    }

    /// Reads an answer that came with any other status.
    fn failure(&self, refused: Refused<'_>) -> Failure;

    /// Whether the provider fetches this kind of media from an address by itself. What it does not,
    /// the house fetches before it encodes.
    fn fetches(&self, _url: &str) -> bool {
        true
    }

    /// Whether this model goes on with a turn of the assistant's that was begun
    /// ([`ChatRequest::continued`]), as this request asks for it. Where not, [`encode`](Self::encode) is
    /// never given one.
    fn continues(&self, _chat: &ChatRequest, _model: &UpstreamModel) -> bool {
        false
    }

    /// Whether it has a word for tools that take free text. Where not, [`encode`](Self::encode) is given
    /// functions in their place ([`crate::free_text`]).
    fn takes_free_text(&self) -> bool {
        false
    }

    /// What providers of this format accept where they are asked to stream.
    fn stream_type(&self) -> &'static str {
        "text/event-stream"
    }
}

/// A format for embeddings as providers speak it.
pub trait EmbeddingDialect: Send + Sync + 'static {
    /// Writes a request.
    fn encode(&self, request: &EmbeddingRequest, model: &UpstreamModel)
    -> Result<Encoded, Failure>;

    /// Reads the answer. `headers` are the response's: Bedrock counts tokens there.
    fn decode(&self, headers: &HeaderMap, body: &[u8]) -> Result<EmbeddingAnswer, Failure>;

    /// How many inputs one call may have. More are sent in several calls at once.
    fn most_inputs(&self) -> usize {
        usize::MAX
    }

    /// Reads an answer that came with any other status.
    fn failure(&self, refused: Refused<'_>) -> Failure;
}

/// A request, written.
#[derive(Debug, Default)]
pub struct Encoded {
    /// The body.
    pub body: Pieces,
    /// Headers that belong to this request (`anthropic-beta` …).
    pub headers: HeaderMap,
    /// The fields of the caller's request that were left out, by the caller's names.
    pub dropped: Vec<String>,
    /// The function that stands for the answer's format, where the provider has no format of its own:
    /// the arguments of a call to it are the answer's text.
    pub format_tool: Option<&'static str>,
}

/// An answer with an error's status.
#[derive(Debug, Clone)]
pub struct Refused<'a> {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The body, bounded, the house's secrets struck out.
    pub body: Bytes,
    /// The provider's id for the exchange.
    pub request_id: Option<String>,
    /// Against which a date in `retry-after` counts.
    pub now: SystemTime,
}

/// Reads one streamed answer.
pub trait StreamDecoder: Send {
    /// Takes in bytes as the network cut them, and adds what they tell to `events`. What was
    /// understood before a failure stays in `events`.
    fn push(&mut self, read: Bytes, events: &mut Vec<Event>) -> Result<(), Failure>;

    /// The network has nothing more. A stream that did not say that it was complete is a failure.
    fn end(&mut self, events: &mut Vec<Event>) -> Result<(), Failure>;

    /// Whether the provider said that this was all; [`Event::Usage`] was the last event then.
    fn is_over(&self) -> bool;
}

/// Passes bytes on where both sides speak the same.
pub trait RelayDialect: Send + Sync + 'static {
    /// Writes the request: the caller's own bytes with few of them changed.
    fn rewrite(&self, request: &Request, model: &UpstreamModel) -> Result<Encoded, Failure>;

    /// What a whole answer says that it took; an error in an answer's place is the failure it names.
    fn usage(&self, request: &Request, body: &[u8]) -> Result<Option<Usage>, Failure>;

    /// Watches one streamed answer while it passes.
    fn watch(&self, request: &Request) -> Box<dyn Watch>;

    /// Reads an answer that came with an error's status.
    fn failure(&self, refused: Refused<'_>) -> Failure;
}

/// Turns what the network brings into pieces of an answer.
pub trait Watch: Send {
    /// Takes in one read from the network. What was understood before a failure can still be taken
    /// out.
    fn push(&mut self, read: Bytes) -> Result<(), Failure>;

    /// Tells that the network has nothing more. Pieces may follow, [`Piece::Done`] last.
    fn end(&mut self) -> Result<(), Failure>;

    /// Takes out the next piece.
    fn next_piece(&mut self) -> Option<Piece>;

    /// Whether the upstream has said that this was all.
    fn is_over(&self) -> bool;
}

// === the caller's side ===

/// A format as callers speak it.
pub trait CallerDialect: Send + Sync + 'static {
    /// Reads just enough of a request to route it.
    fn read(&self, operation: Operation, body: Bytes) -> Result<Request, Failure>;

    /// Reads a chat (or legacy completion, or the chat whose tokens are to be counted) in full.
    fn chat(&self, request: &Request) -> Result<ChatRequest, Failure>;

    /// Reads a wish for embeddings in full.
    fn embedding(&self, request: &Request) -> Result<EmbeddingRequest, Failure>;

    /// Writes a whole answer.
    fn answer(&self, request: &Request, answer: &ChatAnswer, stamp: &Stamp<'_>) -> Bytes;

    /// Writes vectors.
    fn vectors(&self, request: &Request, answer: &EmbeddingAnswer, stamp: &Stamp<'_>) -> Bytes;

    /// Writes a number of tokens (Anthropic's `count_tokens`).
    fn token_count(&self, tokens: u64) -> Bytes;

    /// A writer for one streamed answer.
    fn encoder(&self, request: &Request, stamp: &Stamp<'_>) -> Box<dyn StreamEncoder>;

    /// A reader of what a caller is sent of the streamed answer to this request; `None` where no
    /// stream of its kind can be gone on with.
    fn transcript(&self, request: &Request) -> Option<Box<dyn Transcript>>;

    /// Writes a failure. An upstream's own error in this format passes as it came.
    fn error(&self, told: &Told<'_>) -> Bytes;

    /// What the ids of answers begin with, such as `chatcmpl-`.
    fn id_prefix(&self, operation: Operation) -> &'static str;
}

/// What every answer, and every chunk of a streamed one, says of itself.
#[derive(Debug, Clone, Copy)]
pub struct Stamp<'a> {
    /// Like `chatcmpl-…` or `msg_…`.
    pub id: &'a str,
    /// Seconds since 1970.
    pub created: u64,
    /// The model, by the name that the caller is to see.
    pub model: &'a str,
}

/// A failure as it is to be told.
#[derive(Debug, Clone, Copy)]
pub struct Told<'a> {
    /// The failure; its status is the one that the answer has, or would have had before the stream
    /// began.
    pub failure: &'a Failure,
    /// The house's id of the exchange.
    pub request_id: &'a str,
}

/// Writes one streamed answer.
pub trait StreamEncoder: Send {
    /// The server-sent events for what happened; empty if the caller need not know of it.
    fn encode(&mut self, event: &Event) -> Bytes;

    /// Whether the writer has room for more. One that must keep what it wrote has a limit, and a
    /// stream that reaches it is a failure.
    fn room(&self) -> Result<(), Failure> {
        Ok(())
    }

    /// The events that end the stream, after [`Event::Usage`] was encoded.
    fn done(&mut self) -> Bytes;

    /// The event that ends a stream which broke. It must not look like a clean end.
    fn failed(&mut self, told: &Told<'_>) -> Bytes;
}

/// Reads back what a caller was sent of a streamed answer, so that another endpoint can go on with it
/// where the first one broke off, and the caller sees one answer.
pub trait Transcript: Send {
    /// Takes in whole events, as they were sent.
    fn read(&mut self, events: Bytes);

    /// All that was said, if that is the beginning of one plain text and nothing else; `None` as soon
    /// as there is more to it: a call, a thought, a second choice, an end.
    fn text(&self) -> Option<&str>;

    /// A writer that goes on behind the events that were read.
    fn writer(&self, request: &Request, stamp: &Stamp<'_>) -> Box<dyn StreamEncoder>;
}
