//! The adapters against real sockets: a scripted upstream on loopback plays every provider.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the complaint")]

mod anthropic;
mod cohere;
mod failures;
mod hub;
mod providers;
mod recordings;
mod recordings_anthropic;
mod upstream;
