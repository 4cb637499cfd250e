//! What may serve a request, what is preferred, and what to do after a failure.
//!
//! Everything here is pure: no async, no I/O, no clock, no dice of its own. Time and chance are
//! arguments, so any decision can be replayed.
//!
//! * [`facts`]: what is claimed of an endpoint
//! * [`class`], [`question`]: what policy may know of a request
//! * [`permit`]: which endpoints may have a request, by policies in Cedar
//! * [`endpoint_set`]: a decision's answer, as a bitmask
//! * [`policytest`], [`access`]: policies tried on questions, and two sets of them compared
//! * [`plan`]: the order in which endpoints are tried
//! * [`retry`]: after a failure: again, elsewhere, or give up

pub mod access;
pub mod class;
pub mod endpoint_set;
pub mod facts;
pub mod permit;
pub mod plan;
pub mod policytest;
pub mod question;
pub mod retry;
