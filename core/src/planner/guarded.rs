//! What the guards see: the host as it is, as the plan leaves it, and what the next boot makes of its devices.

use hoststate_abi::host_view::HostView;

use super::Planner;
use super::booting::Booting;
use crate::error::Result;
use crate::guards;
use crate::plan::planned::Change;
use crate::plan::scene::{Hazard, Made, Scene};

impl Planner<'_> {
    /// Returns the hazards of the changes and of the next boot, which may do harm without any.
    pub(super) fn guarded(
        &self,
        view: &HostView,
        changes: &[Change],
        booting: &Booting,
    ) -> Result<Vec<Hazard>> {
        let mut hazards = Vec::new();
        let fates = &booting.fates;
        let is_moved = !changes.is_empty() || !fates.is_empty();
        let standing = if booting.edits.is_empty() { &[] } else { guards::STANDING };
        let (before, made) = (view.without_predictions(), Made::default());
        let (distro, declared) = (self.distro, self.declared);
        let scene = Scene { before: &before, after: view, distro, declared, changes, fates, made: &made };
        for guard in if is_moved || self.guards.is_empty() { self.guards } else { standing } {
            hazards.extend(guard(scene)?);
        }
        Ok(hazards)
    }
}
