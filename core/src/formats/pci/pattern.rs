//! Id patterns as vfio-pci's `ids` parameter takes them.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::id::hexadecimal;
use super::{PciError, PciId};

/// What a schema calls the format of an id.
pub const PCI_ID_FORMAT: &str = "pci-id";

/// `PCI_ANY_ID`: matches every value.
const ANY: u32 = u32::MAX;

/// Devices by `vendor:device[:subvendor[:subdevice[:class[:mask]]]]`, hexadecimal.
///
/// `ffffffff` stands for any value of an id. Subsystem ids left out match any, a class mask left out compares no
/// class (drivers/vfio/pci/vfio_pci.c, `vfio_pci_fill_ids`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct PciIdPattern {
    /// Vendor id, or `ffffffff`.
    pub vendor: u32,
    /// Device id, or `ffffffff`.
    pub device: u32,
    /// Subsystem vendor id, or `ffffffff`.
    pub subsystem_vendor: u32,
    /// Subsystem device id, or `ffffffff`.
    pub subsystem_device: u32,
    /// 24-bit class, compared where `class_mask` has bits.
    pub class: u32,
    /// Bits of the class that are compared; 0 compares none.
    pub class_mask: u32,
}

impl PciIdPattern {
    /// Returns the pattern of every device with these two ids.
    pub fn new(vendor: u32, device: u32) -> Self {
        let (subsystem_vendor, subsystem_device) = (ANY, ANY);
        Self { vendor, device, subsystem_vendor, subsystem_device, class: 0, class_mask: 0 }
    }

    /// Returns whether the kernel would let the pattern claim such a device (drivers/pci/pci.h,
    /// `pci_match_one_device`).
    pub fn matches(&self, id: &PciId) -> bool {
        let same = |wanted: u32, is: u32| wanted == ANY || wanted == is;
        same(self.vendor, id.vendor)
            && same(self.device, id.device)
            && same(self.subsystem_vendor, id.subsystem_vendor)
            && same(self.subsystem_device, id.subsystem_device)
            && (self.class ^ id.class) & self.class_mask == 0
    }

    /// Builds a pattern from its fields in order; fewer than two are none.
    fn from_fields(fields: &[u32]) -> Option<Self> {
        let (&vendor, &device) = (fields.first()?, fields.get(1)?);
        let field = |index: usize, default: u32| fields.get(index).copied().unwrap_or(default);
        Some(Self {
            vendor,
            device,
            subsystem_vendor: field(2, ANY),
            subsystem_device: field(3, ANY),
            class: field(4, 0),
            class_mask: field(5, 0),
        })
    }
}

/// Shows the canonical spelling: lower case, four digits, no field that only repeats its default.
impl fmt::Display for PciIdPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}:{:04x}", self.vendor, self.device)?;
        let tail = [
            (self.subsystem_vendor, ANY),
            (self.subsystem_device, ANY),
            (self.class, 0),
            (self.class_mask, 0),
        ];
        let shown = tail.iter().rposition(|(value, default)| value != default).map_or(0, |last| last + 1);
        for (index, (value, _)) in tail.iter().take(shown).enumerate() {
            let width = if index < 2 { 4 } else { 6 };
            write!(f, ":{value:0width$x}")?;
        }
        Ok(())
    }
}

/// Stricter than the kernel: every field must be a number, so that a slip is an error and not another id.
impl FromStr for PciIdPattern {
    type Err = PciError;

    fn from_str(text: &str) -> Result<Self, PciError> {
        let malformed = || PciError::IdPattern(text.to_owned());
        let fields =
            text.split(':').map(|field| hexadecimal(without_prefix(field))).collect::<Option<Vec<_>>>();
        let fields = fields.filter(|fields| fields.len() <= 6).ok_or_else(malformed)?;
        Self::from_fields(&fields).ok_or_else(malformed)
    }
}

fn without_prefix(field: &str) -> &str {
    field.strip_prefix("0x").or_else(|| field.strip_prefix("0X")).unwrap_or(field)
}

impl TryFrom<String> for PciIdPattern {
    type Error = PciError;

    fn try_from(text: String) -> Result<Self, PciError> {
        text.parse()
    }
}

impl From<PciIdPattern> for String {
    fn from(pattern: PciIdPattern) -> Self {
        pattern.to_string()
    }
}

impl JsonSchema for PciIdPattern {
    fn schema_name() -> Cow<'static, str> {
        "PciIdPattern".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "examples": ["10de:0ffc"],
            "format": PCI_ID_FORMAT,
            "pattern": "^(0[xX])?[0-9a-fA-F]{1,8}(:(0[xX])?[0-9a-fA-F]{1,8}){1,5}$",
        })
    }
}

/// A value of vfio-pci's `ids`, as the driver takes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IdList {
    /// The ids the driver adds, in order.
    pub patterns: Vec<PciIdPattern>,
    /// Items the driver skips with "invalid id string", as written.
    pub malformed: Vec<String>,
    /// What a blank cut off: the kernel ends a parameter's value there and reads the rest as other parameters.
    pub dropped: Option<String>,
}

/// Reads a comma separated list of ids as the kernel does: empty items are skipped, items with fewer than two
/// numbers are malformed, junk after the second number is ignored (`sscanf` stops there).
pub fn parse_id_list(text: &str) -> IdList {
    let mut list = IdList::default();
    let (value, rest) = match text.find(|c: char| c.is_ascii_whitespace() || c == '\x0b') {
        Some(blank) => text.split_at(blank),
        None => (text, ""),
    };
    let rest = rest.trim_ascii();
    if !rest.is_empty() {
        list.dropped = Some(rest.to_owned());
    }
    for item in value.split(',').filter(|item| !item.is_empty()) {
        match PciIdPattern::from_fields(&scan(item)) {
            Some(pattern) => list.patterns.push(pattern),
            None => list.malformed.push(item.to_owned()),
        }
    }
    list
}

/// Reads numbers as `sscanf("%x:%x:%x:%x:%x:%x")` does; a number too long keeps its low 32 bits.
fn scan(item: &str) -> Vec<u32> {
    let mut fields = Vec::new();
    for field in item.split(':').take(6) {
        let body = without_prefix(field);
        // `0x` before something else than a digit is the number 0, and `x` ends the scan.
        let body = if body.starts_with(|c: char| c.is_ascii_hexdigit()) { body } else { field };
        let end = body.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(body.len());
        let (digits, junk) = body.split_at(end);
        if digits.is_empty() {
            break;
        }
        let value = digits.chars().filter_map(|c| c.to_digit(16)).fold(0_u32, |sum, digit| sum << 4 | digit);
        fields.push(value);
        if !junk.is_empty() {
            break;
        }
    }
    fields
}
