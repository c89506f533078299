//! The table of resource types: one file and one line each.

use crate::language::registry::Entry;

pub mod driver_binding;
pub mod initramfs_modules;
pub mod kernel_cmdline;
mod leftover;
pub mod modprobe_blacklist;
pub mod modprobe_file;
pub mod modprobe_options;
mod modprobe_removal;
pub mod modprobe_softdep;
pub mod modules_load;
mod pci_rules;
pub mod sriov_numvfs;
pub mod vfio_pci_ids;

/// Every resource type, in the order in which the manual lists them.
pub const TABLE: &[Entry] = &[
    Entry::of::<kernel_cmdline::KernelCmdline>(),
    Entry::of::<modprobe_softdep::ModprobeSoftdep>(),
    Entry::of::<modprobe_options::ModprobeOptions>(),
    Entry::of::<modprobe_blacklist::ModprobeBlacklist>(),
    Entry::of::<modules_load::ModulesLoad>(),
    Entry::of::<initramfs_modules::InitramfsModules>(),
    Entry::of::<vfio_pci_ids::VfioPciIds>(),
    Entry::of::<sriov_numvfs::SriovNumvfs>(),
    Entry::of::<driver_binding::DriverBinding>(),
];
