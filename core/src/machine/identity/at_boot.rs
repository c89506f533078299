//! Whether a device is the one that a boot rule was written for, by what udev cannot compare: its numbers.

use hoststate_abi::host_view::HostView;

use super::{Identity, VirtualFunction, permanent_mac};
use crate::error::Result;
use crate::formats::udev_rules::boot_command::BootCommand;
use crate::machine::pci_bus::{self, PciDevice};

/// Returns why a device is not the one that is meant. What it does not show tells nothing: a card of which a driver has
/// taken no interface yet has no hardware address. A virtual function is known by its number and its card.
///
/// # Errors
/// When an attribute exists and cannot be read.
pub fn stranger(command: &BootCommand, device: &PciDevice, host: &HostView) -> Result<Option<String>> {
    let Some(meant) = command.virtfn else { return other_card(command, device, host, "it") };
    let devices = pci_bus::devices(host)?;
    // The link to the card may come after the event for the function (drivers/pci/iov.c, `pci_iov_add_virtfn`).
    let known = Some(device).filter(|it| it.physfn.is_some());
    let is_virtual = known.is_some() || device.sriov.is_none();
    let Some(of) =
        pci_bus::virtual_functions::physical(&devices, device.address, known).filter(|_| is_virtual)
    else {
        return Ok(Some("it is no virtual function".to_owned()));
    };
    match pci_bus::virtual_functions::number(device.address, of) {
        Some(is) if is != meant => {
            Ok(Some(format!("it is virtual function {is} of its card, and {meant} was meant")))
        }
        _ => other_card(command, of, host, "its card"),
    }
}

fn other_card(command: &BootCommand, card: &PciDevice, host: &HostView, who: &str) -> Result<Option<String>> {
    let other =
        |what: &str, is: &str, meant: &str| format!("{who} has the {what} {is}, and {meant} was meant");
    if let Some(meant) = &command.serial
        && let Some(is) = card.card_serial(host)?
    {
        return Ok((is != *meant).then(|| other("serial number", &is, meant)));
    }
    let mut why = None;
    if let Some(meant) = &command.mac {
        for interface in &card.interfaces {
            match permanent_mac(host, card, interface)? {
                // A card may have several interfaces.
                Some(is) if is == *meant => return Ok(None),
                Some(is) => why = Some(other("hardware address", &is, meant)),
                None => {}
            }
        }
    }
    Ok(why)
}

/// Returns whether what is at the address of a command, or will be, shows another serial number, or is another virtual
/// function of its card.
///
/// # Errors
/// When an attribute exists and cannot be read.
pub fn is_for_other(command: &BootCommand, host: &HostView) -> Result<bool> {
    let BootCommand { address, serial, virtfn, .. } = command;
    let devices = pci_bus::devices(host)?;
    let device = devices.binary_search_by_key(address, |it| it.address).ok().map(|it| &devices[it]);
    let is_other = |is: Option<String>| serial.as_ref().zip(is).is_some_and(|(meant, is)| *meant != is);
    match (virtfn, device) {
        (Some(meant), device) => Ok(match VirtualFunction::read(host, *address, device)? {
            Some(VirtualFunction { number, of }) => number != *meant || is_other(of.serial),
            None => false,
        }),
        (None, Some(device)) if serial.is_some() => Ok(is_other(device.card_serial(host)?)),
        (None, _) => Ok(false),
    }
}

impl Identity {
    /// Returns which virtual function it is; `None` for a card.
    pub fn virtfn(&self) -> Option<u16> {
        self.virtual_function.as_ref().map(|it| it.number)
    }
}
