//! Guard `device-changed`: whether the devices that declarations are about are those that were meant when something was
//! last put in place for them.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use hoststate_abi::host_view::HostView;
use hoststate_abi::pci_address::PciAddress;

use super::Planner;
use crate::error::Result;
use crate::formats::pci::{PciId, PciIdPattern};
use crate::language::declaration::{Alike, ResourceId};
use crate::language::registry::Declared;
use crate::language::selector::{self, DeviceSelector};
use crate::machine::identity::{BridgePath, Identity, Meant, Whereabouts};
use crate::machine::pci_bus::{self, PciDevice, virtual_functions};
use crate::machine::pci_names::Names;
use crate::plan::declared_device::DeclaredDevice;
use crate::plan::scene::{Hazard, Severity};
use crate::record::past::{Past, has_put_in_place};

/// The guard of these hazards.
pub const GUARD: &str = "device-changed";

/// What the planner has to say about the declared devices.
#[derive(Default)]
pub(super) struct Found {
    /// Who they are, those that are there.
    pub(super) devices: Vec<DeclaredDevice>,
    /// The hazards of those that are not the ones that were meant.
    pub(super) hazards: Vec<Hazard>,
    /// The resources whose device is left alone until the hazard is accepted: nothing is planned for it.
    pub(super) left_alone: Vec<ResourceId>,
}

impl Planner<'_> {
    /// Returns who the declared devices are, and which are not those that were meant.
    pub(super) fn declared_devices(&self, host: &HostView) -> Result<Found> {
        let devices = read(self.declared, host)?;
        let (mut hazards, mut left_alone) = (Vec::new(), Vec::new());
        for (resource, hazard) in changed(self.declared, &devices, host, self.past)? {
            if hazard.severity == Severity::Refuse && !self.accepted.contains(&hazard.id) {
                left_alone.push(resource);
            }
            // What became of a card is one thing, however many of its functions are declared.
            match hazards.iter_mut().find(|it: &&mut Hazard| it.id == hazard.id) {
                Some(known) => known.evidence.push(hazard.message),
                None => hazards.push(hazard),
            }
        }
        let devices = devices.into_iter().filter(|it| it.is_there).map(|it| it.device).collect();
        Ok(Found { devices, hazards, left_alone })
    }
}

/// Returns how a declaration names its device. Ids that go by an address, as those of `gpu_passthrough` do, are meant for
/// the card there.
fn selector(declared: &Declared) -> Option<Cow<'_, DeviceSelector>> {
    if let Some(selector) = declared.resource.device() {
        return Some(Cow::Borrowed(selector));
    }
    let is_by_ids = !declared.resource.ids().is_empty();
    let address = declared.id.name.parse().ok().filter(|_| is_by_ids)?;
    Some(Cow::Owned(DeviceSelector::Address(address)))
}

/// A declared device that is there, or will be as a virtual function.
struct Known {
    device: DeclaredDevice,
    is_there: bool,
}

/// Returns who the declared devices are.
fn read(declared: &[Declared], host: &HostView) -> Result<Vec<Known>> {
    let mut devices = Vec::new();
    for it in declared {
        let Some(selector) = selector(it) else { continue };
        // That a selector fits none or several is told as what is missing.
        let (address, device) = match selector.resolve(host) {
            Ok(selector::Found::Device(device)) => (device.address, Some(device)),
            Ok(selector::Found::Absent(address)) => (address, None),
            Err(_) => continue,
        };
        // Ids follow a card that moved: what else sits at its address is nothing to them.
        let Some(identity) = Identity::at(host, address, device.as_deref())? else { continue };
        let is_claimed =
            |ids: &[PciIdPattern]| ids.is_empty() || ids.iter().any(|it| it.matches(&identity.id));
        if !is_claimed(it.resource.ids()) {
            continue;
        }
        let is_there = device.is_some();
        let device = DeclaredDevice { resource: it.id.clone(), address, identity, name: None };
        devices.push(Known { device, is_there });
    }
    Ok(devices)
}

