//! The words that all rooms share, and nothing else: no I/O, no async, no clock.
//!
//! * [`request`]: one call as it entered, with the caller's own bytes
//! * [`chat`], [`part`], [`answer`], [`embedding`]: the neutral forms, for when caller and endpoint
//!   speak differently
//! * [`stream`]: what happens while an answer is made, and the fold from that to a whole answer
//! * [`capability`]: what an endpoint can do, and what a request needs
//! * [`usage`]: tokens in disjoint buckets
//! * [`money`]: pico-dollars, prices, usage × price; [`meter`]: what a price counts
//! * [`tariff`]: prices for all circumstances; [`tier`]: service tiers
//! * [`date`]: days of the calendar; [`place`]: regions, countries, the European Union
//! * [`ident`]: names that must not be mixed up
//! * [`outline`]: where the members of a JSON body lie
//! * [`failure`]: what went wrong, who is to blame, whether another try could help
//! * [`secret`]: text that must never be printed

pub mod answer;
pub mod capability;
pub mod chat;
pub mod date;
pub mod embedding;
pub mod failure;
pub mod ident;
pub mod meter;
pub mod money;
pub mod outline;
pub mod part;
pub mod place;
pub mod request;
pub mod secret;
pub mod stream;
pub mod tariff;
pub mod tier;
pub mod usage;
