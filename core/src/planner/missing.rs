//! Declared devices that are not there, and that no declaration makes; and those of which there are several.

use hoststate_abi::about::About;
use hoststate_abi::host_view::HostView;
use hoststate_abi::pci_address::PciAddress;

use crate::error::Result;
use crate::language::declaration::{Declaration, ResourceId};
use crate::language::ensure::Ensure;
use crate::language::registry::Declared;
use crate::language::selector::{self, DeviceSelector};
use crate::machine::pci_bus::virtual_functions::{Place, place};
use crate::machine::pci_bus::{self, PciDevice};
use crate::plan::planned::{Conflict, Deferred, KnownDevice};
use crate::plan::scene::{Hazard, Severity};
use crate::planner::contradicted::conflict;
use crate::planner::declared_devices;
use crate::record::past::{Past, has_put_in_place};

/// Virtual functions that a declaration makes.
struct Made<'a> {
    by: &'a ResourceId,
    of: PciDevice,
    count: u16,
}

/// Returns a conflict for every declaration whose device is not there and will not come, or is not the only one. Nothing is known of the devices
/// of a tree without a PCI bus, so none is missing there.
///
/// # Errors
/// When a device cannot be read.
pub(crate) fn devices(declared: &[Declared], host: &HostView, past: Past<'_>) -> Result<Vec<Conflict>> {
    if declared.iter().all(|it| it.resource.device().is_none()) || !pci_bus::is_visible(host)? {
        return Ok(Vec::new());
    }
    let made = made(declared, host)?;
    let mut missing = Vec::new();
    for it in declared {
        let Some(device) = it.resource.device() else { continue };
        // What was set for an address can be taken out whether something is there or not, or goes by this very plan.
        if it.declaration.ensure == Ensure::Absent && device.address().is_some() {
            continue;
        }
        let (desired, reason) = match (reason(device, host, &made)?, virtual_to_come(it, host, &made)?) {
            (Some(reason), _) => ("a device", reason),
            (None, Some(reason)) => ("a physical function", reason),
            (None, None) => continue,
        };
        let known = known(&it.declaration, past)?;
        let moved = match device.address() {
            Some(address) => declared_devices::moved(it, address, host, past)?,
            None => None,
        };
        let reason = match (&known, moved) {
            (_, Some((what, moved))) => format!("the {what} moved to {moved}: declare it there; {reason}"),
            (Some(known), None) => format!(
                "the device is gone: run {} had it. Put it back, or remove the declaration; {reason}",
                known.run
            ),
            (None, None) => reason,
        };
        let about = device.address().map_or_else(
            || About::Named(format!("PCI device with {device}")),
            |it| About::File(pci_bus::directory(it)),
        );
        let found = conflict(it, None, about, (None, Some(desired.to_owned())), reason);
        missing.push(Conflict { gone: known, ..found });
    }
    Ok(missing)
}

