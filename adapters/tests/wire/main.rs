//! The adapters against real sockets: a scripted upstream on loopback plays every provider.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the complaint")]

mod aws;
mod credentials;
mod entra;
mod epistula;
mod anthropic;
mod cohere;
mod failures;
mod google;
mod hub;
mod infernet;
mod providers;
mod recordings;
mod recordings_chat;
mod recordings_responses;
mod recordings_anthropic;
mod upstream;
