//! The aims, one file each; [`crate::objective::OBJECTIVES`] lists them.

pub mod balanced;
pub mod cheapest;
pub mod fastest;
pub mod minimise;
pub mod ordered;
