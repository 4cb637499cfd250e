//! The engine with a real model: SmolLM2 with 135 million parameters, on one thread.
#![allow(clippy::unwrap_used, reason = "a helper that panics fails the test that called it")]

mod chat;
mod embeddings;
mod files;
mod load;
mod scores;
mod shapes;
mod support;
