//! Devices that are not what their configuration space says: isolated without saying so, or with ids of others.
//!
//! Which devices, is data: drivers/pci/quirks.c of Linux 6.1.192 (`pci_dev_acs_enabled` and the fixups of DMA aliases).

use std::ops::RangeInclusive;

use crate::machine::pci_bus::PciDevice;
use crate::machine::pci_bus::config_space::Express;

/// The Linux whose tables these are; one that is older knows fewer devices.
pub(super) const OF_LINUX: (u32, u32) = (6, 1);

/// What a table says about a device that has no Access Control Services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Isolation {
    /// Whatever it is.
    Always,
    /// As a port of the root complex.
    RootPort,
    /// As a port of the root complex or a downstream port of a switch.
    Port,
    /// As one of several functions in the south bridge, with an IOMMU of AMD.
    AmdSouthBridge,
    /// As a port of the root complex whose chipset has its registers shown at 00:1f.0.
    IntelChipset,
    /// As a device that is part of the root complex.
    Integrated,
    /// Not as a port, whatever its capabilities say.
    NoPort,
    /// Never, whatever its capabilities say.
    Never,
}

const INTEL: u32 = 0x8086;

/// Vendor, device ids, and what holds for them.
const ISOLATED: &[(u32, &[RangeInclusive<u32>], Isolation)] = &[
    (0x1002, &[0x4383..=0x4385, 0x4399..=0x4399, 0x439c..=0x439d], Isolation::AmdSouthBridge),
    (0x1022, &[0x7809..=0x7809, 0x780f..=0x780f], Isolation::AmdSouthBridge),
    (0x1924, &[0x0903..=0x0903, 0x0923..=0x0923, 0x0a03..=0x0a03], Isolation::Always),
    // 82598, 82599, X520, X540
    (INTEL, &[0x10c6..=0x10c6, 0x10db..=0x10db, 0x10dd..=0x10dd, 0x10e1..=0x10e1], Isolation::Always),
    (INTEL, &[0x10f1..=0x10f1, 0x10f7..=0x10fc, 0x1507..=0x1507, 0x1514..=0x1514], Isolation::Always),
    (INTEL, &[0x151c..=0x151c, 0x1529..=0x152a, 0x154d..=0x154d, 0x154f..=0x154f], Isolation::Always),
    (INTEL, &[0x1551..=0x1551, 0x1558..=0x1558], Isolation::Always),
    // 82580
    (INTEL, &[0x1509..=0x1509, 0x150e..=0x1511, 0x1516..=0x1516, 0x1527..=0x1527], Isolation::Always),
    // 82576
    (INTEL, &[0x10c9..=0x10c9, 0x10e6..=0x10e8, 0x150a..=0x150a, 0x150d..=0x150d], Isolation::Always),
    (INTEL, &[0x1518..=0x1518, 0x1526..=0x1526], Isolation::Always),
    // 82575
    (INTEL, &[0x10a7..=0x10a7, 0x10a9..=0x10a9, 0x10d6..=0x10d6], Isolation::Always),
    // I350
    (INTEL, &[0x1521..=0x1524], Isolation::Always),
    // 82571
    (INTEL, &[0x105e..=0x1060, 0x10d9..=0x10d9], Isolation::Always),
    // I219
    (INTEL, &[0x15b7..=0x15b8], Isolation::Always),
    (INTEL, &[0..=0xffff], Isolation::Integrated),
    // Chipsets: Ibex Peak, Cougar Point, Panther Point, Lynx Point, Wildcat Point, Patsburg, Wellsburg
    (INTEL, &[0x3b42..=0x3b51, 0x1c10..=0x1c1f, 0x1e10..=0x1e1f], Isolation::IntelChipset),
    (INTEL, &[0x8c10..=0x8c1f, 0x9c10..=0x9c1b, 0x9c90..=0x9c9b], Isolation::IntelChipset),
    (INTEL, &[0x1d10..=0x1d10, 0x1d12..=0x1d12, 0x1d14..=0x1d14], Isolation::IntelChipset),
    (INTEL, &[0x1d16..=0x1d16, 0x1d18..=0x1d18, 0x1d1a..=0x1d1a], Isolation::IntelChipset),
    (INTEL, &[0x1d1c..=0x1d1c, 0x1d1e..=0x1d1e, 0x8d10..=0x8d1e], Isolation::IntelChipset),
    (INTEL, &[0x8c90..=0x8c90, 0x8c92..=0x8c92, 0x8c94..=0x8c94], Isolation::IntelChipset),
    (INTEL, &[0x8c96..=0x8c96, 0x8c98..=0x8c98, 0x8c9a..=0x8c9a], Isolation::IntelChipset),
    (INTEL, &[0x8c9c..=0x8c9c, 0x8c9e..=0x8c9e], Isolation::IntelChipset),
    // Qualcomm, HXT
    (0x17cb, &[0x0400..=0x0401, 0x0111..=0x0111, 0x0115..=0x0115, 0x0120..=0x0120], Isolation::Always),
    (0x1dbf, &[0x0401..=0x0401], Isolation::Always),
    // Emulex
    (0x19a2, &[0x0710..=0x0710], Isolation::Always),
    (0x10df, &[0x0720..=0x0720], Isolation::Always),
    // Cavium
    (0x177d, &[0xa000..=0xa7ff, 0xaf84..=0xaf84, 0xb884..=0xb884], Isolation::RootPort),
    (0x177d, &[0xa026..=0xa026, 0xa059..=0xa059, 0xa060..=0xa060], Isolation::Always),
    // X-Gene, Ampere
    (0x10e8, &[0xe004..=0xe004], Isolation::Always),
    (0x1def, &[0xe005..=0xe00c], Isolation::Always),
    // Broadcom
    (0x14e4, &[0x16d7..=0x16d7, 0x1750..=0x1752, 0x1760..=0x1763, 0xd714..=0xd714], Isolation::Always),
    // Loongson
    (0x0014, &[0x3c09..=0x3c09, 0x3c19..=0x3c19, 0x3c29..=0x3c29, 0x7a09..=0x7a09], Isolation::Always),
    (0x0014, &[0x7a19..=0x7a19, 0x7a29..=0x7a29, 0x7a39..=0x7a39, 0x7a49..=0x7a49], Isolation::Always),
    (0x0014, &[0x7a59..=0x7a59, 0x7a69..=0x7a69], Isolation::Always),
    // Annapurna Labs
    (0x1c36, &[0x0031..=0x0031], Isolation::RootPort),
    // Zhaoxin
    (0x1d17, &[0x3038..=0x3038, 0x3104..=0x3104, 0x9083..=0x9083], Isolation::Always),
    (0x1d17, &[0x0710..=0x071e, 0x0721..=0x0721, 0x0723..=0x0752], Isolation::Port),
    (0x1d17, &[0..=0xffff], Isolation::NoPort),
    // NXP
    (0x1957, &[0x8d80..=0x8d81, 0x8d83..=0x8d83, 0x8da0..=0x8da1], Isolation::Always),
    (0x1957, &[0x8d82..=0x8d82, 0x8d90..=0x8d93, 0x8db0..=0x8db1, 0x8db3..=0x8db3], Isolation::Always),
    (0x1957, &[0x8d88..=0x8d8b, 0x8da8..=0x8da9, 0x8d98..=0x8d9b, 0x8db8..=0x8db9], Isolation::Always),
    // Wangxun
    (0x8088, &[0x0100..=0x010f, 0x1001..=0x1001, 0x2001..=0x2001], Isolation::Always),
    (0x8088, &[0x5010..=0x5010, 0x5025..=0x5025, 0x5040..=0x5040], Isolation::Always),
    (0x8088, &[0x5110..=0x5110, 0x5125..=0x5125, 0x5140..=0x5140], Isolation::Always),
    (0x8088, &[0..=0xffff], Isolation::Never),
];

