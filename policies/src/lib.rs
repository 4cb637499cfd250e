//! What may serve a request, what is preferred, and what to do after a failure.
//!
//! Everything here is pure: no async, no I/O, no clock, no dice of its own. Time and chance are
//! arguments, so any decision can be replayed.
//!
//! What may be:
//!
//! * [`facts`]: what is claimed of an endpoint
//! * [`class`], [`question`]: what policy may know of a request
//! * [`endpoint_set`]: a decision's answer, as a bitmask
//!
//! What is preferred:
//!
//! * [`objective`], [`objectives`], [`bounds`]: what the operator wants
//! * [`offer`], [`lease`]: what an endpoint costs
//! * [`estimate`], [`affinity`]: how large a request will be, and who has seen its beginning
//! * [`narrow`]: what the caller rules out or prefers
//! * [`terms`], [`plan`], [`explain`]: the decision, and its reasons
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
//! [`moment`] and [`chance`] are the arguments; [`written`] is a plan for whoever weighs nothing.

pub mod affinity;
pub mod allowance;
mod board;
pub mod bounds;
pub mod breaker;
pub mod chance;
pub mod class;
pub mod concurrency;
pub mod crowding;
pub mod endpoint_set;
pub mod estimate;
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
pub mod plan;
pub mod prior;
pub mod question;
pub mod quota;
pub mod retry;
pub mod sketch;
pub mod splice;
pub mod stall;
pub mod stats;
pub mod terms;
pub mod written;
