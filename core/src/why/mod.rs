//! Why a device is, or will not be, on a driver.

pub mod chain;
