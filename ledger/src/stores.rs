//! The stores, one line each.

pub mod sqlite;
