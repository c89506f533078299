//! Guard `device-changed`: whether the devices that declarations are about are those that were meant when something was
//! last put in place for them.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};

use hoststate_abi::host_view::HostView;
use hoststate_abi::pci_address::PciAddress;

use super::Planner;
use crate::error::Result;
use crate::formats::pci::{PciId, PciIdPattern};
use crate::language::declaration::{Alike, ResourceId};
use crate::language::registry::Declared;
use crate::language::selector::{self, DeviceSelector};
use crate::machine::identity::{BridgePath, Identity, Meant, Whereabouts};
use crate::machine::pci_bus::{self, PciDevice};
use crate::machine::pci_names::Names;
use crate::plan::declared_device::DeclaredDevice;
use crate::plan::scene::{Hazard, Severity};
use crate::record::past::{Past, has_put_in_place};

const NAME: &str = "device-changed";

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
            hazards.push(hazard);
        }
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

/// Returns who the declared devices are, those that are there.
fn read(declared: &[Declared], host: &HostView) -> Result<Vec<DeclaredDevice>> {
    let mut devices = Vec::new();
    for it in declared {
        let Some(selector) = selector(it) else { continue };
        // That a selector fits none or several is told as what is missing.
        let Ok(selector::Found::Device(device)) = selector.resolve(host) else { continue };
        // Ids follow a card that moved: what else sits at its address is nothing to them.
        let is_claimed = |ids: &[PciIdPattern]| ids.is_empty() || ids.iter().any(|it| it.matches(&device.id));
        if !is_claimed(it.resource.ids()) {
            continue;
        }
        let identity = Identity::read(host, &device)?;
        devices.push(DeclaredDevice {
            resource: it.id.clone(),
            address: device.address,
            identity,
            name: None,
        });
    }
    Ok(devices)
}

/// Returns a hazard for each declared device that is not the one which was meant. The rules of hoststate tell which that
/// was, also below `--root`; where none are in place, the newest run that put something in place.
fn changed(
    declared: &[Declared],
    devices: &[DeclaredDevice],
    host: &HostView,
    past: Past<'_>,
) -> Result<Vec<(ResourceId, Hazard)>> {
    if devices.is_empty() {
        return Ok(Vec::new());
    }
    let before = host.without_predictions();
    let all = pci_bus::devices(host)?;
    let virtual_ones: HashSet<PciAddress> =
        all.iter().filter(|it| it.physfn.is_some()).map(|it| it.address).collect();
    let by_id: HashMap<&ResourceId, &Declared> = declared.iter().map(|it| (&it.id, it)).collect();
    let (mut known, mut open, mut own) = (BTreeMap::new(), Vec::new(), Vec::new());
    // A virtual function is what its physical one makes of it.
    for device in devices.iter().filter(|it| !virtual_ones.contains(&it.address)) {
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

/// Returns where the card is that a declaration meant and that is gone from an address.
///
/// # Errors
/// When the host or the records cannot be read.
pub(super) fn moved(
    declared: &Declared,
    address: PciAddress,
    host: &HostView,
    past: Past<'_>,
) -> Result<Option<PciAddress>> {
    let meant = match declared.resource.meant(&host.without_predictions(), address)? {
        Some(meant) => Some(meant),
        None => recorded(vec![declared], past)?.remove(&declared.id),
    };
    let found = meant.map(|it| it.identity.find(host, address)).transpose()?;
    Ok(match found {
        Some(Whereabouts::At(address)) => Some(address),
        _ => None,
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
        None if was.path.is_some() && was.path != is.path => match at_path(was, host)? {
            Some(address) if address != device.address => Whereabouts::At(address),
            _ => return Ok(None),
        },
        None => return Ok(None),
    };
    if tells(selector, is_of_kind) {
        return Ok(None);
    }
    let names = Names::read(host);
    let (old, new) = if is_of_kind {
        let old = names.called(was.id.vendor, was.id.device);
        match (was.number(), is.number()) {
            (Some(before), Some(now)) if before != now => {
                (format!("{old} {before}"), format!("another, {now}"))
            }
            _ => (old, "another of that kind".to_owned()),
        }
    } else {
        let called = |it: &Identity| names.called(it.id.vendor, it.id.device);
        (called(was), called(is))
    };
    let subject = match selector {
        DeviceSelector::Address(address) => address.to_string(),
        DeviceSelector::Traits(_) => format!("{} ({selector})", device.address),
    };
    let whereabouts = match elsewhere {
        Whereabouts::At(address) => format!("the card moved to {address}"),
        Whereabouts::Perhaps(address) => format!("the card may be the one at {address}"),
        Whereabouts::Nowhere => "the card is not on this host".to_owned(),
    };
    let message = format!("{subject} was {old}, is {new}; {whereabouts}");
    // A card that was replaced by one like it is most likely meant; one that is elsewhere still is not this.
    let is_replaced = is_of_kind && !matches!(elsewhere, Whereabouts::At(_));
    let severity = if is_replaced { Severity::Warn } else { Severity::Refuse };
    // Names come and go with a package.
    let ids = |it: &Identity| format!("{:04x}:{:04x}", it.id.vendor, it.id.device);
    let (address, before, now) = (device.address.to_string(), ids(was), ids(is));
    let numbers = [was.number(), is.number()].map(Option::unwrap_or_default);
    let identity = [address.as_str(), &before, &now, numbers[0], numbers[1]];
    let hazard = Hazard::new(NAME, severity, &identity, message);
    let remembered = format!("{} has it at {} as {}", meant.place, meant.address, was.told(&names));
    let found = format!("{} is {}", pci_bus::directory(device.address).display(), is.told(&names));
    Ok(Some(hazard.on(device.address).shown_by([remembered, found])))
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
