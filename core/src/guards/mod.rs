//! The table of guards: one file and one line each.

use crate::guard::Guard;

pub mod console_gpu;
pub mod half_group;
pub mod network_path;
pub mod root_storage;
pub mod shared_ids;
pub mod vfs_in_use;

/// Every guard, in the order in which their hazards are shown.
pub const TABLE: &[Guard] = &[
    console_gpu::hazards,
    root_storage::hazards,
    network_path::hazards,
    shared_ids::hazards,
    half_group::hazards,
    vfs_in_use::hazards,
];
