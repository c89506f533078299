//! PCI functions of any identity in an emulated machine: their configuration spaces, and the servers that QEMU asks for them.

mod captured;
mod server;
mod space;

pub(crate) use self::{
    captured::{Captured, Function, address},
    server::{Seat, Twins},
    space::{Identity, Space},
};
