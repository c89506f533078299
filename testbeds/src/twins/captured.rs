//! The PCI functions of a machine that somebody captured: as hoststate captures a host, or as `lspci -vvnnxxxx` shows it.

use std::collections::BTreeMap;

use crate::error::{Result, check};

/// A bus, a slot and a function, of domain 0.
pub(crate) type Address = (u8, u8, u8);

/// The bits of a header that say that it is a bridge's, and where it has the numbers of its buses.
const HEADER_TYPE: usize = 0x0e;
const SECONDARY: usize = 0x19;

/// A function, with its configuration space as far as it was shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) config: Vec<u8>,
    /// Its IOMMU group, by any name.
    pub(crate) group: Option<String>,
}

impl Function {
    /// The number of the bus behind it, where it is a bridge.
    pub(crate) fn leads_to(&self) -> Option<u8> {
        let is_bridge = self.config.get(HEADER_TYPE)? & 0x7f == 1;
        is_bridge.then(|| self.config.get(SECONDARY).copied()).flatten()
    }

    /// What tells one function from another: vendor, device, revision, class, and the subsystem of what is no bridge.
    pub(crate) fn identity(&self) -> Vec<u8> {
        let ranges = [0x00..0x04, 0x08..0x0c, 0x2c..0x30];
        let shown = ranges.into_iter().take(if self.leads_to().is_some() { 2 } else { 3 });
        shown.filter_map(|it| self.config.get(it)).flatten().copied().collect()
    }
}

/// A captured machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Captured {
    pub(crate) functions: BTreeMap<Address, Function>,
}

impl Captured {
    /// Reads a capture of either form.
    ///
    /// # Errors
    ///
    /// When it has no configuration space.
    pub(crate) fn read(text: &str) -> Result<Self> {
        let is_of_hoststate = text.lines().any(|it| it.starts_with("== /"));
        let captured = if is_of_hoststate { Self::of_hoststate(text) } else { Self::of_lspci(text) };
        let found = captured.functions.values().filter(|it| !it.config.is_empty()).count();
        let expected =
            "configuration spaces: `config` of a capture, or lines such as `00: 86 80` of `lspci -xxxx`";
        check(found > 0, "a captured machine", expected, "none")?;
        Ok(captured)
    }

    /// Sections `== PATH` with the lines of a file, and `== PATH -> TARGET`.
    fn of_hoststate(text: &str) -> Self {
        let mut captured = Self::default();
        let mut open = None;
        for line in text.lines() {
            let Some(head) = line.strip_prefix("== ") else {
                if let Some(function) = open.and_then(|it| captured.functions.get_mut(&it)) {
                    function.config.extend(bytes(line));
                }
                continue;
            };
            open = None;
            if let Some(device) = head.strip_suffix("/config (hex)") {
                open = device.rsplit('/').next().and_then(address);
                open.map(|it| captured.functions.entry(it).or_default());
            } else if let Some((path, group)) = head.split_once(" -> ")
                && let Some(device) = path.strip_suffix("/iommu_group")
                && let Some(address) = device.rsplit('/').next().and_then(address)
            {
                let group = group.rsplit('/').next().unwrap_or_default();
                captured.functions.entry(address).or_default().group = Some(group.to_owned());
            }
        }
        captured
    }

    /// A line with the address of each function, what is known of it below that, and its bytes.
    fn of_lspci(text: &str) -> Self {
        let mut captured = Self::default();
        let mut open = None;
        for line in text.lines() {
            let first = line.split(' ').next().unwrap_or_default();
            if let Some(found) = address(first) {
                open = Some(found);
                captured.functions.entry(found).or_default();
                continue;
            }
            let Some(function) = open.and_then(|it| captured.functions.get_mut(&it)) else { continue };
            if let Some((_, group)) = line.split_once("IOMMU group: ") {
                function.group = Some(group.trim().to_owned());
            } else if let Some((offset, shown)) = line.split_once(": ")
                && usize::from_str_radix(offset, 16).is_ok_and(|it| it == function.config.len())
            {
                function.config.extend(bytes(&shown.replace(' ', "")));
            }
        }
        captured
    }

    /// The way to a function over the bridges above it: slot and function of each, from the root bus on; `None` on another
    /// root bus than the first.
    pub(crate) fn way(&self, (mut bus, slot, function): Address) -> Option<Vec<(u8, u8)>> {
        let mut way = vec![(slot, function)];
        while bus != 0 {
            let (above, _) = self.functions.iter().find(|it| it.1.leads_to() == Some(bus) && it.0.0 < bus)?;
            way.insert(0, (above.1, above.2));
            bus = above.0;
        }
        Some(way)
    }
}