/// Returns why a device will not be there; `None` when it is there, or will be.
fn reason(device: &DeviceSelector, host: &HostView, made: &[Made<'_>]) -> Result<Option<String>> {
    let DeviceSelector::Address(address) = device else {
        return match &device.meant(host)?[..] {
            [_] => Ok(None),
            // Of several, none is meant by itself.
            _ => Ok(Some(device.not_one(host)?)),
        };
    };
    let removed = made.iter().find(|it| {
        let kept = usize::from(it.count);
        it.of.virtfns.iter().skip(kept).any(|it| it == address)
    });
    if let Some(by) = removed {
        return Ok(Some(format!("{address} is removed by {}, which keeps {} functions", by.by, by.count)));
    }
    if host.is_dir(&pci_bus::directory(*address))? {
        return Ok(None);
    }
    let comes = made.iter().any(|it| match place(*address, &it.of) {
        Place::Function(index) => index < it.count,
        Place::Perhaps => it.count > 0,
        Place::Elsewhere => false,
    });
    if comes { Ok(None) } else { Ok(Some(nowhere(*address, host, made)?)) }
}

/// Returns why what another declaration makes can have no virtual functions, where a declaration wants some of it.
fn virtual_to_come(declared: &Declared, host: &HostView, made: &[Made<'_>]) -> Result<Option<String>> {
    let (Some(DeviceSelector::Address(address)), Some(_)) =
        (declared.resource.device(), declared.resource.virtual_functions())
    else {
        return Ok(None);
    };
    // Of what is there the device itself tells.
    if host.is_dir(&pci_bus::directory(*address))? {
        return Ok(None);
    }
    let by = made.iter().find(|it| matches!(place(*address, &it.of), Place::Function(_) | Place::Perhaps));
    Ok(by.map(|it| {
        let of = it.of.address;
        format!(
            "{address} will be a virtual function of {of}, which {} makes, and has none of its own",
            it.by
        )
    }))
}

/// Says that nothing is at an address, what could be, and what is near it.
fn nowhere(address: PciAddress, host: &HostView, made: &[Made<'_>]) -> Result<String> {
    let mut text = format!("there is no PCI device at {address}");
    for device in pci_bus::devices(host)?.iter() {
        let Place::Function(index) = place(address, device) else { continue };
        let of = device.address;
        let least = u32::from(index) + 1;
        text.push_str(&match made.iter().find(|it| it.of.address == of) {
            Some(Made { by, count, .. }) => {
                format!("; it would be virtual function {index} of {of}, and {by} makes {count}: set its `numvfs` to {least} or more")
            }
            None => format!(
                "; it would be virtual function {index} of {of}: declare sriov_numvfs of {of} with `numvfs` {least} or more"
            ),
        });
        break;
    }
    text.push_str(&selector::near(address, host)?);
    Ok(text)
}

/// Returns the virtual functions that are declared, of physical functions that are there.
fn made<'a>(declared: &'a [Declared], host: &HostView) -> Result<Vec<Made<'a>>> {
    let mut made = Vec::new();
    for it in declared {
        let (Some(device), Some(count)) = (it.resource.device(), it.resource.virtual_functions()) else {
            continue;
        };
        made.extend(device.meant(host)?.into_iter().map(|of| Made { by: &it.id, of, count }));
    }
    Ok(made)
}

/// Returns the warning that nothing is known of the declared devices: the tree has no PCI bus.
///
/// # Errors
/// When `/sys` cannot be searched.
pub(crate) fn unseen(declared: &[Declared], host: &HostView) -> Result<Option<Hazard>> {
    let devices: Vec<String> =
        declared.iter().filter_map(|it| it.resource.device()).map(ToString::to_string).collect();
    if devices.is_empty() || pci_bus::is_visible(host)? {
        return Ok(None);
    }
    let listed = devices.join(", ");
    let message = format!("this tree has no {}: whether {listed} is there is not known", pci_bus::DEVICES);
    Ok(Some(Hazard::new("device-unseen", Severity::Warn, &[&listed], message)))
}

/// Adds to what is waited for that it is not certain to come, where the kernel does not show it.
///
/// # Errors
/// When a device cannot be read.
pub(crate) fn add_doubts(declared: &[Declared], host: &HostView, deferred: &mut [Deferred]) -> Result<()> {
    if deferred.is_empty() {
        return Ok(());
    }
    let made = made(declared, host)?;
    for waiting in deferred {
        let of_it = declared.iter().find(|it| it.id == waiting.resource);
        let Some(address) = of_it.and_then(|it| it.resource.device()?.address()) else { continue };
        let places = || made.iter().map(|it| (it, place(address, &it.of)));
        if places().any(|(it, place)| matches!(place, Place::Function(index) if index < it.count)) {
            continue;
        }
        if let Some((Made { by, of, .. }, _)) = places().find(|(_, it)| matches!(it, Place::Perhaps)) {
            let of = of.address;
            waiting.reason.push_str(&format!(
                ", and whether {by} makes it is not known: this kernel does not show where the virtual functions \
                 of {of} begin"
            ));
        }
    }
    Ok(())
}

/// Returns the newest run that put something in place for the device of a declaration.
fn known(wanted: &Declaration, past: Past<'_>) -> Result<Option<KnownDevice>> {
    let Some(device) = wanted.desired.get("device") else { return Ok(None) };
    let has_it = |it: &Declaration| it.kind == wanted.kind && it.desired.get("device") == Some(device);
    let run = past.newest(|run| has_put_in_place(run) && run.declarations.iter().any(has_it))?;
    Ok(run.map(|run| KnownDevice { run: run.id }))
}
