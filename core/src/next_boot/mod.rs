//! What the next boot will be.

pub mod booted;
