//! What the guards see: the host as it is, as the plan leaves it, and what the next boot makes of its devices.

use hoststate_abi::host_view::HostView;

use super::Planner;
use crate::error::Result;
use crate::next_boot::fate::Fate;
use crate::plan::planned::Change;
use crate::plan::scene::{Hazard, Scene};

impl Planner<'_> {
    /// Returns the hazards of the changes and of the next boot, which may do harm without any.
    pub(super) fn guarded(&self, view: &HostView, changes: &[Change], fates: &[Fate]) -> Result<Vec<Hazard>> {
        let mut hazards = Vec::new();
        if !changes.is_empty() || fates.iter().any(Fate::changes) {
            let before = view.without_predictions();
            let scene = Scene { before: &before, after: view, distro: self.distro, changes, fates };
            for guard in self.guards {
                hazards.extend(guard(scene)?);
            }
        }
        Ok(hazards)
    }
}
