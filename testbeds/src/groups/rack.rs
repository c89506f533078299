//! A random machine: ports that keep apart or do not, switches, bridges to conventional PCI, devices with one function and
//! with several.

use crate::{
    dice::Dice,
    twins::{Identity, Seat, Space},
};

/// Devices of PCI Express, which are conventional on a conventional bus, and devices that are always conventional.
const EXPRESS: [&str; 5] = ["e1000e", "qemu-xhci", "virtio-rng-pci", "bochs-display", "nvme,serial=x"];
const CONVENTIONAL: [&str; 5] = ["rtl8139", "e1000", "pcnet", "sdhci-pci", "edu"];

/// Devices that the kernel's tables know something about, and two of which they know nothing.
const KNOWN: [(u16, u16); 14] = [
    (0x8086, 0x10fb),
    (0x8086, 0x1521),
    (0x8086, 0x15b7),
    (0x1002, 0x4385),
    (0x1022, 0x780f),
    (0x10df, 0x0720),
    (0x14e4, 0x16d7),
    (0x1180, 0xe832),
    (0x1b4b, 0x9120),
    (0x1b4b, 0x9235),
    (0x1924, 0x0903),
    (0x8088, 0x0101),
    (0x10de, 0x0ffc),
    (0x144d, 0xa80a),
];
/// No driver of the kernel asks for it.
const CLASS: u32 = 0x11_8000;

/// Slots of the root bus that no device of the board has.
const SLOTS: std::ops::Range<usize> = 2..0x1e;

/// Most functions of a machine.
const MOST: usize = 24;

/// The IOMMU of the board.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Vendor {
    Intel,
    Amd,
}

/// A machine.
pub(super) struct Rack {
    pub(super) vendor: Vendor,
    /// Arguments of QEMU, but for the IOMMU.
    pub(super) devices: Vec<String>,
    /// Functions that another process has, where the machine may have some.
    pub(super) twins: Option<Vec<(Space, Seat)>>,
    ports: usize,
}

impl Rack {
    /// Returns the machine of a seed: every second has an IOMMU of AMD, every third has devices that the kernel's tables
    /// know. The QEMU that can have those has no ports without Access Control Services.
    pub(super) fn of(seed: u64) -> Self {
        let vendor = if seed.is_multiple_of(2) { Vendor::Amd } else { Vendor::Intel };
        let twins = seed.is_multiple_of(3).then(Vec::new);
        let mut rack = Self { vendor, devices: Vec::new(), twins, ports: 0 };
        let dice = &mut Dice::new(seed);
        let mut slot = SLOTS.start;
        while slot < SLOTS.end && rack.devices.len() < MOST && !(slot > SLOTS.start && dice.one_in(6)) {
            rack.slot(dice, "pcie.0", slot, 0);
            slot += 1 + dice.below(2);
        }
        rack
    }

    /// Returns a machine with nothing but its board.
    pub(super) fn empty(vendor: Vendor) -> Self {
        Self { vendor, devices: Vec::new(), twins: Some(Vec::new()), ports: 0 }
    }

    /// Returns the arguments of the IOMMU and of QEMU's own devices.
    pub(super) fn arguments(&self) -> Vec<String> {
        let iommu = match self.vendor {
            Vendor::Intel => "intel-iommu,intremap=on,caching-mode=on",
            Vendor::Amd => "amd-iommu,intremap=on",
        };
        let devices = self.devices.iter().map(String::as_str);
        [iommu].into_iter().chain(devices).flat_map(|it| ["-device".into(), it.to_owned()]).collect()
    }

    /// Puts something into a slot of an express bus.
    fn slot(&mut self, dice: &mut Dice, bus: &str, slot: usize, depth: usize) {
        match dice.below(if depth < 2 { 10 } else { 4 }) {
            0..=2 => self.device(dice, bus, slot, &EXPRESS),
            3 => self.device(dice, bus, slot, &CONVENTIONAL),
            4 => self.conventional(dice, "pcie-pci-bridge", bus, slot),
            5 if depth == 0 => self.conventional(dice, "i82801b11-bridge", bus, slot),
            5..=8 if depth == 0 => self.ports(dice, bus, slot),
            // A switch is below a port, never on the root bus.
            _ if depth > 0 => self.switch(dice, bus, slot),
            _ => self.ports(dice, bus, slot),
        }
    }

