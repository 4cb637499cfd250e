//! The languages on the wire, each written once, in both directions where callers speak it.
//!
//! OpenAI's, which is spoken by most providers and by all callers so far:
//!
//! * [`openai_request`]: just enough of a request to route it, and its way out with few bytes changed
//! * [`openai_chat`], [`openai_completions`], [`openai_embeddings`]: requests in full, for the engine
//! * [`openai_answer`], [`openai_stream`]: neutral answers, written for callers
//! * [`openai_relay`], [`openai_usage`]: an upstream's own answers, watched while they pass
//! * [`openai_error`], [`openai_models`]: what went wrong there, and what is on offer

mod openai_fields;
mod openai_sampling;

pub mod openai_answer;
pub mod openai_chat;
pub mod openai_completions;
pub mod openai_embeddings;
pub mod openai_error;
pub mod openai_models;
pub mod openai_relay;
pub mod openai_request;
pub mod openai_stream;
pub mod openai_usage;

pub use openai_answer::{Stamp, encode_chat_answer};
pub use openai_chat::decode_chat;
pub use openai_completions::{decode_completion, encode_completion_answer};
pub use openai_embeddings::{decode_embedding, encode_embedding_answer};
pub use openai_request::decode;
pub use openai_stream::StreamEncoder;
