//! What the host needs its devices for, with what shows it: file systems and other data in use, the ways in over the
//! network, the keyboard of a passphrase.

use std::rc::Rc;

use hoststate_abi::host_view::HostView;
use hoststate_abi::pci_address::PciAddress;

use crate::error::Result;

mod connections;
mod keyboard;
mod network;
mod network_blocks;
mod pools;
mod remote;
mod storage;

/// Something that the host needs, and the devices that it hangs on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// What kind of thing.
    pub kind: Kind,
    /// What tells it from others of its kind: a mount point, an interface.
    pub name: String,
    /// What it is, for a sentence: `/`, `the default route`.
    pub uses: Vec<String>,
    /// The PCI devices it hangs on, bridges included.
    pub devices: Vec<PciAddress>,
    /// The physical functions of those that are virtual.
    pub functions: Vec<PciAddress>,
    /// Whether it is known that it hangs on these: else it may hang on any of them.
    pub is_certain: bool,
    /// Every hop from the table that shows it to the devices.
    pub evidence: Vec<String>,
}

/// What kinds of things a host needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A mounted file system, swap, or data that is in use in another way.
    Storage,
    /// What traffic goes over that would be missed.
    Network,
    /// What a passphrase is typed on.
    Keyboard,
}

/// Returns what the host needs, read once for all views of it.
///
/// # Errors
/// When `/proc` or `/sys` cannot be read.
pub fn of(host: &HostView) -> Result<Rc<Vec<Need>>> {
    host.derived_once(|host| {
        let mut needs = storage::find(host)?;
        needs.extend(network::find(host)?);
        needs.extend(keyboard::find(host)?);
        Ok(needs)
    })
}

/// Returns what shows these needs, every hop once.
pub fn evidence<'a>(needs: impl IntoIterator<Item = &'a Need>) -> Vec<String> {
    let mut evidence: Vec<String> = Vec::new();
    for hop in needs.into_iter().flat_map(|it| &it.evidence) {
        if !evidence.contains(hop) {
            evidence.push(hop.clone());
        }
    }
    evidence
}

impl Need {
    fn new(kind: Kind, name: &str, uses: &str) -> Self {
        Self {
            kind,
            name: name.to_owned(),
            uses: vec![uses.to_owned()],
            devices: Vec::new(),
            functions: Vec::new(),
            is_certain: true,
            evidence: Vec::new(),
        }
    }

    /// Returns whether it is lost, or may be, with a device. A virtual function goes with its physical one.
    pub fn hangs_on(&self, address: PciAddress) -> bool {
        self.devices.contains(&address) || self.functions.contains(&address)
    }
}
