//! The hoststate engine: resources compare themselves with a host, the engine plans and converges.

pub mod apply;
pub mod boot_words;
pub mod declaration;
pub mod diff;
pub mod distro;
pub mod error;
pub mod external_type;
pub mod facts;
pub mod formats;
pub mod free_space;
pub mod guard;
pub mod guards;
pub mod host;
pub mod kernels;
pub mod modprobe_d;
pub mod pci_bus;
pub mod plan;
pub mod planner;
pub mod record;
pub mod registry;
pub mod report;
pub mod resource;
pub mod resources;
pub mod rollback;
pub mod selector;
pub mod takeover;
