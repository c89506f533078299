//! The traits of providers: what a distribution is to the engine.

pub mod distro;
pub mod host_summary;
