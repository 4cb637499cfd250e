//! The seam: whatever can answer a call does it through [`Adapter`].

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use isthmus_inference::answer::ChatAnswer;
use isthmus_inference::embedding::EmbeddingAnswer;
use isthmus_inference::failure::Failure;
use isthmus_inference::ident::UpstreamModel;
use isthmus_inference::request::Request;
use isthmus_inference::stream::Event;
use isthmus_inference::usage::Usage;

/// One account at one provider (or the engine in this process), ready to be called.
///
/// Dropping the future, or the stream that it returned, cancels the call upstream.
pub trait Adapter: Send + Sync + 'static {
    /// Calls once. Retries, fallbacks and deadlines over several attempts are the caller's affair.
    fn call(&self, attempt: Attempt) -> BoxFuture<'_, Result<Answer, Failure>>;

    /// The models that this account may use, by the upstream's names.
    fn models(&self) -> BoxFuture<'_, Result<Vec<String>, Failure>>;
}

/// One try at one endpoint.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// What is asked.
    pub request: Arc<Request>,
    /// The name by which the upstream knows the model.
    pub model: UpstreamModel,
    /// Whether its endpoint's `capabilities` say that it thinks, whatever its name tells.
    pub reasons: bool,
    /// How long each phase may take.
    pub timeouts: Timeouts,
}

/// How long each phase of one attempt may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Name resolution, TCP and TLS.
    pub connect: Duration,
    /// From sending the request to the first byte of the answer.
    pub first_byte: Duration,
    /// Between two pieces of a stream.
    pub between_chunks: Duration,
    /// The whole attempt.
    pub total: Duration,
}

/// What came back. The attempt succeeded so far: a stream may still fail.
#[expect(
    clippy::large_enum_variant,
    reason = "moved a few times a call, which a box would cost more than"
)]
pub enum Answer {
    /// All of it.
    Whole(Whole),
    /// Piece by piece.
    Stream(AnswerStream),
}

/// A whole answer.
#[derive(Debug)]
pub struct Whole {
    /// The answer itself.
    pub content: Content,
    /// What it took.
    pub usage: Usage,
    /// The upstream's own id for the exchange.
    pub upstream_request_id: Option<String>,
    /// The fields of the request that the endpoint has no word for and that were left out.
    pub dropped: Vec<String>,
}

/// A whole answer, in the caller's language or in nobody's.
#[derive(Debug)]
pub enum Content {
    /// Bytes in the caller's dialect, to be passed on as they came.
    Relay(Bytes),
    /// A completion, to be rendered.
    Chat(ChatAnswer),
    /// Vectors, to be rendered.
    Embedding(EmbeddingAnswer),
    /// How many tokens a chat would take as input.
    TokenCount(u64),
}

/// An answer that comes in pieces.
pub struct AnswerStream {
    /// The pieces. The stream ends after [`Piece::Done`] or after an error; if it ends otherwise,
    /// that is a defect of the adapter.
    pub pieces: BoxStream<'static, Result<Piece, Failure>>,
    /// The upstream's own id for the exchange.
    pub upstream_request_id: Option<String>,
    /// The fields of the request that the endpoint has no word for and that were left out.
    pub dropped: Vec<String>,
}

/// A piece of a streamed answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Piece {
    /// One or more whole server-sent events in the caller's dialect, byte for byte as they came.
    Relay(Bytes),
    /// The event in which the upstream reports its usage, byte for byte as it came.
    Usage {
        /// What it says.
        usage: Usage,
        /// The whole server-sent event.
        event: Bytes,
        /// It says nothing else (OpenAI's last chunk, without choices), so that a caller who did
        /// not ask for usage need not see it.
        only_usage: bool,
        /// It is not the last word: Anthropic counts the prompt at the start and the rest at the end.
        so_far: bool,
    },
    /// A neutral event, to be rendered.
    Event(Event),
    /// The upstream said that this was all; with its own closing event (`data: [DONE]`), byte for
    /// byte, where its dialect has one.
    Done {
        /// The closing event.
        event: Option<Bytes>,
    },
}
