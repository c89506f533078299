//! Which devices will be in one IOMMU group, told by their configuration spaces before there is a group.
//!
//! As the kernel forms groups (drivers/iommu/iommu.c, `pci_device_group`): what lies behind a bridge to conventional PCI
//! is one group with it; a device is with the ports above it up to the first that keeps what it forwards apart; functions
//! of a device that do not keep apart are together.

use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

use hoststate_abi::host_view::HostView;
use hoststate_abi::pci_address::PciAddress;

use self::topology::Topology;
use crate::error::Result;
use crate::machine::{facts, iommu, kernels, pci_bus};

mod pinned;
mod quirks;
#[cfg(test)]
mod tests;
mod topology;

pub use pinned::{Pinned, pinned};

/// Parameters of the kernel that change how ports keep apart; the second is of a patch that no distribution of servers
/// has.
const CHANGES_PORTS: [&str; 3] = ["disable_acs_redir=", "config_acs=", "pcie_acs_override="];

/// The Linux that forms groups first.
const GROUPS_SINCE: (u32, u32) = (3, 6);

/// The groups as they will be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Foretold {
    /// Every PCI function, with the lowest address of its group.
    Groups(Groups),
    /// It cannot be told, and why: a clause.
    Unknown(String),
}

/// Groups that are not there yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Groups {
    /// The lowest address of the group, of each function.
    first: BTreeMap<PciAddress, PciAddress>,
    /// Functions that are alone only where the kernel's tables know them, and why the running one may not.
    doubtful: BTreeMap<PciAddress, String>,
}

impl Foretold {
    /// Returns the members of a device's group, by address; `None` where that cannot be told, as for a device that is
    /// not there.
    pub fn members(&self, address: PciAddress) -> Option<Vec<PciAddress>> {
        let Self::Groups(Groups { first, doubtful }) = self else { return None };
        let lowest = first.get(&address)?;
        let members: Vec<PciAddress> = first.iter().filter(|it| it.1 == lowest).map(|it| *it.0).collect();
        members.iter().all(|it| !doubtful.contains_key(it)).then_some(members)
    }

    /// Returns why a device's group cannot be told: a clause; `None` where it can, and for a device that is not there.
    pub fn why_not(&self, address: PciAddress) -> Option<&str> {
        let Groups { first, doubtful } = match self {
            Self::Unknown(why) => return Some(why),
            Self::Groups(groups) => groups,
        };
        let lowest = first.get(&address)?;
        let of_group = doubtful.iter().find(|it| first.get(it.0) == Some(lowest));
        of_group.map(|it| it.1.as_str())
    }
}

/// Returns the groups that an IOMMU will make of the devices. Read once per view; where groups are there already, they
/// are the answer, and nobody should ask.
///
/// # Errors
/// When a configuration space or a table of the firmware exists and cannot be read.
pub fn foretold(host: &HostView) -> Result<Rc<Foretold>> {
    host.derived_once(read)
}

/// Returns the same where no device is in a group yet.
///
/// # Errors
/// As [`foretold`].
pub fn to_come(host: &HostView) -> Result<Option<Rc<Foretold>>> {
    let is_open = pci_bus::devices(host)?.iter().all(|it| it.iommu_group.is_none());
    is_open.then(|| foretold(host)).transpose()
}

fn read(host: &HostView) -> Result<Foretold> {
    let unknown = |why: String| Ok(Foretold::Unknown(why));
    match facts::cpu_vendor(host)?.as_deref() {
        Some("POWER") => {
            return unknown(
                "on POWER the firmware forms the groups, and configuration space does not tell them"
                    .to_owned(),
            );
        }
        Some("ARM") if !host.exists(&Path::new(iommu::TABLES).join("IORT"))? => {
            return unknown(
                "the firmware has no IORT table, which tells what an SMMU of Arm translates for".to_owned(),
            );
        }
        _ => {}
    }
    let release = kernels::running(host)?;
    if let Some(release) = release.as_ref().filter(|it| kernels::is_older(it, GROUPS_SINCE)) {
        return unknown(format!("Linux {release} forms no groups; Linux 3.6 is the first that does"));
    }
    let running = host.read_lossy(Path::new("/proc/cmdline"))?.unwrap_or_default();
    if let Some(changed) = CHANGES_PORTS.iter().find(|it| running.contains(**it)) {
        return unknown(format!("{changed} on the kernel command line changes what ports keep apart"));
    }
    let topology = match Topology::read(host)? {
        Ok(topology) => topology,
        Err(why) => return unknown(why),
    };
    let mut joined = Joined::default();
    topology.pairs().for_each(|(one, other)| joined.join(one, other));
    let is_old = release.is_none_or(|it| kernels::is_older(&it, quirks::OF_LINUX));
    let doubtful = topology.doubts(is_old);
    let first = topology.addresses().map(|it| (it, joined.first(it))).collect();
    Ok(Foretold::Groups(Groups { first, doubtful }))
}

/// Sets of functions that will be together.
#[derive(Debug, Default)]
struct Joined(BTreeMap<PciAddress, PciAddress>);

impl Joined {
    /// Returns the lowest address of a function's set.
    fn first(&self, of: PciAddress) -> PciAddress {
        let mut first = of;
        while let Some(lower) = self.0.get(&first) {
            first = *lower;
        }
        first
    }

    fn join(&mut self, one: PciAddress, other: PciAddress) {
        let (one, other) = (self.first(one), self.first(other));
        if one != other {
            self.0.insert(one.max(other), one.min(other));
        }
    }
}
