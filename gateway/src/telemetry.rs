//! What the house tells of itself: log lines and metrics, both made from typed events.

pub mod events;
pub mod logs;
pub mod metrics;
