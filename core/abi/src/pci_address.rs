//! Where a PCI function sits: domain, bus, device, function.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// The address of a PCI function, `DDDD:BB:DD.F` in hexadecimal, as sysfs names it.
///
/// The domain may be left out when written (it is then 0) and is always shown.
/// Domains above `ffff` exist (Intel VMD, Hyper-V) and are shown with as many digits as they need.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct PciAddress {
    domain: u32,
    bus: u8,
    device: u8,
    function: u8,
}

impl PciAddress {
    /// The PCI domain (segment).
    pub fn domain(self) -> u32 {
        self.domain
    }

    /// The bus number.
    pub fn bus(self) -> u8 {
        self.bus
    }

    /// The device number, at most 0x1f.
    pub fn device(self) -> u8 {
        self.device
    }

    /// The function number, at most 7.
    pub fn function(self) -> u8 {
        self.function
    }

    /// Returns bus, device and function as one number, as the bus tells functions of a domain apart.
    pub fn routing_id(self) -> u16 {
        u16::from(self.bus) << 8 | u16::from(self.device) << 3 | u16::from(self.function)
    }

    /// Returns the function of a domain with that number.
    pub fn of_routing_id(domain: u32, id: u16) -> Self {
        let [bus, rest] = id.to_be_bytes();
        Self { domain, bus, device: rest >> 3, function: rest & 7 }
    }

    /// Returns the address without its function, `0000:01:00`: what functions of one card share.
    pub fn slot(self) -> String {
        format!("{:04x}:{:02x}:{:02x}", self.domain, self.bus, self.device)
    }
}

impl fmt::Display for PciAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { domain, bus, device, function } = self;
        write!(f, "{domain:04x}:{bus:02x}:{device:02x}.{function:x}")
    }
}

/// Text that is not the address of a PCI function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PciAddressError(String);

impl fmt::Display for PciAddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(text) = self;
        write!(
            f,
            "`{text}` is not a PCI address, expected `DDDD:BB:DD.F` in hexadecimal such as `0000:01:00.0`"
        )
    }
}

impl std::error::Error for PciAddressError {}

/// Reads hexadecimal digits, as many as `lengths` allows.
fn hex(text: &str, lengths: std::ops::RangeInclusive<usize>) -> Option<u32> {
    let is_hex = lengths.contains(&text.len()) && text.bytes().all(|it| it.is_ascii_hexdigit());
    u32::from_str_radix(text, 16).ok().filter(|_| is_hex)
}

fn address(text: &str) -> Option<PciAddress> {
    let (place, function) = text.rsplit_once('.')?;
    let (place, device) = place.rsplit_once(':')?;
    let (domain, bus) = place.rsplit_once(':').map_or((None, place), |(domain, bus)| (Some(domain), bus));
    let byte = |text: &str, most: u8| u8::try_from(hex(text, 2..=2)?).ok().filter(|it| *it <= most);
    Some(PciAddress {
        domain: domain.map_or(Some(0), |it| hex(it, 4..=8))?,
        bus: byte(bus, u8::MAX)?,
        device: byte(device, 0x1f)?,
        function: u8::try_from(hex(function, 1..=1)?).ok().filter(|it| *it <= 7)?,
    })
}

impl FromStr for PciAddress {
    type Err = PciAddressError;

    fn from_str(text: &str) -> Result<Self, PciAddressError> {
        address(text).ok_or_else(|| PciAddressError(text.to_owned()))
    }
}

impl TryFrom<String> for PciAddress {
    type Error = PciAddressError;

    fn try_from(text: String) -> Result<Self, PciAddressError> {
        text.parse()
    }
}

impl From<PciAddress> for String {
    fn from(address: PciAddress) -> Self {
        address.to_string()
    }
}

impl JsonSchema for PciAddress {
    fn schema_name() -> Cow<'static, str> {
        "PciAddress".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "examples": ["0000:01:00.0"],
            "pattern": "^([0-9a-fA-F]{4,8}:)?[0-9a-fA-F]{2}:[01][0-9a-fA-F]\\.[0-7]$",
        })
    }
}
