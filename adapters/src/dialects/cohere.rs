//! Cohere's v2: chat and embeddings, as providers speak them (the vendor's Python SDK, `cohere.v2` and
//! `cohere.types`).
//!
//! * `encode` with `turns`: requests for chats; `embed`: embeddings, both ways
//! * `decode` with `usage`: answers; `error`: what went wrong

use http::HeaderMap;
use isthmus_inference::answer::ChatAnswer;
use isthmus_inference::chat::ChatRequest;
use isthmus_inference::embedding::{EmbeddingAnswer, EmbeddingRequest};
use isthmus_inference::failure::Failure;
use isthmus_inference::ident::UpstreamModel;

use crate::dialect::{ChatDialect, EmbeddingDialect, Encoded, Refused, StreamDecoder};

mod decode;
mod embed;
mod encode;
mod error;
mod turns;
mod usage;

/// Cohere's chat.
#[derive(Debug)]
pub struct CohereChat;

/// Cohere's embeddings.
#[derive(Debug)]
pub struct CohereEmbed;

impl ChatDialect for CohereChat {
    fn encode(
        &self,
        chat: &ChatRequest,
        model: &UpstreamModel,
        stream: bool,
    ) -> Result<Encoded, Failure> {
        encode::encode(chat, model, stream)
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
}

impl EmbeddingDialect for CohereEmbed {
    fn encode(
        &self,
        request: &EmbeddingRequest,
        model: &UpstreamModel,
    ) -> Result<Encoded, Failure> {
        embed::encode(request, model)
    }

    fn decode(&self, _headers: &HeaderMap, body: &[u8]) -> Result<EmbeddingAnswer, Failure> {
        embed::decode(body)
    }

    fn most_inputs(&self) -> usize {
        embed::MOST_TEXTS
    }

    fn failure(&self, refused: Refused<'_>) -> Failure {
        error::of_response(refused)
    }
}