/// Returns a hazard for each declared device that is not the one which was meant. The rules of hoststate tell which that
/// was, also below `--root`; where none are in place, the newest run that put something in place.
fn changed(
    declared: &[Declared],
    devices: &[Known],
    host: &HostView,
    past: Past<'_>,
) -> Result<Vec<(ResourceId, Hazard)>> {
    if devices.is_empty() {
        return Ok(Vec::new());
    }
    let before = host.without_predictions();
    let by_id: HashMap<&ResourceId, &Declared> = declared.iter().map(|it| (&it.id, it)).collect();
    let (mut known, mut open, mut own) = (BTreeMap::new(), Vec::new(), Vec::new());
    for Known { device, .. } in devices {
        let Some(of_it) = by_id.get(&device.resource).copied() else { continue };
        own.push((of_it, device));
        match of_it.resource.meant(&before, device.address)? {
            Some(meant) => {
                known.insert(&of_it.id, meant);
            }
            None => open.push(of_it),
        }
    }
    known.extend(recorded(open, past)?);
    let mut hazards = Vec::new();
    for (of_it, device) in own {
        let (Some(selector), Some(meant)) = (selector(of_it), known.get(&of_it.id)) else { continue };
        hazards.extend(hazard(&selector, device, meant, host)?.map(|it| (of_it.id.clone(), it)));
    }
    Ok(hazards)
}

/// Returns what a declaration meant that is gone from an address, and where it is.
///
/// # Errors
/// When the host or the records cannot be read.
pub(super) fn moved(
    declared: &Declared,
    address: PciAddress,
    host: &HostView,
    past: Past<'_>,
) -> Result<Option<(&'static str, PciAddress)>> {
    let meant = match declared.resource.meant(&host.without_predictions(), address)? {
        Some(meant) => Some(meant),
        None => recorded(vec![declared], past)?.remove(&declared.id),
    };
    let Some(Meant { identity, .. }) = meant else { return Ok(None) };
    let what = if identity.virtfn().is_some() { "virtual function" } else { "card" };
    Ok(match identity.find(host, address)? {
        Whereabouts::At(address) => Some((what, address)),
        Whereabouts::Perhaps(_) | Whereabouts::Nowhere => None,
    })
}

/// Returns what the newest runs that put something in place for these declarations meant by their devices.
fn recorded<'a>(mut open: Vec<&'a Declared>, past: Past<'_>) -> Result<BTreeMap<&'a ResourceId, Meant>> {
    let mut known = BTreeMap::new();
    if open.is_empty() {
        return Ok(known);
    }
    past.newest(|run| {
        let alike = Alike::of(&run.declarations);
        open.retain(|it| {
            let is_newest = has_put_in_place(run) && alike.find(&it.declaration).is_some();
            if let Some(device) = run.meant.iter().find(|device| is_newest && device.resource == it.id) {
                let (address, identity) = (device.address, device.identity.clone());
                known.insert(&it.id, Meant { address, identity, place: format!("run {}", run.id) });
            }
            !is_newest
        });
        open.is_empty()
    })?;
    Ok(known)
}

