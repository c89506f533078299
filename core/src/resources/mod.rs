//! The table of resource types: one file and one line each.

use crate::registry::Entry;

/// Every resource type, in the order in which the manual lists them.
pub const TABLE: &[Entry] = &[];
