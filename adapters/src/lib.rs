//! Everything that can be called over the network, and the languages that it speaks.
//!
//! * [`adapter`]: the seam
//! * [`registry`]: the providers, one line each
//! * [`providers`]: what is peculiar to each of them
//! * [`settings`]: what an operator may say about an account
//! * [`dialects`]: the wire formats
//! * [`framing`]: where one message ends and the next begins
//! * [`http_adapter`]: a dialect over HTTP
//! * [`hub`]: model files from a repository
//! * [`timeouts`]: limits on waiting

pub mod adapter;
pub mod dialects;
pub mod framing;
pub mod http_adapter;
mod http_client;
pub mod hub;
pub mod providers;
pub mod registry;
pub mod settings;
pub mod timeouts;
