//! The adapters against real sockets: a scripted upstream on loopback plays every provider.

mod failures;
mod providers;
mod recordings;
mod upstream;
