//! The table of guards: one file and one line each.

use crate::plan::scene::Guard;

pub mod boot_not_ready;
pub mod boot_parameters;
pub mod boot_program;
pub mod console_gpu;
pub mod dead_card;
pub mod dead_line;
pub mod disk_not_ready;
pub mod firmware_pinned;
pub mod half_group;
pub mod held_by_guest;
pub mod held_by_process;
pub mod hidden_parameters;
pub mod ineffective_parameters;
pub mod keyboard;
pub mod later_kernels;
pub mod measured_boot;
pub mod network_path;
pub mod package_manager;
pub mod precious_files;
pub mod rebinding;
pub mod root_parameters;
pub mod root_storage;
pub mod second_owner;
pub mod shared_ids;
pub mod started_guest;
mod unbinding;
pub mod uncontained_dma;
pub mod vfs_in_use;
pub mod xen_dom0;

/// Every guard, in the order in which their hazards are shown.
pub const TABLE: &[Guard] = &[
    precious_files::hazards,
    xen_dom0::hazards,
    root_parameters::hazards,
    console_gpu::hazards,
    root_storage::hazards,
    network_path::hazards,
    keyboard::hazards,
    dead_card::hazards,
    shared_ids::hazards,
    half_group::hazards,
    firmware_pinned::hazards,
    uncontained_dma::hazards,
    vfs_in_use::hazards,
    held_by_guest::hazards,
    held_by_process::hazards,
    started_guest::hazards,
    second_owner::hazards,
    ineffective_parameters::hazards,
    dead_line::hazards,
    hidden_parameters::hazards,
    later_kernels::hazards,
    measured_boot::hazards,
    boot_not_ready::hazards,
    boot_program::hazards,
    package_manager::hazards,
    disk_not_ready::hazards,
];

/// The guards that look at the host itself as well: also where nothing is left to change, if a declaration is about the
/// kernel command line.
pub const STANDING: &[Guard] = &[hidden_parameters::hazards, later_kernels::hazards, boot_not_ready::hazards];
