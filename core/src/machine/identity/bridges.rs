//! The way from a root bus to a function over its bridges: it stays when buses are numbered anew.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use hoststate_abi::pci_address::PciAddress;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The way to a function: the address on the root bus, then device and function below each bridge, as
/// `0000:00:1c.0/00.0`. The kernel's parameters write it so (Documentation/admin-guide/kernel-parameters.rst, `pci=`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(into = "String", try_from = "String")]
#[schemars(with = "String")]
pub struct BridgePath {
    first: PciAddress,
    below: Vec<(u8, u8)>,
}

impl BridgePath {
    /// Returns the way that the directory of a device shows; `None` for one that is not below a root bus.
    pub fn of(directory: &Path) -> Option<Self> {
        let names: Vec<&str> = directory.iter().filter_map(|it| it.to_str()).collect();
        let root = names.iter().rposition(|it| is_root_bus(it))?;
        let mut addresses = names[root + 1..].iter().map_while(|it| it.parse::<PciAddress>().ok());
        let first = addresses.next()?;
        Some(Self { first, below: addresses.map(|it| (it.device(), it.function())).collect() })
    }

    /// Returns the number of the function that it leads to.
    pub fn function(&self) -> u8 {
        self.below.last().map_or_else(|| self.first.function(), |it| it.1)
    }
}

/// Returns whether a directory is that of a root bus, such as `pci0000:00`.
pub(super) fn is_root_bus(name: &str) -> bool {
    name.strip_prefix("pci").is_some_and(|it| it.split_once(':').is_some_and(|it| !it.0.is_empty()))
}

impl fmt::Display for BridgePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.first.fmt(f)?;
        self.below.iter().try_for_each(|(device, function)| write!(f, "/{device:02x}.{function:x}"))
    }
}

impl FromStr for BridgePath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let malformed = || format!("{text:?} is not a path over bridges such as \"0000:00:1c.0/00.0\"");
        let mut parts = text.split('/');
        let first = parts.next().and_then(|it| it.parse().ok()).ok_or_else(malformed)?;
        let below = parts.map(|it| {
            let at: PciAddress = format!("00:{it:0>4}").parse().map_err(|_| malformed())?;
            Ok((at.device(), at.function()))
        });
        Ok(Self { first, below: below.collect::<Result<_, String>>()? })
    }
}

impl TryFrom<String> for BridgePath {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<BridgePath> for String {
    fn from(path: BridgePath) -> Self {
        path.to_string()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::BridgePath;

    #[test]
    fn a_way_is_read_from_the_directory_and_does_not_know_the_buses() {
        let way = |it: &str| BridgePath::of(Path::new(it)).map(|it| it.to_string());
        for (directory, expected) in [
            ("/sys/devices/pci0000:00/0000:00:02.0", Some("0000:00:02.0")),
            ("/sys/devices/pci0000:00/0000:00:1c.0/0000:3b:00.1", Some("0000:00:1c.0/00.1")),
            ("/sys/devices/pci0000:00/0000:00:1c.0/0000:3c:00.1", Some("0000:00:1c.0/00.1")),
            (
                "/sys/devices/platform/40000000.pcie/pci0001:00/0001:00:01.0/0001:01:00.0",
                Some("0001:00:01.0/00.0"),
            ),
            (
                "/sys/devices/pci0000:00/0000:00:0e.0/pci10000:00/10000:00:1d.0/10000:01:00.0",
                Some("10000:00:1d.0/00.0"),
            ),
            ("/sys/bus/pci/devices/0000:3b:00.0", None),
        ] {
            assert_eq!(way(directory).as_deref(), expected, "{directory}");
        }
    }

    #[test]
    fn a_way_is_read_as_people_write_it() {
        let read = |it: &str| it.parse::<BridgePath>().map(|it| it.to_string());
        assert_eq!(read("00:1c.0/0.0/1f.7").as_deref(), Ok("0000:00:1c.0/00.0/1f.7"));
        for wrong in ["", "1c.0", "00:1c.0/", "00:1c.0/00", "00:1c.0/20.0", "00:1c.0/00:00.0"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
