//! The menu that `blscfg` makes of boot entries.

use hoststate_core::formats::rpm_order;

use super::Found;

/// Puts entries in the order of the menu: the newest first, by the names of their files.
pub(super) fn sorted(mut found: Vec<Found>) -> Vec<Found> {
    found.sort_by(|one, other| {
        let (one, other) = (one.name(), other.name());
        let id = |name: &str| name.strip_suffix(".conf").unwrap_or(name).to_owned();
        rpm_order::entries(&id(&other), &id(&one))
    });
    found
}
