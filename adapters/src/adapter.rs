//! The seam: whatever can answer a call does it through [`Adapter`].

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use isthmus_inference::answer::ChatAnswer;
use isthmus_inference::chat::{AnswerFormat, ChatRequest, Message, Prompt, Role};
use isthmus_inference::embedding::EmbeddingAnswer;
use isthmus_inference::failure::{Failure, Kind};
use isthmus_inference::ident::UpstreamModel;
use isthmus_inference::request::Request;
use isthmus_inference::stream::Event;
use isthmus_inference::usage::Usage;

use crate::tokens::{Tokenizer, Vocabulary};

/// One account at one provider (or the engine in this process), ready to be called.
///
/// Dropping the future, or the stream that it returned, cancels the call upstream.
pub trait Adapter: Send + Sync + 'static {
    /// Calls once. Retries, fallbacks and deadlines over several attempts are the caller's affair.
    fn call(&self, attempt: Attempt) -> BoxFuture<'_, Result<Answer, Failure>>;

    /// Whether it can be asked to go on with an answer that somebody else began
    /// ([`Attempt::beginning`]); which of its models can is known only when they are asked.
    fn continues(&self) -> bool {
        false
    }

    /// The tokenizer of one of its models, where that is known.
    fn tokenizer(&self, model: &UpstreamModel) -> Option<Arc<dyn Tokenizer>> {
        Vocabulary::of(model).map(|vocabulary| Arc::new(vocabulary) as Arc<dyn Tokenizer>)
    }

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
    /// What the caller was told before another endpoint broke off. With it the answer always comes in
    /// neutral events, never relayed: it has to fit behind what was sent.
    pub beginning: Option<Arc<Beginning>>,
}

/// The beginning of an answer that is to be gone on with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Beginning {
    /// The text, without spaces at its end, which some providers refuse; empty if nothing was said.
    pub text: String,
    /// How many tokens it took, roughly: they count against the caller's limit.
    pub tokens: u32,
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
pub enum Answer {
    /// All of it; boxed, since it is handed on through every stage.
    Whole(Box<Whole>),
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

// === impl Answer ===

impl From<Whole> for Answer {
    fn from(whole: Whole) -> Self {
        Self::Whole(Box::new(whole))
    }
}

// === impl Whole ===

impl Whole {
    /// An answer that has no id at an upstream, to a request of which nothing was left out.
    pub fn new(content: Content, usage: Usage) -> Self {
        Self { content, usage, upstream_request_id: None, dropped: vec![] }
    }
}

// === impl Beginning ===

impl Beginning {
    /// Makes a chat one that goes on from here. What cannot be gone on with is `Unsupported`: several
    /// answers, and a shape that whoever goes on would begin anew.
    pub fn put_into(&self, chat: &mut ChatRequest) -> Result<(), Failure> {
        if self.text.is_empty() {
            return Ok(());
        }
        let refused = |param: &str, what: &str| {
            let message = format!("{what} cannot be gone on with by another endpoint");
            Err(Failure::new(Kind::Unsupported, message).with_param(param))
        };
        if chat.wanted_choices() > 1 {
            return refused("n", "several answers");
        }
        if chat.format != AnswerFormat::Text {
            return refused("response_format", "an answer of a prescribed shape");
        }
        let Prompt::Messages(messages) = &mut chat.prompt else {
            return refused("prompt", "plain text");
        };
        // Of a turn that the caller began himself nobody could tell where the answer began.
        if messages.last().is_some_and(|last| last.role == Role::Assistant) {
            return refused("messages", "a turn that the caller began");
        }
        messages.push(Message::text(Role::Assistant, self.text.as_str()));
        chat.continued = true;
        if let Some(limit) = &mut chat.sampling.max_tokens {
            *limit = limit.saturating_sub(self.tokens).max(1);
        }
        Ok(())
    }
}
