//! PCI functions of any identity in an emulated machine: their configuration spaces, and the servers that QEMU asks for them.

mod server;
mod space;

pub(crate) use self::{
    server::{Seat, Twins},
    space::{Identity, Space},
};
