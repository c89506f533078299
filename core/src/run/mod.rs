//! Carrying out a plan: the only writer, its records, and undoing.

pub mod apply;
pub mod boot_device;
pub mod finish;
pub mod owning;
pub mod restore_driver;
pub mod rollback;
