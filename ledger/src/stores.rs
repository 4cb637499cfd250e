//! The stores, one line each, and the one that the operator chose.

mod chosen;
mod fresh;
pub mod postgres;
mod row;
pub mod sqlite;

pub use chosen::{Ledger, Place};
