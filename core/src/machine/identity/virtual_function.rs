//! Who a virtual function is: which one of which card. It has no number of its own.

use std::cell::RefCell;
use std::collections::HashMap;
use std::convert::Infallible;

use hoststate_abi::host_view::HostView;
use hoststate_abi::pci_address::PciAddress;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Identity, Whereabouts};
use crate::error::Result;
use crate::machine::pci_bus::{self, PciDevice, virtual_functions};

/// Which one of which card a virtual function is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VirtualFunction {
    /// Which one of its card, counted from 0, as in `virtfn0`.
    pub number: u16,
    /// Who its physical function is.
    pub of: Box<Identity>,
}

/// Physical functions that were asked for: a card with many functions is read once.
#[derive(Default)]
struct Physical(RefCell<HashMap<PciAddress, Identity>>);

impl VirtualFunction {
    /// Reads which one a function is, whether it is there or still to come; `None` for what is no virtual function, and where
    /// the kernel does not tell.
    ///
    /// # Errors
    /// When an attribute exists and cannot be read.
    pub fn read(host: &HostView, address: PciAddress, device: Option<&PciDevice>) -> Result<Option<Self>> {
        let devices = pci_bus::devices(host)?;
        let Some(of) = virtual_functions::physical(&devices, address, device) else { return Ok(None) };
        let Some(number) = virtual_functions::number(address, of) else { return Ok(None) };
        let known = host.derived_once(|_| Ok::<_, Infallible>(Physical::default()));
        let Ok(known) = known;
        let found = known.0.borrow().get(&of.address).cloned();
        let of = match found {
            Some(identity) => identity,
            None => {
                let identity = Identity::read(host, of)?;
                known.0.borrow_mut().insert(of.address, identity.clone());
                identity
            }
        };
        Ok(Some(Self { number, of: Box::new(of) }))
    }

    /// Returns whether both are one function of one card; `None` where the card shows no number, or not both do.
    pub(super) fn is_it(&self, other: &Self) -> Option<bool> {
        if self.number != other.number { Some(false) } else { is_one(&self.of, &other.of) }
    }

    /// Returns where this function is on the host, or will be. `but` is where it was.
    pub(super) fn find(&self, host: &HostView, but: PciAddress) -> Result<Whereabouts> {
        let mut found = Whereabouts::Nowhere;
        for device in pci_bus::devices(host)?.iter().filter(|it| it.sriov.is_some()) {
            let Some(address) = virtual_functions::address(self.number, device).filter(|it| *it != but)
            else {
                continue;
            };
            let other = Identity::read(host, device)?;
            let is_behind = self.of.path.is_some() && self.of.path == other.path;
            match is_one(&self.of, &other) {
                Some(true) => return Ok(Whereabouts::At(address)),
                Some(false) => {}
                None if is_behind || (!self.of.has_twin && !other.has_twin) => {
                    found = Whereabouts::At(address)
                }
                None if found == Whereabouts::Nowhere => found = Whereabouts::Perhaps(address),
                None => {}
            }
        }
        Ok(found)
    }
}

/// Returns whether both are one physical function. The ports of a card may share its serial number.
fn is_one(left: &Identity, right: &Identity) -> Option<bool> {
    let port = |it: &Identity| it.path.as_ref().map(super::BridgePath::function);
    let is_other_port = matches!((port(left), port(right)), (Some(left), Some(right)) if left != right);
    if is_other_port { Some(false) } else { left.is_it(right) }
}
