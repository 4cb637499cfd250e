//! The languages on the wire, each written once, in both directions where callers speak it.
//!
//! OpenAI's chat, legacy completions and embeddings, spoken by most providers and callers; [`openai`]
//! puts it together:
//!
//! * [`openai_request`]: just enough of a request to route it, and its way out with few bytes changed
//! * [`openai_chat`], [`openai_completions`], [`openai_embeddings`]: requests in full
//! * [`openai_answer`], [`openai_stream`]: neutral answers, written for callers
//! * [`openai_provider`]: the same on the provider's side, for callers of another language
//! * [`openai_relay`], [`openai_usage`]: an upstream's own answers, watched while they pass
//! * [`openai_error`], [`openai_models`], [`offers`]: what went wrong there, and what is on offer
//!
//! Others:
//!
//! * [`responses`]: OpenAI's Responses, on both sides
//! * [`anthropic`]: Messages, spoken by Anthropic, by Vertex AI, and by callers
//! * [`bedrock`]: AWS's Converse, and embeddings by InvokeModel
//! * [`cohere`]: Cohere's v2
//! * [`gemini`]: Google's own, of AI Studio and Vertex AI
//!
//! [`needs`]: what a request asks of an endpoint.

pub(crate) mod broken;
pub(crate) mod citations;
mod edits;
mod fields;
mod openai_sampling;
mod refusals;
mod sse_decoder;

pub mod anthropic;
pub mod bedrock;
pub mod cohere;
pub mod gemini;
pub mod needs;
pub mod offers;
pub mod openai;
pub mod openai_answer;
pub mod openai_chat;
pub mod openai_completions;
pub mod openai_embeddings;
pub mod openai_error;
pub mod openai_models;
pub mod openai_provider;
pub mod openai_relay;
pub mod openai_request;
pub mod openai_stream;
mod openai_transcript;
pub mod openai_usage;
pub mod responses;
mod tiers;

use isthmus_inference::request::Dialect;

use crate::dialect::CallerDialect;

/// The language of a caller.
pub fn caller(dialect: Dialect) -> &'static dyn CallerDialect {
    match dialect {
        Dialect::OpenAi => &openai::OpenAiCaller,
        Dialect::Responses => &responses::ResponsesCaller,
        Dialect::Anthropic => &anthropic::AnthropicCaller,
    }
}
