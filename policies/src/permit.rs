//! Which endpoints *may* have a request: policies in Cedar, the only file family that knows it.
//!
//! ```text
//! *.cedar ─ Bundle::read ─▶ Bundle ─┐
//!                                   ├─ Permit::new ─▶ Permit ─ decide(who, how, what) ─▶ Decision
//! facts of every endpoint ── a day ─┘
//! ```
//!
//! A [`Bundle`] is a set of policies that passed strict validation against the [`schema`]. A
//! [`Permit`] is a bundle over a catalogue of endpoints on one day. It fails closed:
//!
//! * nothing is allowed unless a `permit` says so, and any `forbid` takes it back;
//! * a fact that nobody wrote, or that has lapsed, has its worst value (`entities`);
//! * an error while a policy is evaluated denies. Cedar by itself skips such a policy, and would let
//!   pass what a `forbid` with an error in it was to stop.
//!
//! A decision over 30 endpoints and 20 policies takes about a millisecond, so whoever asks often
//! keeps it: by the bundle's version, the catalogue, the day, the principal, the action and the
//! context.

mod bundle;
mod complaint;
mod decide;
mod entities;
mod regions;
mod words;

pub use bundle::{Bundle, Effect, Rule, Source, schema};
pub use complaint::Complaint;
pub use decide::{CatalogueError, Decision, Permit, Verdict};
pub use entities::Described;
