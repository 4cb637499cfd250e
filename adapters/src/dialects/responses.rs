//! OpenAI's Responses, put together from their parts.
//!
//! Where the upstream speaks them too they are relayed. Elsewhere a conversation is what the request
//! itself holds: what the provider would have to remember (`previous_response_id`, `conversation`,
//! `background`, items by reference) is refused.
//!
//! * [`chat`], [`items`]: a caller's request, read
//! * [`answer`], [`writer`]: neutral answers, written for callers
//! * [`encode`], [`turns`]: requests, written for providers
//! * [`output`], [`events`]: a provider's answers, read
//! * [`relay`]: the same passed on, watched; [`transcript`]: what a caller was sent, read back

use bytes::Bytes;
use isthmus_inference::answer::ChatAnswer;
use isthmus_inference::chat::ChatRequest;
use isthmus_inference::embedding::{EmbeddingAnswer, EmbeddingRequest};
use isthmus_inference::failure::{Failure, Kind};
use isthmus_inference::ident::UpstreamModel;
use isthmus_inference::request::{Operation, Request};
use isthmus_inference::usage::Usage;
use serde_json::json;

use crate::dialect::{
    CallerDialect, ChatDialect, Encoded, Refused, RelayDialect, Stamp, StreamDecoder,
    StreamEncoder, Told, Transcript, Watch,
};
use crate::dialects::openai_request::{self, Quirks, StreamUsage, rewrite};
use crate::dialects::{openai_embeddings, openai_error};

mod answer;
mod chat;
mod encode;
mod events;
mod items;
mod output;
mod relay;
mod sealed;
mod transcript;
mod turns;
mod usage;
mod writer;

/// Responses as callers speak them.
#[derive(Debug)]
pub struct ResponsesCaller;

/// Responses on both sides.
#[derive(Debug)]
pub struct ResponsesRelay;

/// Responses as providers speak them, for callers of another language.
#[derive(Debug)]
pub struct ResponsesChat;

/// Nothing but the model's name changes.
const UNCHANGED: Quirks = Quirks { stream_usage: StreamUsage::Unasked, renames: &[], refused: &[] };

impl CallerDialect for ResponsesCaller {
    fn read(&self, _operation: Operation, body: Bytes) -> Result<Request, Failure> {
        openai_request::decode_responses(body)
    }

    fn chat(&self, request: &Request) -> Result<ChatRequest, Failure> {
        chat::decode(&request.body)
    }

    fn embedding(&self, request: &Request) -> Result<EmbeddingRequest, Failure> {
        openai_embeddings::decode_embedding(&request.body)
    }

    fn answer(&self, request: &Request, answer: &ChatAnswer, stamp: &Stamp<'_>) -> Bytes {
        answer::encode(request, answer, stamp)
    }

    fn vectors(&self, _request: &Request, answer: &EmbeddingAnswer, stamp: &Stamp<'_>) -> Bytes {
        openai_embeddings::encode_embedding_answer(answer, Default::default(), stamp.model)
    }

    fn token_count(&self, tokens: u64) -> Bytes {
        json!({"object": "response.input_tokens", "input_tokens": tokens}).to_string().into()
    }

    fn encoder(&self, request: &Request, stamp: &Stamp<'_>) -> Box<dyn StreamEncoder> {
        Box::new(writer::EventWriter::new(request, stamp))
    }

    fn transcript(&self, _request: &Request) -> Option<Box<dyn Transcript>> {
        Some(Box::new(transcript::EventsSent::new()))
    }

    fn error(&self, told: &Told<'_>) -> Bytes {
        openai_error::encode(told)
    }

    fn id_prefix(&self, _operation: Operation) -> &'static str {
        "resp_"
    }
}

impl RelayDialect for ResponsesRelay {
    fn rewrite(&self, request: &Request, model: &UpstreamModel) -> Result<Encoded, Failure> {
        Ok(Encoded { body: rewrite(request, model, &UNCHANGED), ..Encoded::default() })
    }

    fn usage(&self, _request: &Request, body: &[u8]) -> Result<Option<Usage>, Failure> {
        usage::read_answer(body)
    }

    fn watch(&self, _request: &Request) -> Box<dyn Watch> {
        Box::new(relay::Relay::default())
    }

    fn failure(&self, refused: Refused<'_>) -> Failure {
        openai_error::from_response(refused)
    }
}

impl ChatDialect for ResponsesChat {
    fn encode(
        &self,
        chat: &ChatRequest,
        model: &UpstreamModel,
        stream: bool,
    ) -> Result<Encoded, Failure> {
        encode::encode(chat, model, stream)
    }

    fn decode(&self, body: &[u8]) -> Result<ChatAnswer, Failure> {
        output::decode(body)
    }

    fn decoder(&self) -> Box<dyn StreamDecoder> {
        Box::new(events::EventReader::default())
    }

    fn failure(&self, refused: Refused<'_>) -> Failure {
        openai_error::from_response(refused)
    }

    fn takes_free_text(&self) -> bool {
        true
    }
}

/// A whole answer or an event that is not what it should be.
fn malformed(message: &str) -> Failure {
    Failure::new(Kind::Malformed, message)
}

/// Whether OpenAI serves this model through Responses alone (its model pages, "Endpoints").
pub(crate) fn only(model: &str) -> bool {
    const PREFIXES: [&str; 4] = ["o1-pro", "o3-pro", "codex-", "computer-use"];
    const PARTS: [&str; 2] = ["-codex", "-deep-research"];
    let professional = model.starts_with("gpt-5") && model.contains("-pro");
    professional
        || PREFIXES.iter().any(|prefix| model.starts_with(prefix))
        || PARTS.iter().any(|part| model.contains(part))
}
