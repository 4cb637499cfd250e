//! What must survive a crash: the callers' keys, what was spent, and what was decided for each request.
//!
//! * [`entry`]: what is written down of an exchange: held, settled, corrected
//! * [`books`]: where entries end up for good, and the sums over them: the trait
//! * [`fold`]: from entries to sums
//! * [`decision`]: the log of decisions: the trait
//! * [`journal`]: what a process writes down before anything else may happen
//! * [`key`]: what a key is, how one is made and recognised
//! * [`store`]: where keys are kept: the trait
//! * [`stores`]: the implementations, one line each
//! * [`verify`]: whether the books are whole

pub mod books;
pub mod decision;
pub mod entry;
pub mod fold;
pub mod journal;
pub mod key;
pub mod store;
pub mod stores;
pub mod verify;