    /// Puts a device into a slot, with one function or several.
    fn device(&mut self, dice: &mut Dice, bus: &str, slot: usize, models: &[&str]) {
        let functions = if dice.one_in(2) { 1 } else { 2 + dice.below(3) };
        if self.twins.is_some() && dice.one_in(2) {
            return self.known(dice, bus, slot, functions);
        }
        for function in 0..functions {
            let multifunction = if functions > 1 { ",multifunction=on" } else { "" };
            // Its virtual functions take places that another function of the device may have.
            let alone = functions == 1 && models == EXPRESS && dice.one_in(6);
            let model = if alone { "igb" } else { dice.pick(models) };
            self.devices.push(format!("{model},bus={bus},addr={slot:x}.{function}{multifunction}"));
        }
    }

    /// Puts a device into a slot that the kernel's tables know, or a function of it.
    fn known(&mut self, dice: &mut Dice, bus: &str, slot: usize, functions: usize) {
        let of_one_kind = (!dice.one_in(4)).then(|| KNOWN[dice.below(KNOWN.len())]);
        let express = !dice.one_in(4);
        for function in 0..functions {
            let (vendor, device) = of_one_kind.unwrap_or_else(|| KNOWN[dice.below(KNOWN.len())]);
            let subsystem = (vendor, 1);
            let identity =
                Identity { vendor, device, subsystem, class: CLASS, revision: 1, express, serial: None };
            let (slot, function) = (slot as u8, function as u8);
            let seat = Seat { bus: bus.into(), slot, function, multifunction: functions > 1 };
            self.twins.get_or_insert_default().push((Space::from(&identity), seat));
        }
    }

    fn name(&mut self) -> (String, usize) {
        self.ports += 1;
        (format!("p{}", self.ports), self.ports)
    }

    /// Puts one port of the root complex into a slot, or several, each with something behind it.
    fn ports(&mut self, dice: &mut Dice, bus: &str, slot: usize) {
        let count = if dice.one_in(2) { 1 } else { 2 + dice.below(2) };
        for function in 0..count {
            let (id, number) = self.name();
            let model = dice.pick(&["pcie-root-port", "ioh3420"]);
            let apart = if self.twins.is_none() && dice.one_in(3) { ",disable-acs=on" } else { "" };
            let multifunction = if count > 1 { ",multifunction=on" } else { "" };
            self.devices.push(format!(
                "{model},id={id},bus={bus},addr={slot:x}.{function},chassis={number},slot={number}{apart}{multifunction}"
            ));
            if !dice.one_in(6) {
                self.slot(dice, &id, 0, 1);
            }
        }
    }

    fn switch(&mut self, dice: &mut Dice, bus: &str, slot: usize) {
        let (up, _) = self.name();
        self.devices.push(format!("x3130-upstream,id={up},bus={bus},addr={slot:x}.0"));
        for port in 0..1 + dice.below(3) {
            let (id, number) = self.name();
            self.devices.push(format!(
                "xio3130-downstream,id={id},bus={up},addr={port:x}.0,chassis={number},slot={number}"
            ));
            if !dice.one_in(5) {
                self.slot(dice, &id, 0, 2);
            }
        }
    }

    /// Puts a bridge to conventional PCI into a slot, with devices behind it and perhaps another bridge.
    fn conventional(&mut self, dice: &mut Dice, model: &str, bus: &str, slot: usize) {
        let (id, _) = self.name();
        self.devices.push(format!("{model},id={id},bus={bus},addr={slot:x}.0"));
        for behind in 1..=1 + dice.below(2) {
            self.device(dice, &id, behind, &CONVENTIONAL);
        }
        if dice.one_in(3) {
            let (inner, number) = self.name();
            self.devices.push(format!("pci-bridge,id={inner},bus={id},addr=5.0,chassis_nr={number}"));
            self.device(dice, &inner, 1, &EXPRESS);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_third_machine_has_functions_of_other_makers_each_in_a_place_of_its_own() {
        let mut machines = 0;
        for seed in 1..=60 {
            let rack = Rack::of(seed);
            assert_eq!(rack.twins.is_some(), seed % 3 == 0, "{seed}");
            let Some(twins) = rack.twins.as_ref().filter(|it| !it.is_empty()) else { continue };
            machines += 1;
            let places: BTreeSet<_> = twins.iter().map(|it| (&it.1.bus, it.1.slot, it.1.function)).collect();
            assert_eq!(places.len(), twins.len(), "{seed}");
            let taken = |it: &&Seat| {
                let place = format!("bus={},addr={:x}.{}", it.bus, it.slot, it.function);
                rack.devices.iter().any(|it| it.ends_with(&place) || it.contains(&format!("{place},")))
            };
            assert_eq!(twins.iter().map(|it| &it.1).find(taken), None, "{seed}");
            // The QEMU that can have them would not start.
            assert!(!rack.arguments().join(" ").contains("disable-acs"), "{seed}");
        }
        assert!(machines > 10, "{machines}");
    }
}
