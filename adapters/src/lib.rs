//! Everything that can be called over the network, and the languages that it speaks.
//!
//! * [`adapter`]: the seam
//! * [`registry`]: the providers, one line each
//! * [`settings`]: what an operator may say about an account
//! * [`dialects`]: the wire formats
//! * [`framing`]: where one message ends and the next begins

pub mod adapter;
pub mod dialects;
pub mod framing;
pub mod registry;
pub mod settings;
