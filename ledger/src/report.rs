//! Reports over the hourly sums of the books. Pure: buckets in, a [`Sheet`](crate::sheet::Sheet) out, so
//! that the same figures are told at the terminal, by the admin API and in files.
//!
//! * [`calendar`]: which hours a period has, and the day of an hour · [`key`]: by what it is grouped
//! * [`showback`]: who spent what · [`unit`]: what a request, or a million tokens, comes to
//! * [`saved`]: what routing and memory saved, and what compliance cost
//! * [`budget`]: plans against what was spent, and where it goes ([`forecast`])
//! * [`anomaly`]: days that are not like others, and why
//! * [`page`]: all of it on one page for a browser

pub mod anomaly;
pub mod budget;
pub mod calendar;
pub mod forecast;
pub mod key;
pub mod page;
pub mod saved;
pub mod showback;
pub mod tier;
pub mod unit;
