//! Resources of PCI devices, planned and carried out on a simulated host.

mod boot_device;
mod driver_binding;
mod identity;
mod missing;
mod run;
mod sriov_numvfs;