/// What the tables ask about a function and its host.
pub(super) struct Asked {
    /// What it is on PCI Express; `None` for conventional PCI.
    pub(super) express: Option<Express>,
    /// Whether the device has several functions.
    pub(super) is_multifunction: bool,
    /// Whether it is on a bus of the root complex.
    pub(super) is_on_root_bus: bool,
    /// Whether the firmware has the table of AMD's IOMMU.
    pub(super) has_ivrs: bool,
    /// Whether the chipset's registers are shown.
    pub(super) has_chipset_registers: bool,
}

impl Asked {
    fn is_port(&self) -> bool {
        matches!(self.express, Some(Express::RootPort | Express::DownstreamPort))
    }
}

/// Returns whether a table says that a device is isolated; `None` where none knows it.
pub(super) fn is_isolated(device: &PciDevice, asked: &Asked) -> Option<bool> {
    let (vendor, id) = (device.id.vendor, device.id.device);
    let is_its = |it: &&(u32, &[RangeInclusive<u32>], Isolation)| {
        it.0 == vendor && it.1.iter().any(|it| it.contains(&id))
    };
    ISOLATED.iter().filter(is_its).find_map(|(_, _, isolation)| match isolation {
        Isolation::Always => Some(true),
        Isolation::RootPort => (asked.express == Some(Express::RootPort)).then_some(true),
        Isolation::Port => asked.is_port().then_some(true),
        Isolation::NoPort => asked.is_port().then_some(false),
        Isolation::Never => Some(false),
        Isolation::AmdSouthBridge => {
            (asked.is_multifunction && asked.is_on_root_bus && asked.has_ivrs).then_some(true)
        }
        Isolation::IntelChipset => {
            (asked.express == Some(Express::RootPort)).then_some(asked.has_chipset_registers)
        }
        Isolation::Integrated => (asked.express == Some(Express::Integrated)).then_some(true),
    })
}

