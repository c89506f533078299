//! What vendors and devices of PCI are called: by the distribution's `pci.ids`, and common vendors also without it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::convert::Infallible;
use std::path::Path;
use std::rc::Rc;

use hoststate_abi::host_view::HostView;

use crate::formats::pci::PciId;

/// Where distributions keep the list (hwdata; pci.ids of Debian).
const FILES: [&str; 3] = ["/usr/share/hwdata/pci.ids", "/usr/share/misc/pci.ids", "/usr/share/pci.ids"];

/// Common vendors, in the form of that list.
const VENDORS: &str = include_str!("pci_names/vendors.ids");

/// What a company calls itself beside its name.
const COMPANY: [&str; 22] = [
    "ag",
    "and",
    "co",
    "communications",
    "computer",
    "corp",
    "corporation",
    "electronics",
    "gmbh",
    "group",
    "inc",
    "incorporated",
    "international",
    "limited",
    "llc",
    "ltd",
    "semiconductor",
    "semiconductors",
    "subsidiaries",
    "systems",
    "technologies",
    "technology",
];

/// The names of one host. Nothing is read before something is to be called by its name.
#[derive(Debug, Clone)]
pub struct Names(Rc<List>);

/// The distribution's list, where it has one, and what was found in it.
#[derive(Debug)]
struct List {
    text: Option<String>,
    known: RefCell<HashMap<(u32, u32), Called>>,
}

/// What a device is called.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Called {
    /// Its vendor, such as `NVIDIA`; `None` where nobody knows it.
    pub vendor: Option<String>,
    /// Itself, such as `GK107GL [Quadro K600]`; `None` where the host's list has no name for it.
    pub device: Option<String>,
}

impl Names {
    /// Returns the names that the host has.
    ///
    pub fn read(host: &HostView) -> Self {
        let list = host.derived_once(|host| -> Result<List, Infallible> {
            // Nothing depends on a name: a list that cannot be read is as good as none.
            let texts = FILES.iter().map(|it| host.read_lossy(Path::new(it)).unwrap_or(None));
            Ok(List { text: texts.flatten().next(), known: RefCell::default() })
        });
        match list {
            Ok(list) => Self(list),
            Err(never) => match never {},
        }
    }

    /// Returns what people call a vendor, such as `Intel`.
    pub fn vendor(&self, id: u32) -> Option<&str> {
        self.lists().find_map(|list| section(list, id)).map(|it| short(first_line(it)))
    }

    /// Returns the name of a device, such as `Ethernet Controller X710 for 10GbE SFP+`.
    pub fn device(&self, vendor: u32, id: u32) -> Option<&str> {
        let key = format!("\t{id:04x}  ");
        let devices = self.lists().find_map(|list| section(list, vendor))?;
        devices.lines().skip(1).find_map(|it| it.strip_prefix(&key)).map(str::trim)
    }

    /// Returns what a device and its vendor are called. The virtual functions of a card are looked up once.
    pub fn of(&self, vendor: u32, device: u32) -> Called {
        let mut known = self.0.known.borrow_mut();
        let find = || Called {
            vendor: self.vendor(vendor).map(str::to_owned),
            device: self.device(vendor, device).map(str::to_owned),
        };
        known.entry((vendor, device)).or_insert_with(find).clone()
    }

    /// Returns a device by its names, `NVIDIA GK107GL [Quadro K600]`, or by its vendor's and its ids, as
    /// [`called`](Self::called); `None` where nobody knows the vendor.
    pub fn full(&self, vendor: u32, device: u32) -> Option<String> {
        let Called { vendor: Some(maker), device: name } = self.of(vendor, device) else { return None };
        Some(format!("{maker} {}", name.unwrap_or_else(|| format!("{vendor:04x}:{device:04x}"))))
    }

    /// Returns what stands behind an address or ids that are told anyway: ` (NVIDIA GK107GL [Quadro K600])`; nothing where the
    /// host has no name for the device.
    pub fn aside(&self, id: PciId) -> String {
        match self.of(id.vendor, id.device) {
            Called { vendor: Some(vendor), device: Some(device) } => format!(" ({vendor} {device})"),
            _ => String::new(),
        }
    }

    /// Returns vendor and ids as people and `lspci -nn` write them: `Intel 8086:1572`; the ids alone where nobody knows the
    /// vendor.
    pub fn called(&self, vendor: u32, device: u32) -> String {
        let name = self.vendor(vendor).map(|it| format!("{it} ")).unwrap_or_default();
        format!("{name}{vendor:04x}:{device:04x}")
    }

