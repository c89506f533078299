//! Boots that are tried or awaited, and what they came to.

pub mod at_boot;
pub mod verdict;
