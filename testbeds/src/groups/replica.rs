//! A captured machine, built again of ports, switches, bridges and functions with its configuration spaces.

use std::collections::BTreeMap;

use super::rack::{Rack, Vendor};
use crate::twins::{Captured, Function, Seat, Space};

/// Slots of the root bus where the board has its own devices.
const OF_THE_BOARD: [u8; 2] = [0x00, 0x1f];
/// The vendor of a host bridge of AMD's.
const AMD: [u8; 2] = [0x22, 0x10];

/// What a bridge is on PCI Express (device types of the capability).
const ROOT_PORT: u8 = 4;
const UPSTREAM: u8 = 5;
const DOWNSTREAM: u8 = 6;
const TO_CONVENTIONAL: u8 = 7;

/// The way to a function: slot and function of each bridge above it, and its own.
type Way = Vec<(u8, u8)>;

/// What a captured machine was built again of.
pub(super) struct Replica {
    pub(super) rack: Rack,
    /// The functions that it has, with their ways.
    functions: BTreeMap<Way, Function>,
    /// What it does not have.
    pub(super) left_out: Vec<String>,
}

impl Replica {
    /// Builds a machine again as far as it can be.
    pub(super) fn of(captured: &Captured) -> Self {
        let host_bridge = captured.functions.get(&(0, 0, 0));
        let is_amd = host_bridge.is_some_and(|it| it.config.starts_with(&AMD));
        let rack = Rack::empty(if is_amd { Vendor::Amd } else { Vendor::Intel });
        let mut replica = Self { rack, functions: BTreeMap::new(), left_out: Vec::new() };
        for it in captured.functions.keys().filter(|it| captured.way(**it).is_none()) {
            replica.leave_out(*it, "another root bus leads to it");
        }
        replica.fill(captured, 0, "pcie.0", None);
        replica
    }

    fn leave_out(&mut self, (bus, slot, function): (u8, u8, u8), why: &str) {
        self.left_out.push(format!("{bus:02x}:{slot:02x}.{function}: {why}"));
    }

    /// Puts what is on a bus onto one of QEMU's; `above` is what the bridge to it is on PCI Express.
    fn fill(&mut self, captured: &Captured, bus: u8, name: &str, above: Option<u8>) {
        let on_bus: Vec<_> = captured.functions.iter().filter(|it| it.0.0 == bus).collect();
        for &(address, function) in &on_bus {
            let address @ (_, slot, number) = *address;
            let Some(way) = captured.way(address) else { continue };
            if bus == 0 && OF_THE_BOARD.contains(&slot) {
                self.leave_out(address, "the board has its own there");
                continue;
            }
            let multifunction = on_bus.iter().filter(|it| it.0.1 == slot).count() > 1;
            let Some(behind) = function.leads_to() else {
                match Space::captured(&function.config) {
                    Ok(space) => {
                        let seat = Seat { bus: name.into(), slot, function: number, multifunction };
                        self.rack.twins.get_or_insert_default().push((space, seat));
                        self.functions.insert(way, function.clone());
                    }
                    Err(err) => self.leave_out(address, &err.to_string()),
                }
                continue;
            };
            let is_known = function.config.len() > Space::HEADER;
            let kind = if is_known { Space::express_type(&function.config) } else { presumed(above) };
            let on_root = above.is_none() && bus == 0;
            let count = self.rack.devices.len() + 1;
            let model = match kind {
                Some(ROOT_PORT) if on_root => format!("pcie-root-port,chassis={count},slot={count}"),
                Some(UPSTREAM) if matches!(above, Some(ROOT_PORT | DOWNSTREAM)) => "x3130-upstream".into(),
                Some(DOWNSTREAM) if above == Some(UPSTREAM) => {
                    format!("xio3130-downstream,chassis={count},slot={count}")
                }
                Some(TO_CONVENTIONAL) => "pcie-pci-bridge".into(),
                None if on_root => "i82801b11-bridge".into(),
                None => format!("pci-bridge,chassis_nr={count}"),
                Some(_) => {
                    self.leave_out(
                        address,
                        "QEMU has no such bridge there; what is behind it is left out, too",
                    );
                    continue;
                }
            };
            let (id, more) = (format!("b{count}"), if multifunction { ",multifunction=on" } else { "" });
            self.rack.devices.push(format!("{model},id={id},bus={name},addr={slot:x}.{number}{more}"));
            self.fill(captured, behind, &id, kind);
        }
    }

