//! OpenAI's chat completions as providers speak them, for callers who speak something else.
//!
//! Every provider that speaks them does so a little differently; a [`Style`] says how. What callers
//! write in this language themselves is relayed instead ([`openai_relay`](super::openai_relay)),
//! save to providers whose requests or answers differ too much, such as Mistral.

use isthmus_inference::answer::ChatAnswer;
use isthmus_inference::chat::ChatRequest;
use isthmus_inference::failure::Failure;
use isthmus_inference::ident::UpstreamModel;

use crate::dialect::{ChatDialect, Encoded, Refused, StreamDecoder};
use crate::dialects::openai_error;

mod decode;
mod encode;
mod said;
mod stream;
mod style;
mod turns;

pub(crate) use encode::{effort_of, unsupported};
pub(crate) use style::{COMMON_EFFORTS, nearest, openai_efforts, reasons};
pub use style::{
    COMPATIBLE, Continuation, Documents, OPENAI, REASONING, Style, Thinking, Thoughts,
};
pub(crate) use turns::{closest_detail, plain_text, said_document};

/// Chat completions in one provider's style.
#[derive(Debug)]
pub struct OpenAiChat {
    /// How the provider differs.
    pub style: Style,
}

impl ChatDialect for OpenAiChat {
    fn encode(
        &self,
        chat: &ChatRequest,
        model: &UpstreamModel,
        stream: bool,
    ) -> Result<Encoded, Failure> {
        encode::encode(&self.style, chat, model, stream)
    }

    fn of_reasoning_model(&self) -> Option<&'static dyn ChatDialect> {
        const REASONING_MODEL: OpenAiChat = OpenAiChat { style: REASONING };
        self.style.openai_models.then_some(&REASONING_MODEL as &dyn ChatDialect)
    }

    fn decode(&self, body: &[u8]) -> Result<ChatAnswer, Failure> {
        decode::decode(body)
    }

    fn decoder(&self) -> Box<dyn StreamDecoder> {
        Box::new(stream::ChunkReader::default())
    }

    fn failure(&self, refused: Refused<'_>) -> Failure {
        openai_error::from_response(refused)
    }

    fn continues(&self, _chat: &ChatRequest, _model: &UpstreamModel) -> bool {
        self.style.continuation != Continuation::Unknown
    }

    fn takes_free_text(&self) -> bool {
        self.style.openai_models
    }

    fn fetches(&self, url: &str) -> bool {
        self.style.fetches && (url.starts_with("https:") || url.starts_with("http:"))
    }
}