/// Devices whose requests carry the id of function 0 of their slot, and of function 1.
const AS_FUNCTION_0: &[(u32, u32)] =
    &[(0x1180, 0xe832), (0x1180, 0xe476), (0x6766, 0x3d40), (0x6766, 0x3d41)];
const AS_FUNCTION_1: &[(u32, u32)] = &[
    (0x1b4b, 0x9120),
    (0x1b4b, 0x9123),
    (0x1b4b, 0x9125),
    (0x1b4b, 0x9128),
    (0x1b4b, 0x9130),
    (0x1b4b, 0x9170),
    (0x1b4b, 0x9172),
    (0x1b4b, 0x917a),
    (0x1b4b, 0x9182),
    (0x1b4b, 0x9183),
    (0x1b4b, 0x91a0),
    (0x1b4b, 0x9215),
    (0x1b4b, 0x9220),
    (0x1b4b, 0x9230),
    (0x1b4b, 0x9235),
    (0x1103, 0x0642),
    (0x1103, 0x0645),
    (0x197b, 0x2392),
    (0x1c28, 0x0122),
];

/// Returns whether requests of a device may carry the id of another place on its bus, given as device and function.
pub(super) fn stands_for(device: &PciDevice, other: (u8, u8)) -> bool {
    let id = (device.id.vendor, device.id.device);
    let own = (device.address.device(), device.address.function());
    if AS_FUNCTION_0.contains(&id) {
        return own.1 != 0 && other == (own.0, 0);
    }
    if AS_FUNCTION_1.contains(&id) {
        return own.1 != 1 && other == (own.0, 1);
    }
    match id {
        // Adaptec 3405 and 3805
        (0x9005, 0x0285) if device.id.subsystem_vendor == 0x9005 => {
            matches!(device.id.subsystem_device, 0x02bb | 0x02bc) && other == (1, 0)
        }
        // Intel MIC x200
        (INTEL, 0x2260 | 0x2264) => matches!(other, (0x10 | 0x11, 0) | (0x12, 3)),
        // Intel Visual Compute Accelerator
        (INTEL, 0x2954..=0x2956 | 0x2958..=0x295a) => other.1 < 5,
        // PLX, non-transparent bridges
        (0x10b5, 0x87b0 | 0x87b1) => true,
        _ => false,
    }
}

/// Bridges below which an IOMMU of their own is (Broadcom Vulcan, Cavium ThunderX2).
const WITH_OWN_IOMMU: [(u32, u32); 2] = [(0x14e4, 0x9000), (0x14e4, 0x9084)];

/// Returns whether the way of a request ends at a bridge, for the IOMMU is there.
pub(super) fn has_own_iommu(bridge: &PciDevice) -> bool {
    WITH_OWN_IOMMU.contains(&(bridge.id.vendor, bridge.id.device))
}
