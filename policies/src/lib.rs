//! What may serve a request, what is preferred, and what to do after a failure.
//!
//! Everything here is pure: no async, no I/O, no clock, no dice of its own. Time and chance are
//! arguments, so any decision can be replayed.
//!
//! What may be:
//!
//! * [`facts`]: what is claimed of an endpoint
//! * [`class`], [`question`]: what policy may know of a request
//! * [`permit`]: which endpoints may have a request, by policies in Cedar
//! * [`detector`], [`classify`]: what sort of data a request carries, and who says so
//! * [`endpoint_set`]: a decision's answer, as a bitmask
//! * [`policytest`], [`access`]: policies tried on questions, and two sets of them compared
//! * [`rollout`]: a new policy's way from a few keys to all of them
//! * [`budget`]: what may be spent, by whom, in which time
//!
//! What is preferred:
//!
//! * [`objective`], [`objectives`], [`bounds`]: what the operator wants
//! * [`offer`], [`lease`]: what an endpoint costs
//! * [`estimate`], [`affinity`]: how large a request will be, and who has seen its beginning
//! * [`narrow`]: what the caller rules out or prefers
//! * [`terms`], [`plan`], [`explain`], [`recorded`]: the decision, its reasons, and its record
//!
//! What is known of an endpoint at work:
//!
//! * [`monitor`] watches one, by [`stats`] in [`sketch`]es and a [`line`] over a [`prior`], its [`crowding`], a [`breaker`],
//!   [`concurrency`] and [`quota`]; [`live`] is what a decision sees of that
//!
//! What to do next:
//!
//! * [`retry`], [`stall`], [`hedge`], [`splice`], within an [`allowance`]
//!
//! [`moment`] and [`chance`] are the arguments.

pub mod access;
pub mod affinity;
pub mod allowance;
mod board;
pub mod bounds;
pub mod breaker;
pub mod budget;
pub mod caching;
pub mod chance;
pub mod class;
pub mod classify;
pub mod concurrency;
pub mod crowding;
pub mod detector;
pub mod endpoint_set;
pub mod estimate;
mod exact;
pub mod explain;
pub mod facts;
pub mod hedge;
pub mod lease;
pub mod line;
pub mod live;
pub mod moment;
pub mod monitor;
pub mod narrow;
pub mod objective;
pub mod objectives;
pub mod offer;
pub mod permit;
pub mod places;
pub mod plan;
pub mod policytest;
pub mod prior;
pub mod question;
pub mod quota;
pub mod recorded;
pub mod retry;
pub mod rollout;
pub mod sketch;
pub mod splice;
pub mod stall;
pub mod stats;
pub mod terms;
pub mod usual;
