//! What a host is, read only: devices, kernels, modules, images, disks.

pub(crate) mod block_devices;
pub mod facts;
pub mod free_space;
pub mod grubenv_disk;
pub mod guests;
pub mod identity;
pub mod image_contents;
pub mod interfaces;
pub mod iommu;
pub mod iommu_groups;
pub mod kernels;
pub mod metadata;
pub mod modprobe_d;
pub mod module_lookup;
pub mod module_names;
pub mod module_switch;
pub mod needs;
pub(crate) mod open_files;
pub mod own_program;
pub mod pci_bus;
pub mod pci_names;
pub mod route_tables;
pub mod trust;
pub mod user_text;
pub mod users;
