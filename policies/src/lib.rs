//! What may serve a request, what is preferred, and what to do after a failure.
//!
//! Everything here is pure: no async, no I/O, no clock, no dice of its own. Time left and chance
//! are arguments, so any decision can be replayed.
//!
//! * [`plan`]: the order in which endpoints are tried
//! * [`retry`]: after a failure: again, elsewhere, or give up

pub mod plan;
pub mod retry;
