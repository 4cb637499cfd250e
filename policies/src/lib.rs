//! What may serve a request, what is preferred, and what to do after a failure.
//!
//! Everything here is pure: no async, no I/O, no clock, no dice of its own. Time and chance are
//! arguments, so any decision can be replayed.
//!
//! * [`facts`]: what is claimed of an endpoint
//! * [`class`], [`question`]: what policy may know of a request
//! * [`detector`], [`classify`]: what sort of data a request carries, and who says so
//! * [`endpoint_set`]: a decision's answer, as a bitmask
//! * [`plan`]: the order in which endpoints are tried
//! * [`retry`]: after a failure: again, elsewhere, or give up

pub mod class;
pub mod classify;
pub mod detector;
pub mod endpoint_set;
pub mod facts;
pub mod plan;
pub mod question;
pub mod retry;