/// Reads `3b:00.0` or `0000:3b:00.0`.
pub(crate) fn address(text: &str) -> Option<Address> {
    let (rest, function) = text.rsplit_once('.')?;
    let (bus, slot) = rest.rsplit_once(':')?;
    let bus = bus.strip_prefix("0000:").unwrap_or(bus);
    let number = |it: &str, digits| (it.len() == digits).then(|| u8::from_str_radix(it, 16).ok()).flatten();
    let (bus, slot, function) = (number(bus, 2)?, number(slot, 2)?, number(function, 1)?);
    (slot < 32 && function < 8).then_some((bus, slot, function))
}

fn bytes(hexadecimal: &str) -> Vec<u8> {
    let pairs = hexadecimal.trim().as_bytes().chunks(2);
    pairs.map_while(|it| u8::from_str_radix(std::str::from_utf8(it).ok()?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LSPCI: &str = "\
00:00.0 Host bridge [0600]: Intel Corporation Device [8086:a700] (rev 01)
\tSubsystem: ASUSTeK Computer Inc. Device [1043:8882]
\tIOMMU group: 0
00: 86 80 00 a7 00 00 10 00 01 00 00 06 00 00 00 00
10: 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00

0000:00:1d.0 PCI bridge [0604]: Intel Corporation Device [8086:7a30]
\tBus: primary=00, secondary=3b, subordinate=3c, sec-latency=0
00: 86 80 30 7a 06 04 10 00 11 00 04 06 00 00 01 00
10: 00 00 00 00 00 00 00 00 00 3b 3c 00 00 00 00 00

3b:00.1 Ethernet controller [0200]: Intel Corporation Ethernet Controller X710 [8086:1572]
\tIOMMU group: 14
00: 86 80 72 15 06 04 10 00 02 00 00 02 00 00 80 00
";

    #[test]
    fn lspci_shows_spaces_groups_and_the_way_to_each_function() {
        let captured = Captured::read(LSPCI).unwrap();
        let port = &captured.functions[&(0x3b, 0, 1)];
        assert_eq!((port.config.len(), port.group.as_deref()), (16, Some("14")));
        assert_eq!(captured.functions[&(0, 0, 0)].config.len(), 32);
        assert_eq!(captured.functions[&(0, 0x1d, 0)].leads_to(), Some(0x3b));
        assert_eq!(captured.way((0x3b, 0, 1)), Some(vec![(0x1d, 0), (0, 1)]));
        assert_eq!(captured.way((0, 0, 0)), Some(vec![(0, 0)]));
        assert_eq!(captured.way((0x80, 0, 0)), None);
    }

    #[test]
    fn a_capture_of_hoststate_shows_the_same() {
        let path = "/sys/devices/pci0000:00/0000:00:1d.0";
        let text = format!(
            "# a host\n== {path}/0000:3b:00.1/config (hex)\n8680721506041000020000020000\n8000\n\
             == {path}/0000:3b:00.1/iommu_group -> ../../../../kernel/iommu_groups/14\n\
             == {path}/config (hex)\n8680307a060410001100040600000100\n0000000000000000003b3c0000000000\n"
        );
        let captured = Captured::read(&text).unwrap();
        assert_eq!(captured.functions[&(0x3b, 0, 1)].group.as_deref(), Some("14"));
        assert_eq!(captured.functions[&(0x3b, 0, 1)].config.len(), 16);
        assert_eq!(captured.way((0x3b, 0, 1)), Some(vec![(0x1d, 0), (0, 1)]));
    }

    #[test]
    fn bridges_that_lead_to_each_other_lead_nowhere() {
        let bridge = |to| {
            let mut config = vec![0; 64];
            (config[HEADER_TYPE], config[SECONDARY]) = (1, to);
            Function { config, group: None }
        };
        let functions = BTreeMap::from([((5, 0, 0), bridge(6)), ((6, 0, 0), bridge(5))]);
        assert_eq!(Captured { functions }.way((6, 0, 0)), None);
    }

    #[test]
    fn a_listing_without_bytes_is_refused() {
        let err = Captured::read("00:00.0 Host bridge: Intel\n").unwrap_err();
        assert!(err.to_string().contains("lspci -xxxx"), "{err}");
    }
}
