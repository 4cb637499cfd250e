//! What must survive a crash: the callers' keys, what was spent, and what was decided for each request.
//!
//! * [`entry`]: what is written down of an exchange: held, settled, corrected
//! * [`journal`]: what a process writes down before anything else may happen
//! * [`books`]: where entries end up for good, and the sums over them: the trait
//! * [`fold`]: from entries to sums; [`verify`]: whether the books are whole
//! * [`catalogue`]: dated list prices with their sources; [`fx`]: prices in other currencies
//! * [`reprice`]: what was charged by a wrong price
//! * [`report`]: what the sums tell; [`lease`]: hours of machines, shared over work; [`reconcile`]: invoices
//! * [`focus`]: the books in the FinOps Foundation's format · [`sheet`]: the forms that reports take
//! * [`decision`]: the log of decisions: the trait
//! * [`key`]: what a key is, how one is made and recognised
//! * [`store`]: where keys are kept: the trait
//! * [`stores`]: the implementations, one line each

pub mod books;
pub mod catalogue;
pub mod decision;
pub mod entry;
pub mod focus;
pub mod fold;
pub mod fx;
pub mod journal;
pub mod key;
pub mod lease;
pub mod reconcile;
pub mod report;
pub mod reprice;
pub mod sheet;
pub mod store;
pub mod stores;
pub mod verify;
