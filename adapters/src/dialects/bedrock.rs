//! AWS Bedrock: Converse and ConverseStream, one language for the models of all its vendors.
//!
//! Wire facts are those of the API reference of `bedrock-runtime` (and of botocore's model of it) and
//! of the user guide.

use isthmus_inference::answer::ChatAnswer;
use isthmus_inference::chat::ChatRequest;
use isthmus_inference::failure::Failure;
use isthmus_inference::ident::UpstreamModel;
use isthmus_inference::part::formats;

use crate::dialect::{ChatDialect, Encoded, Refused, StreamDecoder};

mod answer;
mod blocks;
pub mod embedding;
mod error;
mod family;
mod fields;
mod media;
mod open;
mod request;
mod signature;
mod stream;
mod tools;
mod turns;
mod usage;

/// Converse, as the models of one vendor answer in it.
#[derive(Debug)]
pub struct Converse {
    /// Whose the models' signatures are: one of [`formats`].
    signatures: &'static str,
}

/// Claude, and models whose id does not tell.
static CLAUDE: Converse = Converse { signatures: formats::ANTHROPIC };
/// All others.
static OTHERS: Converse = Converse { signatures: formats::BEDROCK };

impl Converse {
    /// The dialect of the model with this id.
    pub fn of(model: &str) -> &'static Self {
        match family::Family::of(model).signs() {
            formats::ANTHROPIC => &CLAUDE,
            _ => &OTHERS,
        }
    }
}

impl ChatDialect for Converse {
    fn encode(
        &self,
        chat: &ChatRequest,
        model: &UpstreamModel,
        _stream: bool,
    ) -> Result<Encoded, Failure> {
        request::encode(chat, model)
    }

    fn decode(&self, body: &[u8]) -> Result<ChatAnswer, Failure> {
        answer::decode(body, self.signatures)
    }

    fn decoder(&self) -> Box<dyn StreamDecoder> {
        Box::new(stream::Reader::new(self.signatures))
    }

    fn failure(&self, refused: Refused<'_>) -> Failure {
        error::refused(refused)
    }

    /// Objects in S3 are; whatever else has an address is not.
    fn fetches(&self, url: &str) -> bool {
        url.starts_with("s3://")
    }

    fn stream_type(&self) -> &'static str {
        "application/vnd.amazon.eventstream"
    }
}
