//! What must survive a crash: the callers' keys, and what was decided for each request.
//!
//! * [`decision`]: the log of decisions: the trait
//! * [`key`]: what a key is, how one is made and recognised
//! * [`store`]: where they are kept: the trait
//! * [`stores`]: the implementations, one line each

pub mod decision;
pub mod key;
pub mod store;
pub mod stores;
