//! The table of scenarios.

mod converge_dracut;
mod converge_initramfs_tools;
mod evidence;
mod story;

use crate::{error::Result, progress::Progress, root::Hoststate, world::Bed};

/// A story that a host and hoststate have to live through.
pub(crate) struct Scenario {
    /// What `run` calls it.
    pub(crate) name: &'static str,
    /// One line for `list`.
    pub(crate) about: &'static str,
    /// The image it starts from.
    pub(crate) image: &'static str,
    /// The playbook it converges to.
    pub(crate) playbook: &'static str,
    /// What happens, inside the private world.
    pub(crate) run: fn(&Bed, &Hoststate, &Progress) -> Result<()>,
}

/// Every scenario there is, in the order they run.
pub(crate) static SCENARIOS: [Scenario; 2] = [converge_initramfs_tools::SCENARIO, converge_dracut::SCENARIO];
