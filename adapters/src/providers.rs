//! The providers one by one: [`table`] for those that speak plain OpenAI, a file for each that differs.
//!
//! [`openai_shaped`] is what all of OpenAI's language have in common.

pub mod anthropic;
pub mod azure;
pub mod bedrock;
pub mod bittensor_axon;
pub mod bittensor_epistula;
pub mod chutes;
pub mod cohere;
pub mod deepseek;
pub mod flock;
pub mod gemini;
pub mod groq;
pub mod infernet;
pub mod mistral;
pub mod nearai;
pub mod openai_shaped;
pub mod openrouter;
mod paths;
pub mod perplexity;
pub mod table;
pub mod vertex;
pub mod xai;
