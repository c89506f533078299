//! Where a PCI function sits: domain, bus, device, function.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use nom::bytes::complete::{tag, take_while_m_n};
use nom::combinator::{all_consuming, map_res, opt, verify};
use nom::sequence::terminated;
use nom::{IResult, Parser};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::PciError;

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

fn hex(min: usize, max: usize) -> impl FnMut(&str) -> IResult<&str, u32> {
    move |input| {
        let digits = take_while_m_n(min, max, |c: char| c.is_ascii_hexdigit());
        map_res(digits, |text: &str| u32::from_str_radix(text, 16)).parse(input)
    }
}

fn address(input: &str) -> IResult<&str, PciAddress> {
    // With backtracking: in `01:00.0` the first field is the bus.
    let (rest, domain) = opt(terminated(hex(4, 8), tag(":"))).parse(input)?;
    let (rest, bus) = terminated(map_res(hex(2, 2), u8::try_from), tag(":")).parse(rest)?;
    let device = verify(map_res(hex(2, 2), u8::try_from), |device| *device <= 0x1f);
    let (rest, device) = terminated(device, tag(".")).parse(rest)?;
    let (rest, function) = verify(map_res(hex(1, 1), u8::try_from), |f| *f <= 7).parse(rest)?;
    Ok((rest, PciAddress { domain: domain.unwrap_or(0), bus, device, function }))
}

impl FromStr for PciAddress {
    type Err = PciError;

    fn from_str(text: &str) -> Result<Self, PciError> {
        match all_consuming(address).parse(text) {
            Ok((_, address)) => Ok(address),
            Err(_) => Err(PciError::Address(text.to_owned())),
        }
    }
}

impl TryFrom<String> for PciAddress {
    type Error = PciError;

    fn try_from(text: String) -> Result<Self, PciError> {
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
