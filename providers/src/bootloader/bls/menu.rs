//! The menu that `blscfg` makes of boot entries.

use super::Found;
use crate::version;

/// Puts entries in the order of the menu: the newest first, by the names of their files.
pub(super) fn sorted(mut found: Vec<Found>) -> Vec<Found> {
    found.sort_by(|one, other| version::compare(&other.name(), &one.name()));
    found
}
