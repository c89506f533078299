//! The hoststate engine: resources compare themselves with a host, the engine plans and converges.

pub mod formats;
