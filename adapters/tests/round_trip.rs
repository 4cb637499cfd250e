//! The law of round trips: what both sides can carry comes back as it went.
//!
//! * A request, written for a provider and read as a caller's of the same language, is the request.
//!   Vendors whose language no caller speaks are read by a small reader here.
//! * An answer, written for a caller and read as a provider's of the same language, is the answer, whole
//!   and streamed alike.
//!
//! What a format has no room for stands in a table of exceptions, each with its reason. What a dialect
//! itself reports as dropped needs no exception: it was said.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the complaint")]

#[path = "round_trip/answers.rs"]
mod answers;
#[path = "round_trip/made.rs"]
mod made;
#[path = "round_trip/requests.rs"]
mod requests;
#[path = "round_trip/vendors.rs"]
mod vendors;
