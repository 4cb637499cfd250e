//! Anthropic's Messages, on both sides.
//!
//! * `encode` with `turns`, `blocks`, `tools`, `schema`, `thinking`, `betas`: requests for providers;
//!   `models` knows what each model takes
//! * `decode` with `opened`, `usage`, `finish`: their answers
//! * `error`: what went wrong, read and written

use isthmus_inference::answer::ChatAnswer;
use isthmus_inference::chat::ChatRequest;
use isthmus_inference::failure::Failure;
use isthmus_inference::ident::UpstreamModel;

use crate::dialect::{ChatDialect, Encoded, Refused, StreamDecoder};

mod betas;
mod blocks;
mod decode;
mod encode;
mod error;
mod finish;
mod models;
mod opened;
mod schema;
mod thinking;
mod tools;
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

    fn fetches(&self, url: &str) -> bool {
        // Over TLS alone, and not on Vertex.
        self.flavour == Flavour::Direct && url.starts_with("https://")
    }
}