fn hazard(
    selector: &DeviceSelector,
    device: &DeclaredDevice,
    meant: &Meant,
    host: &HostView,
) -> Result<Option<Hazard>> {
    let (was, is) = (&meant.identity, &device.identity);
    let is_of_kind = was.is_of_kind(is);
    let elsewhere = match was.is_it(is) {
        Some(true) => return Ok(None),
        Some(false) => was.find(host, device.address)?,
        // Twins without a number: the other one is where the card was.
        None if was.card().path.is_some() && was.card().path != is.card().path => {
            match was.virtual_function {
                Some(_) => was.find(host, device.address)?,
                None => match at_path(was, host)? {
                    Some(address) if address != device.address => Whereabouts::At(address),
                    _ => return Ok(None),
                },
            }
        }
        None => return Ok(None),
    };
    if tells(selector, is_of_kind) {
        return Ok(None);
    }
    let names = Names::read(host);
    let (old, new) = old_and_new(was, is, &names);
    let subject = match selector {
        DeviceSelector::Address(address) => address.to_string(),
        DeviceSelector::Traits(_) => format!("{} ({selector})", device.address),
    };
    let what = if was.virtfn().is_some() { "it" } else { "the card" };
    let whereabouts = match elsewhere {
        Whereabouts::At(address) => format!("{what} moved to {address}"),
        Whereabouts::Perhaps(address) => format!("{what} may be the one at {address}"),
        Whereabouts::Nowhere => format!("{what} is not on this host"),
    };
    let message = format!("{subject} was {old}, is {new}; {whereabouts}");
    // A card that was replaced by one like it is most likely meant; one that is elsewhere still is not this.
    let is_replaced = is_of_kind && !matches!(elsewhere, Whereabouts::At(_));
    let severity = if is_replaced { Severity::Warn } else { Severity::Refuse };
    // Names come and go with a package.
    let ids = |it: &Identity| format!("{:04x}:{:04x}", it.card().id.vendor, it.card().id.device);
    let (before, now) = (ids(was), ids(is));
    let address = changed_at(device, was, host)?.to_string();
    let numbers = [was.number(), is.number()].map(Option::unwrap_or_default);
    let identity = [address.as_str(), &before, &now, numbers[0], numbers[1]];
    let hazard = Hazard::new(GUARD, severity, &identity, message);
    let remembered = format!("{} has it at {} as {}", meant.place, meant.address, was.told(&names));
    let found = format!("{} is {}", pci_bus::directory(device.address).display(), is.told(&names));
    Ok(Some(hazard.on(device.address).shown_by([remembered, found])))
}

/// Returns where the change is: a card that is another one is that for all its functions.
fn changed_at(device: &DeclaredDevice, was: &Identity, host: &HostView) -> Result<PciAddress> {
    let is = &device.identity;
    if was.virtfn() != is.virtfn() || is.virtfn().is_none() {
        return Ok(device.address);
    }
    let devices = pci_bus::devices(host)?;
    let known = devices.iter().find(|it| it.address == device.address);
    let of = virtual_functions::physical(&devices, device.address, known);
    Ok(of.map_or(device.address, |it| it.address))
}

/// Returns what a device was and what is there now, as the halves of "was …, is …".
fn old_and_new(was: &Identity, is: &Identity, names: &Names) -> (String, String) {
    let part =
        |it: &Identity| it.virtfn().map_or_else(String::new, |it| format!("virtual function {it} of "));
    let called = |it: &Identity| names.called(it.card().id.vendor, it.card().id.device);
    let is_both = was.virtfn().is_some() == is.virtfn().is_some();
    let (old, new) = match (was.number(), is.number()) {
        _ if !is_both || !was.is_of_kind(is) => (called(was), called(is)),
        (Some(before), Some(now)) if before != now => {
            (format!("{} {before}", called(was)), format!("another, {now}"))
        }
        (Some(number), Some(_)) if was.virtfn() != is.virtfn() => {
            (format!("{} {number}", called(was)), "it".to_owned())
        }
        _ => (called(was), "another of that kind".to_owned()),
    };
    (part(was) + &old, part(is) + &new)
}

/// Returns whether a selector says by itself which device is meant, so that it may be another than before.
fn tells(selector: &DeviceSelector, is_of_kind: bool) -> bool {
    let DeviceSelector::Traits(traits) = selector else { return false };
    let kind = traits.vendor.is_some() && traits.device.is_some();
    traits.serial.is_some() || traits.mac.is_some() || (kind && !is_of_kind)
}

/// Returns the device of the same kind behind the bridges that a card was behind.
fn at_path(was: &Identity, host: &HostView) -> Result<Option<PciAddress>> {
    let devices = pci_bus::devices(host)?;
    let is_there = |it: &&PciDevice| {
        let id = |it: PciId| (it.vendor, it.device);
        id(it.id) == id(was.id) && BridgePath::of(&it.path) == was.path
    };
    Ok(devices.iter().find(is_there).map(|it| it.address))
}
