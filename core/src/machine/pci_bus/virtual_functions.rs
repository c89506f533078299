//! Where the virtual functions of a physical one are, also before they are made.

use std::path::{Path, PathBuf};

use hoststate_abi::host_view::HostView;
use hoststate_abi::pci_address::PciAddress;

use super::{PciDevice, directory};
use crate::error::Result;
use crate::formats::pci::PciId;

/// Where an address is among the virtual functions that a physical function may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// It is this one, counted from 0.
    Function(u16),
    /// It may be one: the kernel does not show where they begin.
    Perhaps,
    /// It is none.
    Elsewhere,
}

/// Returns where an address is among the virtual functions of a device.
///
/// The routing id of virtual function N is that of the physical function + offset + N × stride, and may be on a later
/// bus (PCIe base specification, SR-IOV; drivers/pci/iov.c, `pci_iov_virtfn_bus`).
pub fn place(address: PciAddress, of: &PciDevice) -> Place {
    let Some(sriov) = of.sriov.filter(|_| of.address.domain() == address.domain()) else {
        return Place::Elsewhere;
    };
    let (first, wanted) = (of.address.routing_id(), address.routing_id());
    if wanted <= first {
        return Place::Elsewhere;
    }
    let distance = wanted - first;
    let (offset, stride) = match (sriov.offset, sriov.stride) {
        (Some(offset), Some(stride)) if offset > 0 && (stride > 0 || sriov.totalvfs == 1) => (offset, stride),
        _ if address.bus() == of.address.bus() => return Place::Perhaps,
        _ => return Place::Elsewhere,
    };
    match distance.checked_sub(offset) {
        Some(0) => Place::Function(0),
        Some(rest) if stride > 0 && rest % stride == 0 && rest / stride < sriov.totalvfs => {
            Place::Function(rest / stride)
        }
        _ => Place::Elsewhere,
    }
}

/// Returns the physical function that a virtual one is of, whether that is there or still to come; `None` for what is none.
/// `devices` are all of the host, by address.
pub fn physical<'a>(
    devices: &'a [PciDevice],
    address: PciAddress,
    device: Option<&PciDevice>,
) -> Option<&'a PciDevice> {
    match device {
        Some(device) => {
            let at = devices.binary_search_by_key(&device.physfn?, |it| it.address).ok()?;
            devices.get(at)
        }
        None => devices.iter().find(|it| matches!(place(address, it), Place::Function(_))),
    }
}

/// Returns which virtual function of a device an address is, counted from 0, as in `virtfn0`; `None` where the kernel shows
/// neither where they begin nor this one.
pub fn number(address: PciAddress, of: &PciDevice) -> Option<u16> {
    match place(address, of) {
        Place::Function(number) => Some(number),
        Place::Perhaps | Place::Elsewhere => {
            of.virtfns.iter().position(|it| *it == address).and_then(|it| it.try_into().ok())
        }
    }
}

/// Returns where a virtual function of a device is, or will be; `None` where the kernel does not show it.
pub fn address(number: u16, of: &PciDevice) -> Option<PciAddress> {
    if let Some(address) = of.virtfns.get(usize::from(number)) {
        return Some(*address);
    }
    let sriov = of.sriov.filter(|it| number < it.totalvfs)?;
    let distance = number.checked_mul(sriov.stride?)?.checked_add(sriov.offset.filter(|it| *it > 0)?)?;
    let routing_id = of.address.routing_id().checked_add(distance)?;
    Some(PciAddress::of_routing_id(of.address.domain(), routing_id))
}

/// Returns the ids of the virtual functions of a device, those of its subsystem and its class being taken for theirs;
/// `None` where the kernel does not show their device id (before Linux 4.12).
///
/// # Errors
/// When the attribute cannot be read.
pub fn id(host: &HostView, of: &PciDevice) -> Result<Option<PciId>> {
    let number = host.attribute(&directory(of.address).join("sriov_vf_device"))?;
    let number = number.and_then(|it| u32::from_str_radix(it.trim().trim_start_matches("0x"), 16).ok());
    // A virtual function has the vendor of its physical one (drivers/pci/iov.c, `pci_iov_add_virtfn`).
    Ok(number.map(|device| PciId { device, ..of.id }))
}

/// Returns where a virtual function lies among the kernel's devices: beside its physical one.
pub fn path(address: PciAddress, of: &PciDevice) -> PathBuf {
    of.path.parent().unwrap_or(Path::new("")).join(address.to_string())
}
