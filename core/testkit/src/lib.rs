//! Host trees and a simulated host for the tests of hoststate.
//!
//! Everything here works on directories a test owns; what goes wrong is the test's mistake, so it panics.

pub mod campaign;
pub mod fpga;
pub mod initramfs;
pub mod pci;
pub mod program;
pub mod real_files;
pub mod sim;
pub mod tree;
