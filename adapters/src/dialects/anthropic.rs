//! Anthropic's Messages, on both sides.
//!
//! * `encode` with `turns`, `blocks`, `tools`, `schema`, `thinking`, `betas`: requests for providers;
//!   `models` knows what each model takes
//! * `decode` with `opened`, `usage`, `finish`: their answers
//! * `read`, `asked`: requests of callers; `answer`, `stream`: what they are answered
//! * `relay`: the same language on both sides
//! * `transcript`: what a caller was sent, read back where another endpoint goes on
//! * `replay`: what other vendors want to see again, carried through the hands of this one's clients
//! * `error`: what went wrong, read and written

use bytes::Bytes;
use isthmus_inference::answer::ChatAnswer;
use isthmus_inference::chat::ChatRequest;
use isthmus_inference::embedding::{EmbeddingAnswer, EmbeddingRequest};
use isthmus_inference::failure::{Failure, Kind};
use isthmus_inference::ident::UpstreamModel;
use isthmus_inference::request::{Dialect, Operation, Request};
use isthmus_inference::usage::Usage;
use serde_json::json;

use crate::dialect::{
    CallerDialect, ChatDialect, Encoded, Refused, RelayDialect, Stamp, StreamDecoder,
    StreamEncoder, Told, Transcript, Watch,
};

mod answer;
mod asked;
mod betas;
mod blocks;
mod decode;
mod encode;
mod error;
mod finish;
pub(in crate::dialects) mod models;
mod opened;
mod read;
mod relay;
mod replay;
pub(in crate::dialects) mod schema;
mod stream;
pub(in crate::dialects) mod thinking;
mod tools;
mod transcript;
mod turns;
mod usage;

/// Where the API is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    /// At the vendor itself.
    Direct,
    /// At Google's Vertex AI: the URL names the model, and a member of the body the version (Google's
    /// page "Use Claude models").
    Vertex,
}

/// Anthropic's Messages as providers speak them.
#[derive(Debug)]
pub struct AnthropicChat {
    /// Where they are spoken.
    pub flavour: Flavour,
}

/// Anthropic's Messages as callers speak them.
#[derive(Debug)]
pub struct AnthropicCaller;

/// Anthropic's Messages on both sides.
#[derive(Debug)]
pub struct AnthropicRelay {
    /// Where they are spoken.
    pub flavour: Flavour,
}

impl AnthropicRelay {
    /// Whether a request can be relayed as it is: it is in this dialect, and carries nothing through
    /// the caller's hands that only the house can read.
    pub fn takes(request: &Request) -> bool {
        request.dialect == Dialect::Anthropic
            && matches!(request.operation, Operation::Chat | Operation::CountTokens)
            && memchr::memmem::find(&request.body, replay::MARK.as_bytes()).is_none()
    }
}

impl Flavour {
    /// The version as a member of the body, where it is one.
    fn version_member(self) -> Option<&'static str> {
        (self == Self::Vertex).then_some("vertex-2023-10-16")
    }

    /// Whether the body names the model.
    fn names_model(self) -> bool {
        self == Self::Direct
    }
}

impl ChatDialect for AnthropicChat {
    fn encode(
        &self,
        chat: &ChatRequest,
        model: &UpstreamModel,
        stream: bool,
    ) -> Result<Encoded, Failure> {
        encode::encode(chat, model, stream, self.flavour)
    }

    fn decode(&self, body: &[u8]) -> Result<ChatAnswer, Failure> {
        decode::decode(body)
    }

    fn decoder(&self) -> Box<dyn StreamDecoder> {
        Box::new(decode::Decoder::new())
    }

    fn failure(&self, refused: Refused<'_>) -> Failure {
        error::of_response(refused)
    }

    fn continues(&self, chat: &ChatRequest, model: &UpstreamModel) -> bool {
        // A turn that is gone on with has no place for a thought before it.
        let thinks = chat.reasoning.is_asked() && !chat.reasoning.is_off();
        models::Abilities::of(model.as_str()).continues && !thinks
    }

    fn fetches(&self, url: &str) -> bool {
        // Over TLS alone, and not on Vertex.
        self.flavour == Flavour::Direct && url.starts_with("https://")
    }
}

impl RelayDialect for AnthropicRelay {
    fn rewrite(&self, request: &Request, model: &UpstreamModel) -> Result<Encoded, Failure> {
        relay::rewrite(request, model, self.flavour)
    }

    fn usage(&self, request: &Request, body: &[u8]) -> Result<Option<Usage>, Failure> {
        relay::usage(request, body)
    }

    fn watch(&self, _request: &Request) -> Box<dyn Watch> {
        Box::new(relay::Relay::new())
    }

    fn failure(&self, refused: Refused<'_>) -> Failure {
        error::of_response(refused)
    }
}

impl CallerDialect for AnthropicCaller {
    fn read(&self, operation: Operation, body: Bytes) -> Result<Request, Failure> {
        read::read(operation, body)
    }

    fn chat(&self, request: &Request) -> Result<ChatRequest, Failure> {
        asked::chat(request)
    }

    fn embedding(&self, _request: &Request) -> Result<EmbeddingRequest, Failure> {
        Err(Failure::new(Kind::Unsupported, "there are no embeddings in Anthropic's language"))
    }

    fn answer(&self, _request: &Request, answer: &ChatAnswer, stamp: &Stamp<'_>) -> Bytes {
        answer::write(answer, stamp)
    }

    fn vectors(&self, _request: &Request, _answer: &EmbeddingAnswer, _stamp: &Stamp<'_>) -> Bytes {
        // Nobody can have asked for them.
        Bytes::from_static(b"{}")
    }

    fn token_count(&self, tokens: u64) -> Bytes {
        json!({ "input_tokens": tokens }).to_string().into()
    }

    fn encoder(&self, _request: &Request, stamp: &Stamp<'_>) -> Box<dyn StreamEncoder> {
        Box::new(stream::Writer::new(stamp))
    }

    fn transcript(&self, _request: &Request) -> Option<Box<dyn Transcript>> {
        Some(Box::new(transcript::EventsSent::new()))
    }

    fn error(&self, told: &Told<'_>) -> Bytes {
        error::write(told)
    }

    fn id_prefix(&self, _operation: Operation) -> &'static str {
        "msg_"
    }
}
