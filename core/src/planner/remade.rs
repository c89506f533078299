//! Virtual functions that a plan removes and makes anew: what was read of them is of no use by then.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use hoststate_abi::host_view::HostView;
use hoststate_abi::setting::Scope;
use hoststate_abi::step::Step;

use super::Draft;
use crate::error::Result;
use crate::machine::pci_bus;
use crate::plan::planned::{Change, Deferred};

impl Draft {
    /// Puts off what the plan would do to virtual functions that it also removes, wherever in the playbook that is
    /// said. A function made anew has no override, and its driver is another or none: it is read again in the next
    /// round.
    pub(super) fn defer_remade(&mut self, view: &HostView) -> Result<()> {
        let ports: BTreeSet<PathBuf> =
            self.changes.iter().flat_map(|it| &it.steps).filter_map(removes_functions).collect();
        if ports.is_empty() {
            return Ok(());
        }
        let mut kept = Vec::with_capacity(self.changes.len());
        for change in std::mem::take(&mut self.changes) {
            match remade_by(&change, &ports, view)? {
                None => kept.push(change),
                Some(port) => {
                    let reason = format!("the virtual functions of {port} are removed and created again");
                    let Change { resource, playbook, .. } = change;
                    if self.deferred.last().is_none_or(|it| it.resource != resource) {
                        let waits_for_reboot = false;
                        self.deferred.push(Deferred { resource, playbook, reason, waits_for_reboot });
                    }
                }
            }
        }
        self.changes = kept;
        Ok(())
    }
}

/// The directory of the physical function that loses its functions by this step.
fn removes_functions(step: &Step) -> Option<PathBuf> {
    match step {
        Step::WriteAttribute { path, value } if value == "0" && path.ends_with("sriov_numvfs") => {
            path.parent().map(Path::to_path_buf)
        }
        _ => None,
    }
}

/// The address of the physical function, if the change is about one of its virtual functions.
fn remade_by(change: &Change, ports: &BTreeSet<PathBuf>, view: &HostView) -> Result<Option<String>> {
    if change.scope != Scope::Runtime {
        return Ok(None);
    }
    for step in &change.steps {
        let Step::WriteAttribute { path, .. } = step else { continue };
        let Ok(below) = path.strip_prefix(pci_bus::DEVICES) else { continue };
        let Some(device) = below.iter().next() else { continue };
        let Some(target) = view.link_target(&Path::new(pci_bus::DEVICES).join(device).join("physfn"))? else {
            continue;
        };
        let port = target.file_name().map(|it| Path::new(pci_bus::DEVICES).join(it));
        if let Some(port) = port.filter(|it| ports.contains(it)) {
            return Ok(port.file_name().map(|it| it.to_string_lossy().into_owned()));
        }
    }
    Ok(None)
}
