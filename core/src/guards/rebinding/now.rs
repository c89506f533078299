//! What the steps of a plan do to the devices at once.

use std::collections::BTreeMap;
use std::path::Path;

use hoststate_abi::about::About;
use hoststate_abi::pci_address::PciAddress;

use super::claim::{Claim, attribute};
use super::{Cause, Kind};
use crate::formats::pci::PciIdPattern;
use crate::machine::pci_bus::PciDevice;
use crate::plan::scene::Scene;

/// Returns the devices that are moved by writes to sysfs, in the order of the steps.
pub(super) fn moves(scene: Scene<'_>, devices: &[PciDevice]) -> BTreeMap<PciAddress, Claim> {
    let named = devices.iter().filter_map(|it| Some((it.address, it.driver_override.clone()?)));
    let mut overrides: BTreeMap<PciAddress, String> = named.collect();
    let mut moves: BTreeMap<PciAddress, Claim> = BTreeMap::new();
    let mut moved = |address: PciAddress, to: Option<String>, kind: Kind, evidence: String| {
        let claim = moves.entry(address).or_insert_with(|| Claim { to: None, causes: Vec::new() });
        claim.to = to;
        claim.causes.push(Cause { kind, evidence });
    };
    for (path, value) in scene.attributes() {
        let evidence = || format!("{value:?} is written to {}", path.display());
        let by_value = value.parse::<PciAddress>().ok();
        let to_own = || {
            let about = About::Driver(by_value?);
            scene.changes.iter().find(|it| it.about == about)?.desired.clone()
        };
        match (name(path), by_value) {
            ("driver_override", _) => {
                if let Some(address) = path.parent().and_then(address_of) {
                    // A line of nothing clears it.
                    overrides.insert(address, value.trim().to_owned());
                }
            }
            ("unbind", Some(address)) => {
                moved(address, overrides.get(&address).cloned(), Kind::Address, evidence())
            }
            ("bind", Some(address)) => moved(address, Some(driver(path)), Kind::Address, evidence()),
            ("drivers_probe", Some(address)) => {
                match overrides.get(&address).map(String::as_str) {
                    None => {}
                    // Whoever knows its ids takes it, as when the device appears.
                    Some("") => moved(address, to_own(), Kind::Address, evidence()),
                    Some(to) => {
                        let why = format!("{} names {to}", attribute(address, "driver_override"));
                        moved(address, Some(to.to_owned()), Kind::Address, why);
                    }
                }
            }
            ("remove", _) if value == "1" => {
                if let Some(address) = path.parent().and_then(address_of) {
                    moved(address, None, Kind::Address, evidence());
                }
            }
            ("new_id", _) => {
                // Fields are apart by blanks here; a device that has a driver keeps it.
                let Ok(pattern) =
                    value.split_whitespace().collect::<Vec<_>>().join(":").parse::<PciIdPattern>()
                else {
                    continue;
                };
                for device in devices.iter().filter(|it| it.driver.is_none() && pattern.matches(&it.id)) {
                    moved(device.address, Some(driver(path)), Kind::Id(pattern), evidence());
                }
            }
            _ => {}
        }
    }
    moves
}

fn name(path: &Path) -> &str {
    path.file_name().and_then(|it| it.to_str()).unwrap_or_default()
}

fn driver(path: &Path) -> String {
    path.parent().map(name).unwrap_or_default().to_owned()
}

fn address_of(directory: &Path) -> Option<PciAddress> {
    name(directory).parse().ok()
}
