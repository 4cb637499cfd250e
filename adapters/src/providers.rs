//! The providers one by one: [`table`] for those that speak plain OpenAI, a file for each that differs.

pub mod bittensor_axon;
pub mod chutes;
pub mod flock;
pub mod mistral;
pub mod nearai;
pub mod perplexity;
pub mod table;
