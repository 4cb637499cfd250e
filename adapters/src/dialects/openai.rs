//! OpenAI's chat, legacy completions and embeddings, put together from their parts.

use bytes::Bytes;
use isthmus_inference::answer::ChatAnswer;
use isthmus_inference::chat::ChatRequest;
use isthmus_inference::embedding::{EmbeddingAnswer, EmbeddingRequest};
use isthmus_inference::failure::Failure;
use isthmus_inference::ident::UpstreamModel;
use isthmus_inference::request::{Operation, Request};
use isthmus_inference::usage::Usage;
use serde_json::json;

use crate::adapter::Piece;
use crate::dialect::{
    CallerDialect, Encoded, Refused, RelayDialect, Stamp, StreamEncoder, Told, Transcript, Watch,
};
use crate::dialects::openai_relay::Relay;
use crate::dialects::openai_request::{self, Quirks, choices, rewrite};
use crate::dialects::openai_stream::ChunkWriter;
use crate::dialects::openai_transcript::ChunksSent;
use crate::dialects::{
    openai_answer, openai_chat, openai_completions, openai_embeddings, openai_error, openai_usage,
};

/// OpenAI's language as callers speak it.
#[derive(Debug)]
pub struct OpenAiCaller;

/// OpenAI's language on both sides.
#[derive(Debug)]
pub struct OpenAiRelay {
    /// What the upstream must be sent otherwise than the caller wrote it.
    pub quirks: Quirks,
}

impl CallerDialect for OpenAiCaller {
    fn read(&self, operation: Operation, body: Bytes) -> Result<Request, Failure> {
        openai_request::decode(operation, body)
    }

    fn chat(&self, request: &Request) -> Result<ChatRequest, Failure> {
        match request.operation {
            Operation::Completion => openai_completions::decode_completion(&request.body),
            _ => openai_chat::decode_chat(&request.body),
        }
    }

    fn embedding(&self, request: &Request) -> Result<EmbeddingRequest, Failure> {
        openai_embeddings::decode_embedding(&request.body)
    }

    fn answer(&self, request: &Request, answer: &ChatAnswer, stamp: &Stamp<'_>) -> Bytes {
        match request.operation {
            Operation::Completion => openai_completions::encode_completion_answer(answer, stamp),
            _ => openai_answer::encode_chat_answer(answer, stamp),
        }
    }

    fn vectors(&self, request: &Request, answer: &EmbeddingAnswer, stamp: &Stamp<'_>) -> Bytes {
        // Whoever made the vectors has read the same body without complaint.
        let encoding = self.embedding(request).map(|request| request.encoding).unwrap_or_default();
        openai_embeddings::encode_embedding_answer(answer, encoding, stamp.model)
    }

    fn token_count(&self, tokens: u64) -> Bytes {
        json!({ "input_tokens": tokens }).to_string().into()
    }

    fn encoder(&self, request: &Request, stamp: &Stamp<'_>) -> Box<dyn StreamEncoder> {
        Box::new(ChunkWriter::new(request.operation, stamp, request.usage_wanted))
    }

    fn transcript(&self, request: &Request) -> Option<Box<dyn Transcript>> {
        (request.operation == Operation::Chat).then(|| Box::new(ChunksSent::new()) as Box<_>)
    }

    fn error(&self, told: &Told<'_>) -> Bytes {
        openai_error::encode(told)
    }

    fn id_prefix(&self, operation: Operation) -> &'static str {
        if operation == Operation::Completion { "cmpl-" } else { "chatcmpl-" }
    }
}

impl RelayDialect for OpenAiRelay {
    fn rewrite(&self, request: &Request, model: &UpstreamModel) -> Result<Encoded, Failure> {
        Ok(Encoded { body: rewrite(request, model, &self.quirks), ..Encoded::default() })
    }

    fn usage(&self, _request: &Request, body: &[u8]) -> Result<Option<Usage>, Failure> {
        openai_usage::read_answer(body)
    }

    fn watch(&self, request: &Request) -> Box<dyn Watch> {
        Box::new(Relay::new(choices(request)))
    }

    fn failure(&self, refused: Refused<'_>) -> Failure {
        openai_error::from_response(refused)
    }
}

impl Watch for Relay {
    fn push(&mut self, read: Bytes) -> Result<(), Failure> {
        Self::push(self, read)
    }

    fn end(&mut self) -> Result<(), Failure> {
        Self::end(self)
    }

    fn next_piece(&mut self) -> Option<Piece> {
        Self::next_piece(self)
    }

    fn is_over(&self) -> bool {
        Self::is_over(self)
    }
}
