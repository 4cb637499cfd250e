//! Our dendrite against the original: vectors captured from bittensor 10.5.0's own dendrite, and calls
//! of a real Python axon (`make test-axon`; those are ignored where there is none).

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the complaint")]

mod live;
mod server;
mod vectors;
