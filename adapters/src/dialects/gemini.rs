//! Google's Gemini, as AI Studio (`generativelanguage.googleapis.com`) and Vertex AI
//! (`aiplatform.googleapis.com`) speak it: `generateContent`, `streamGenerateContent` and embeddings.
//!
//! Wire facts come from Google's discovery document of `aiplatform` v1, the types of the SDK
//! `google-genai` 3.4, and the guides at `ai.google.dev/gemini-api/docs` and
//! `docs.cloud.google.com/vertex-ai/generative-ai/docs`.

use isthmus_inference::answer::ChatAnswer;
use isthmus_inference::chat::ChatRequest;
use isthmus_inference::failure::Failure;
use isthmus_inference::ident::UpstreamModel;

use crate::dialect::{ChatDialect, Encoded, Refused, StreamDecoder};

mod answer;
mod calls;
mod contents;
mod embeddings;
mod error;
mod extras;
mod generation;
mod media;
mod model;
mod request;
mod schema;
mod sources;
mod stream;
mod tools;
mod usage;
mod wire;

pub use embeddings::{BatchEmbeddings, PredictEmbeddings, SingleEmbedding};

/// Chats as Gemini speaks them.
#[derive(Debug)]
pub struct GeminiChat {
    /// Where it is spoken.
    pub flavour: Flavour,
}

/// Which of Google's two services: they differ in a few members of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    /// AI Studio's, the "Gemini Developer API".
    Studio,
    /// Vertex AI.
    Vertex,
}

impl ChatDialect for GeminiChat {
    fn encode(
        &self,
        chat: &ChatRequest,
        model: &UpstreamModel,
        _stream: bool,
    ) -> Result<Encoded, Failure> {
        request::encode(chat, model, self.flavour)
    }

    fn decode(&self, body: &[u8]) -> Result<ChatAnswer, Failure> {
        answer::decode(body)
    }

    fn decoder(&self) -> Box<dyn StreamDecoder> {
        Box::new(stream::Decoder::new(true))
    }

    /// Sources are named where something was looked for; other answers need not be kept for them.
    fn decoder_for(&self, chat: &ChatRequest) -> Box<dyn StreamDecoder> {
        Box::new(stream::Decoder::new(tools::look_up(chat)))
    }

    fn failure(&self, refused: Refused<'_>) -> Failure {
        error::from_response(refused)
    }

    /// Google fetches from its own stores. It offers to fetch public pages too, but asks for their
    /// type beforehand, which only who fetches knows.
    fn fetches(&self, url: &str) -> bool {
        media::is_googles(url)
    }
}
