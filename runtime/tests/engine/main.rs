//! The engine with a real model: SmolLM2 with 135 million parameters, on one thread.

mod chat;
mod embeddings;
mod load;
mod scores;
mod shapes;
mod support;