    fn lists(&self) -> impl Iterator<Item = &str> {
        self.0.text.as_deref().into_iter().chain([VENDORS])
    }
}

/// Returns the part of a list that is about one vendor: its line, then its devices behind a tab.
fn section(list: &str, vendor: u32) -> Option<&str> {
    let key = format!("\n{vendor:04x}  ");
    let start = match list.strip_prefix(&key[1..]) {
        Some(_) => key.len() - 1,
        None => list.find(&key)? + key.len(),
    };
    let rest = &list[start..];
    let is_next = |(at, _): &(usize, &str)| !rest[at + 1..].starts_with(['\t', '#']);
    let end = rest.match_indices('\n').find(is_next).map_or(rest.len(), |it| it.0);
    Some(&rest[..end])
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default().trim()
}

/// Returns the name without what companies are: what stands in brackets, or the first words.
fn short(name: &str) -> &str {
    if let Some((_, rest)) = name.split_once('[')
        && let Some((inside, _)) = rest.split_once(']')
    {
        return inside;
    }
    let mut kept = name;
    while let Some((before, last)) = kept.rsplit_once(' ') {
        let word = last.trim_matches(|it: char| !it.is_alphanumeric()).to_ascii_lowercase();
        if !word.is_empty() && !COMPANY.contains(&word.as_str()) {
            break;
        }
        kept = before.trim_end_matches([' ', ',']);
    }
    kept
}

#[cfg(test)]
mod tests {
    use hoststate_testkit::tree::Tree;

    use super::{Names, short};

    const LIST: &str = "# a comment\n#\n10de  NVIDIA Corporation\n\t0ffc  GK107GL [Quadro K600]\n\t\t10de 094b  a card\n\
                        8086  Intel Corporation\n# beside\n\t1572  Ethernet Controller X710 for 10GbE SFP+\n\
                        C 03  Display controller\n\t1572  no device\n";

    #[test]
    fn names_are_those_of_the_distribution_and_common_vendors_are_known_without() {
        for file in super::FILES {
            let tree = Tree::new(&[(file, LIST)]);
            let names = Names::read(&tree.view());
            assert_eq!(names.called(0x8086, 0x1572), "Intel 8086:1572", "{file}");
            assert_eq!(names.device(0x8086, 0x1572), Some("Ethernet Controller X710 for 10GbE SFP+"));
            assert_eq!(names.device(0x10de, 0x0ffc), Some("GK107GL [Quadro K600]"));
            assert_eq!(names.device(0x10de, 0x1572), None);
            assert_eq!(names.full(0x10de, 0x0ffc).as_deref(), Some("NVIDIA GK107GL [Quadro K600]"));
            assert_eq!(names.full(0x10de, 0x0ffd).as_deref(), Some("NVIDIA 10de:0ffd"));
            // Not in this list.
            assert_eq!(names.called(0x144d, 0xa80a), "Samsung 144d:a80a");
        }
        let none = Names::read(&Tree::new(&[]).view());
        assert_eq!(none.called(0x144d, 0xa80a), "Samsung 144d:a80a");
        assert_eq!(none.called(0xfffe, 0x0001), "fffe:0001");
        assert_eq!(none.device(0x144d, 0xa80a), None);
        assert_eq!(none.full(0x144d, 0xa80a).as_deref(), Some("Samsung 144d:a80a"));
        assert_eq!(none.full(0xfffe, 0x0001), None);
        // A directory is no list, and no reason to end.
        let broken = Tree::new(&[("/usr/share/hwdata/pci.ids/a", ""), ("/usr/share/misc/pci.ids", LIST)]);
        assert!(Names::read(&broken.view()).device(0x10de, 0x0ffc).is_some());
    }

    #[test]
    fn a_vendor_is_called_as_people_call_it() {
        for (name, expected) in [
            ("Intel Corporation", "Intel"),
            ("Advanced Micro Devices, Inc. [AMD/ATI]", "AMD/ATI"),
            ("Samsung Electronics Co Ltd", "Samsung"),
            ("Red Hat, Inc.", "Red Hat"),
            ("Broadcom Inc. and subsidiaries", "Broadcom"),
            ("Realtek Semiconductor Co., Ltd.", "Realtek"),
            ("Western Digital", "Western Digital"),
            ("Co Ltd", "Co"),
        ] {
            assert_eq!(short(name), expected, "{name}");
        }
    }
}