    /// Returns in what a machine is not what was captured, and how many functions are with those that they were with
    /// when they were captured.
    pub(super) fn compare(&self, shown: &Captured) -> (Vec<String>, usize) {
        let ways = shown.functions.iter().filter_map(|it| Some((shown.way(*it.0)?, it.1)));
        let shown: BTreeMap<Way, &Function> = ways.collect();
        let mut wrong = Vec::new();
        for (way, function) in &self.functions {
            match shown.get(way) {
                None => wrong.push(format!("{way:x?} is not there")),
                Some(found) if found.identity() != function.identity() => {
                    wrong.push(format!(
                        "{way:x?} is {:02x?}, not {:02x?}",
                        found.identity(),
                        function.identity()
                    ));
                }
                Some(_) => {}
            }
        }
        let mates = |of: &dyn Fn(&Way) -> Option<String>, way: &Way| -> Option<Vec<Way>> {
            let own = of(way)?;
            Some(self.functions.keys().filter(|it| of(it).as_ref() == Some(&own)).cloned().collect())
        };
        let before = |way: &Way| self.functions.get(way)?.group.clone();
        let now = |way: &Way| shown.get(way)?.group.clone();
        let grouped = self.functions.keys().filter_map(|way| Some(mates(&before, way)? == mates(&now, way)?));
        let as_before = grouped.filter(|it| *it).count();
        (wrong, as_before)
    }

    /// How many functions it has.
    pub(super) fn len(&self) -> usize {
        self.functions.len()
    }
}

/// What a bridge is of which only the header was shown, by what is above it.
fn presumed(above: Option<u8>) -> Option<u8> {
    Some(match above {
        None => ROOT_PORT,
        Some(UPSTREAM) => DOWNSTREAM,
        Some(TO_CONVENTIONAL) => return None,
        Some(_) => UPSTREAM,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn captured(name: &str) -> Captured {
        let hosts = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/hosts");
        Captured::read(&crate::files::read(format!("{hosts}/{name}.host")).unwrap()).unwrap()
    }

    #[test]
    fn a_captured_host_is_built_of_its_ports_and_functions() {
        let replica = Replica::of(&captured("ubuntu-24.04"));
        let seats: Vec<String> = replica
            .rack
            .twins
            .iter()
            .flatten()
            .map(|(_, it)| format!("{} {:x}.{}", it.bus, it.slot, it.function))
            .collect();
        assert_eq!(
            seats,
            ["b1 0.0", "b1 0.1", "pcie.0 2.0", "pcie.0 14.0", "b2 0.0", "b3 0.0", "b4 0.0", "b4 0.1"]
        );
        let last = replica.rack.devices.last().unwrap();
        assert_eq!(last, "pcie-root-port,chassis=4,slot=4,id=b4,bus=pcie.0,addr=1d.0");
        assert!(
            replica.left_out.iter().all(|it| it.contains("the board has its own")),
            "{:?}",
            replica.left_out
        );
        assert_eq!(replica.rack.vendor, Vendor::Intel);
    }

    #[test]
    fn what_no_machine_can_have_is_told() {
        let replica = Replica::of(&captured("ubuntu-22.04"));
        assert_eq!(replica.rack.vendor, Vendor::Amd);
        assert!(
            replica.left_out.iter().any(|it| it == "41:00.0: another root bus leads to it"),
            "{:?}",
            replica.left_out
        );
    }

    #[test]
    fn a_machine_that_is_not_what_was_captured_is_told() {
        let host = captured("ubuntu-24.04");
        let replica = Replica::of(&host);
        assert_eq!(replica.compare(&host), (Vec::new(), replica.len()));
        let mut other = host.clone();
        other.functions.get_mut(&(1, 0, 1)).unwrap().config[2] ^= 1;
        other.functions.remove(&(3, 0, 0));
        other.functions.get_mut(&(0x3b, 0, 0)).unwrap().group = Some("alone".into());
        let (wrong, as_before) = replica.compare(&other);
        assert_eq!(wrong.len(), 2, "{wrong:?}");
        assert!(as_before < replica.len());
    }
}
