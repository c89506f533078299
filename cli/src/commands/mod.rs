//! The commands, one file each.

pub(crate) mod at_boot;
pub(crate) mod check;
pub(crate) mod child;
pub(crate) mod completions;
pub(crate) mod consented;
pub(crate) mod converge;
pub(crate) mod history;
pub(crate) mod inspect;
pub(crate) mod man;
pub(crate) mod plan;
pub(crate) mod plugin;
pub(crate) mod plugin_host;
pub(crate) mod rollback;
pub(crate) mod schema;
pub(crate) mod status;
pub(crate) mod unpack;
pub(crate) mod verify;
pub(crate) mod why;
