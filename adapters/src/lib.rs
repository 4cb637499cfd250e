//! Everything that can be called over the network, and the languages that it speaks.
//!
//! * [`adapter`]: the seam
//! * [`registry`]: the providers, one line each
//! * [`settings`]: what an operator may say about an account

pub mod adapter;
pub mod registry;
pub mod settings;
