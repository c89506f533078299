//! What a PCI function is: its ids and class, and the modalias the kernel makes of them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::PciError;

/// The ids and the class of a PCI function, as its sysfs attributes give them. Serialised they are hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(into = "Digits", try_from = "Digits")]
#[schemars(with = "Digits")]
pub struct PciId {
    /// `vendor`, 16 bits.
    pub vendor: u32,
    /// `device`, 16 bits.
    pub device: u32,
    /// `subsystem_vendor`, 16 bits.
    pub subsystem_vendor: u32,
    /// `subsystem_device`, 16 bits.
    pub subsystem_device: u32,
    /// `class`: base class, subclass and programming interface, 24 bits.
    pub class: u32,
}

impl PciId {
    /// Returns the modalias of such a device (drivers/pci/pci-sysfs.c, `modalias_show`).
    pub fn modalias(&self) -> String {
        format!(
            "pci:v{:08X}d{:08X}sv{:08X}sd{:08X}bc{:02X}sc{:02X}i{:02X}",
            self.vendor,
            self.device,
            self.subsystem_vendor,
            self.subsystem_device,
            (self.class >> 16) & 0xff,
            (self.class >> 8) & 0xff,
            self.class & 0xff,
        )
    }

    /// Reads a device's modalias; fails on another bus's and on patterns.
    pub fn from_modalias(text: &str) -> Result<Self, PciError> {
        let malformed = || PciError::Modalias(text.to_owned());
        let mut rest = text.trim_end_matches('\n');
        let mut field = |tag: &str, digits: usize| {
            let (number, after) = rest.strip_prefix(tag)?.split_at_checked(digits)?;
            let value = hexadecimal(number)?;
            rest = after;
            Some(value)
        };
        let mut required = |tag, digits| field(tag, digits).ok_or_else(malformed);
        let id = Self {
            vendor: required("pci:v", 8)?,
            device: required("d", 8)?,
            subsystem_vendor: required("sv", 8)?,
            subsystem_device: required("sd", 8)?,
            class: required("bc", 2)? << 16 | required("sc", 2)? << 8 | required("i", 2)?,
        };
        if rest.is_empty() { Ok(id) } else { Err(malformed()) }
    }
}

/// The ids as `lspci -n` shows them: four digits each, six for the class.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Digits {
    /// Vendor.
    vendor: String,
    /// Device.
    device: String,
    /// Vendor of the card.
    subsystem_vendor: String,
    /// The card, by its vendor.
    subsystem_device: String,
    /// Class, subclass and programming interface.
    class: String,
}

impl From<PciId> for Digits {
    fn from(id: PciId) -> Self {
        let digits = |it: u32| format!("{it:04x}");
        Self {
            vendor: digits(id.vendor),
            device: digits(id.device),
            subsystem_vendor: digits(id.subsystem_vendor),
            subsystem_device: digits(id.subsystem_device),
            class: format!("{:06x}", id.class),
        }
    }
}

impl TryFrom<Digits> for PciId {
    type Error = PciError;

    fn try_from(digits: Digits) -> Result<Self, PciError> {
        let number = |it: &str| hexadecimal(it).ok_or_else(|| PciError::IdPattern(it.to_owned()));
        Ok(Self {
            vendor: number(&digits.vendor)?,
            device: number(&digits.device)?,
            subsystem_vendor: number(&digits.subsystem_vendor)?,
            subsystem_device: number(&digits.subsystem_device)?,
            class: number(&digits.class)?,
        })
    }
}

/// Reads 1 to 8 hexadecimal digits and nothing else (`from_str_radix` alone would take a sign).
pub(super) fn hexadecimal(digits: &str) -> Option<u32> {
    let all_digits = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if all_digits { u32::from_str_radix(digits, 16).ok() } else { None }
}
