//! Results as text for people.

pub(crate) mod amount;
pub(crate) mod changes;
pub(crate) mod diff;
pub(crate) mod difference;
pub(crate) mod errors;
pub(crate) mod escape;
pub(crate) mod history;
pub(crate) mod leftovers;
pub(crate) mod metrics;
pub(crate) mod plan;
pub(crate) mod report;
pub(crate) mod screen;
pub(crate) mod shown;
pub(crate) mod status;
pub(crate) mod table;
pub(crate) mod together;
pub(crate) mod verify;
pub(crate) mod when;
pub(crate) mod why;
