//! Interfaces that are nearly called as a playbook calls them, such as those that a newer kernel names after their port.

use hoststate_abi::host_view::HostView;

use super::{DeviceSelector, describe, list};
use crate::error::Error;
use crate::machine::pci_bus::PciDevice;

/// Names that differ in no more than these characters are near.
const NEAR: usize = 2;

/// Returns that no interface is called `wanted`, with those that nearly are; `None` where none is.
pub(super) fn without_interface(
    selector: &DeviceSelector,
    wanted: &str,
    devices: &[&PciDevice],
    host: &HostView,
) -> Option<Error> {
    let fitting = |fits: &dyn Fn(&str) -> bool| -> Vec<&PciDevice> {
        let has = |it: &&&PciDevice| it.interfaces.iter().any(|is| fits(&is.name));
        devices.iter().filter(has).copied().collect()
    };
    let renamed = fitting(&|it| is_port_of(it, wanted) || is_port_of(wanted, it));
    let (near, hint) = if renamed.is_empty() {
        let near = fitting(&|it| strsim::damerau_levenshtein(it, wanted) <= NEAR);
        (near, "`hoststate inspect devices` lists the devices of this host with their interfaces.")
    } else {
        let hint = "Newer kernels append the port of the card to the name (np0, np1, …), as those of EL 9 and OpenShift \
                    4.13 do: use the new name, or `path` or `mac`, which stay.";
        (renamed, hint)
    };
    let what = match near.as_slice() {
        [] => return None,
        [one] => format!("no PCI device has {selector}; nearest: {}", describe(one, host)),
        _ => format!("no PCI device has {selector}; nearest:{}", list(near.iter().copied(), host)),
    };
    Some(Error::invalid(what, hint))
}

/// Returns whether a name is another one with the port of the card behind it (net/core/devlink.c, `phys_port_name`).
fn is_port_of(name: &str, of: &str) -> bool {
    let port = name.strip_prefix(of).and_then(|it| it.strip_prefix("np"));
    port.is_some_and(|it| !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit()))
}
