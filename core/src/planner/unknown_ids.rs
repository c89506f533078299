//! Declared ids that no device of the host has.

use hoststate_abi::host_view::HostView;

use crate::error::Result;
use crate::language::registry::{Declared, nearest};
use crate::machine::pci_bus;
use crate::plan::scene::{Hazard, Severity};

/// Returns a warning for each id that no device has, with the nearest. Nothing is said of a tree without devices, nor
/// where virtual functions are declared: their ids are not known before they are there.
///
/// # Errors
/// When a device cannot be read.
pub(crate) fn hazards(declared: &[Declared], host: &HostView) -> Result<Vec<Hazard>> {
    let makes_functions = |it: &Declared| it.resource.virtual_functions().is_some_and(|it| it > 0);
    if declared.iter().all(|it| it.resource.ids().is_empty()) || declared.iter().any(makes_functions) {
        return Ok(Vec::new());
    }
    let devices = pci_bus::ids(host)?;
    let mut hazards = Vec::new();
    for it in declared {
        for pattern in it.resource.ids() {
            if devices.is_empty() || devices.iter().any(|(_, id)| pattern.matches(id)) {
                continue;
            }
            let plain = |(vendor, device): (u32, u32)| format!("{vendor:04x}:{device:04x}");
            let known: Vec<String> = devices.iter().map(|(_, id)| plain((id.vendor, id.device))).collect();
            let near = nearest(&plain((pattern.vendor, pattern.device)), known.iter().map(String::as_str));
            let address = near.and_then(|near| Some(devices[known.iter().position(|it| it == near)?].0));
            let nearest = near
                .zip(address)
                .map_or_else(String::new, |(id, address)| format!("; the nearest is {id} of {address}"));
            let message = format!("no device of this host has the id {pattern}{nearest}");
            let evidence = format!("{} has no device with it", pci_bus::DEVICES);
            let at = it.declaration.playbook.as_ref().map(|it| format!("at {it}"));
            let subject = pattern.to_string();
            hazards.push(
                Hazard::new("id-of-no-device", Severity::Warn, &[&subject], message)
                    .shown_by(at.into_iter().chain([evidence])),
            );
        }
    }
    Ok(hazards)
}
