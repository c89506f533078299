//! A random machine: ports that keep apart or do not, switches, bridges to conventional PCI, devices with one function and
//! with several.

use crate::dice::Dice;

/// Devices of PCI Express, which are conventional on a conventional bus, and devices that are always conventional.
const EXPRESS: [&str; 5] = ["e1000e", "qemu-xhci", "virtio-rng-pci", "bochs-display", "nvme,serial=x"];
const CONVENTIONAL: [&str; 5] = ["rtl8139", "e1000", "pcnet", "sdhci-pci", "edu"];

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
    ports: usize,
}

impl Rack {
    /// Returns the machine of a seed; every second has an IOMMU of AMD.
    pub(super) fn of(seed: u64) -> Self {
        let vendor = if seed.is_multiple_of(2) { Vendor::Amd } else { Vendor::Intel };
        let mut rack = Self { vendor, devices: Vec::new(), ports: 0 };
        let dice = &mut Dice::new(seed);
        let mut slot = SLOTS.start;
        while slot < SLOTS.end && rack.devices.len() < MOST && !(slot > SLOTS.start && dice.one_in(6)) {
            rack.slot(dice, "pcie.0", slot, 0);
            slot += 1 + dice.below(2);
        }
        rack
    }

    /// Returns the arguments of the IOMMU and of the devices.
    pub(super) fn arguments(&self) -> Vec<&str> {
        let iommu = match self.vendor {
            Vendor::Intel => "intel-iommu,intremap=on,caching-mode=on",
            Vendor::Amd => "amd-iommu,intremap=on",
        };
        let devices = self.devices.iter().map(String::as_str);
        [iommu].into_iter().chain(devices).flat_map(|it| ["-device", it]).collect()
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
        for function in 0..functions {
            let multifunction = if functions > 1 { ",multifunction=on" } else { "" };
            // Its virtual functions take places that another function of the device may have.
            let alone = functions == 1 && models == EXPRESS && dice.one_in(6);
            let model = if alone { "igb" } else { dice.pick(models) };
            self.devices.push(format!("{model},bus={bus},addr={slot:x}.{function}{multifunction}"));
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
            let apart = if dice.one_in(3) { ",disable-acs=on" } else { "" };
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
