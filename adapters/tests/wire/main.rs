//! The adapters against real sockets: a scripted upstream on loopback plays every provider.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the complaint")]

mod anthropic;
mod aws;
mod bedrock;
mod cohere;
mod connections;
mod continuation;
mod credentials;
mod custom_tools;
mod entra;
mod epistula;
mod failures;
mod gemini;
mod google;
mod hub;
mod infernet;
mod media;
mod prices;
mod providers;
mod recordings;
mod recordings_anthropic;
mod recordings_bedrock;
mod recordings_chat;
mod recordings_gemini;
mod recordings_responses;
mod upstream;
