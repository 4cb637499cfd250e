//! Everything that can be called over the network, and the languages that it speaks.
//!
//! A call enters through [`adapter::Adapter`], the seam that the engine in this process implements
//! too. [`registry::PROVIDERS`] lists the kinds of provider, one line each; an account's
//! [`settings`] and its kind make an adapter:
//!
//! ```text
//! the same language   Attempt ─ RelayDialect::rewrite ──────────────────────┐
//! another             Attempt ─ CallerDialect::chat ─ ChatDialect::encode ──┴─ http_client ──▶
//!
//! the same language   Piece::Relay ◀── Watch ◀──────────┬── framing ◀── timeouts ◀── provider
//! another             Piece::Event ◀── StreamDecoder ◀──┘
//! ```
//!
//! Where caller and provider speak the same language, bytes are relayed: of a request a few top-level
//! members are read and a few bytes changed, of an answer its usage, its errors and its end are
//! noticed. Nothing is parsed in full. Elsewhere requests and answers go through the neutral forms of
//! `isthmus_inference`, so that N languages of callers and M of providers take N + M conversions; the
//! engine in this process speaks the neutral forms themselves.
//!
//! Promises: `http_client` alone knows hyper's client; nothing matches on a provider's kind; a cut,
//! stalled or garbled answer is a `Failure`, never a clean end; everything read is bounded; dropping
//! a future or a stream ends the call upstream; the house's credentials never come back out.
//!
//! * [`adapter`]: the seam
//! * [`dialect`]: what a wire format can do; [`dialects`]: the wire formats
//! * [`service`]: where an account is asked, and in which language
//! * [`registry`]: the kinds of provider, and [`providers`]: what is peculiar to each
//! * [`places`]: where providers process what they are sent
//! * [`settings`]: what an operator may say about an account
//! * [`auth`]: the house's credentials, obtained, renewed and shown
//! * [`bittensor`]: keys and signatures of a network with protocols of its own
//! * [`mapping`]: a chat as the fields of somebody's own protocol, as the operator says
//! * [`free_text`]: functions that stand for tools of free text
//! * [`framing`]: where one message ends and the next begins
//! * [`http_adapter`]: an account that is reached over HTTP
//! * [`pieces`]: a body that is not put together before it is sent
//! * [`timeouts`]: limits on waiting
//! * [`tokens`]: the tokenizers of models, as far as they are public
//! * [`hub`]: model files from a repository
//! * [`notice`]: an object posted to whoever should know

pub mod adapter;
pub mod auth;
pub mod bittensor;
pub mod dialect;
pub mod dialects;
pub mod framing;
pub mod free_text;
mod http_adapter;
mod http_client;
pub mod hub;
pub mod mapping;
mod media_type;
pub mod notice;
pub mod pieces;
pub mod places;
pub mod providers;
mod public_address;
pub mod registry;
mod service;
pub mod settings;
pub mod timeouts;
pub mod tokens;
