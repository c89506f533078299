//! The table of guards: one file and one line each.

use crate::guard::Guard;

/// Every guard, in the order in which their hazards are shown.
pub const TABLE: &[Guard] = &[];
