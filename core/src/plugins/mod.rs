//! Resource types of others: they propose, the engine checks.

pub mod conformance;
pub mod plugin;
pub mod proposal;
