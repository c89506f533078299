//! The hoststate engine: resources compare themselves with a host, the engine plans and converges.

pub mod error;
pub mod formats;
pub mod guards;
pub mod language;
pub mod machine;
pub mod mechanism;
pub mod next_boot;
pub mod plan;
pub mod plugins;
pub mod resources;
pub mod run;
pub mod trial;
pub mod why;
