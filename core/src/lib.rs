//! The hoststate engine: resources compare themselves with a host, the engine plans and converges.
//!
//! Its modules are wings in one order, which `core/tests/tidy.rs` holds: each imports only those before it.

pub mod error;
pub mod formats;
pub mod guards;
pub mod host;
pub mod language;
pub mod machine;
pub mod mechanism;
pub mod next_boot;
pub mod plan;
pub mod planner;
pub mod plugins;
pub mod record;
pub mod resources;
pub mod run;
pub mod trial;
pub mod verdict;
pub mod why;
