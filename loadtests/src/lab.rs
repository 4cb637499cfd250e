//! The routing laboratory: the real `policies` crate against a modelled market, on traces of real
//! traffic, beside well-known ways to choose and an oracle.
//!
//! The path of one run: a [`trace`] says what is asked and when; a [`market`] says who offers the
//! model, as written; a [`world`] is that market as one seed draws it; a [`simulation`] plays the
//! gateway's dispatch between them, and asks a [`router`] where to go. Routers are the
//! [`baselines`], the [`oracle`]s, and [`isthmus`], which holds what the gateway holds. [`suite`]
//! runs them all over ten seeds; [`figures`] counts; [`report`] and [`plots`] show.

pub mod baselines;
pub mod chance;
pub mod command;
pub mod fair;
pub mod figures;
pub mod isthmus;
pub mod market;
pub mod oracle;
pub mod place;
pub mod plots;
pub mod prefix;
pub mod report;
pub mod router;
pub mod simulation;
pub mod suite;
pub mod svg;
pub mod trace;
pub mod world;
