//! Numbers of virtual functions of devices that the same plan gives to another driver: that driver makes them.

use std::collections::BTreeMap;
use std::path::Path;

use hoststate_abi::about::About;
use hoststate_abi::pci_address::PciAddress;

use super::{Draft, Runtime};
use crate::error::Result;
use crate::language::declaration::{Origin, ResourceId};
use crate::language::resource::Context;
use crate::machine::pci_bus;
use crate::plan::planned::Deferred;
use crate::resources::sriov_numvfs::now::{self, Answer};

impl Draft {
    /// Puts off the numbers of devices that change drivers: the driver that they have would lose the functions again, or
    /// makes none, and the one that they get does. Where that makes none either, what the number met stays.
    pub(super) fn defer_rebound(&mut self, cx: Context<'_>) -> Result<()> {
        let given = self.changes.iter().filter_map(|it| match &it.about {
            About::Driver(address) => Some((*address, it.desired.clone()?)),
            _ => None,
        });
        let given: BTreeMap<PciAddress, String> = given.collect();
        let putting_off = |about: &About| -> Result<Option<String>> {
            let Some(address) = counted(about) else { return Ok(None) };
            let Some(driver) = given.get(&address) else { return Ok(None) };
            let Some(device) = pci_bus::device(cx.host, address)? else { return Ok(None) };
            let makes = !matches!(now::answer(cx, &device, driver)?, Answer::Refuses(_));
            Ok(makes
                .then(|| format!("{address} is bound to {driver} first, which makes its virtual functions")))
        };
        let mut deferred: Vec<(ResourceId, Option<Origin>, String)> = Vec::new();
        let mut conflicts = Vec::with_capacity(self.conflicts.len());
        for it in std::mem::take(&mut self.conflicts) {
            match putting_off(&it.about)? {
                Some(reason) => deferred.push((it.resource, it.playbook, reason)),
                None => conflicts.push(it),
            }
        }
        self.conflicts = conflicts;
        let mut changes = Vec::with_capacity(self.changes.len());
        for it in std::mem::take(&mut self.changes) {
            match putting_off(&it.about)?.filter(|_| !it.steps.is_empty()) {
                Some(reason) => deferred.push((it.resource, it.playbook, reason)),
                None => changes.push(it),
            }
        }
        self.changes = changes;
        let waits_for_reboot = self.runtime == Runtime::AtBoot;
        let deferred = deferred.into_iter();
        self.deferred.extend(deferred.map(|(resource, playbook, reason)| Deferred {
            resource,
            playbook,
            reason,
            waits_for_reboot,
        }));
        Ok(())
    }
}

/// The device whose number of virtual functions a setting is about.
fn counted(about: &About) -> Option<PciAddress> {
    let About::Attribute(path) = about else { return None };
    let name = path.parent().and_then(Path::file_name)?.to_str()?;
    name.parse().ok().filter(|_| path.ends_with("sriov_numvfs"))
}
