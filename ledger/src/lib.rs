//! What must survive a crash. Today that is the callers' keys.
//!
//! * [`key`]: what a key is, how one is made and recognised
//! * [`store`]: where they are kept: the trait
//! * [`stores`]: the implementations, one line each

pub mod key;
pub mod store;
pub mod stores;
