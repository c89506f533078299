//! What vendors and devices of PCI are called: by the distribution's `pci.ids`, and common vendors also without it.

use std::path::Path;
use std::rc::Rc;

use hoststate_abi::host_view::HostView;

use crate::error::Result;

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

/// The distribution's list; `None` where it has none.
#[derive(Debug)]
struct List(Option<String>);

impl Names {
    /// Returns the names that the host has.
    ///
    /// # Errors
    /// When a list exists and cannot be read.
    pub fn read(host: &HostView) -> Result<Self> {
        let list = host.derived_once(|host| -> Result<List> {
            for file in FILES {
                if let Some(text) = host.read_lossy(Path::new(file))? {
                    return Ok(List(Some(text)));
                }
            }
            Ok(List(None))
        })?;
        Ok(Self(list))
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

    /// Returns vendor and ids as people and `lspci -nn` write them: `Intel 8086:1572`; the ids alone where nobody knows the
    /// vendor.
    pub fn called(&self, vendor: u32, device: u32) -> String {
        let name = self.vendor(vendor).map(|it| format!("{it} ")).unwrap_or_default();
        format!("{name}{vendor:04x}:{device:04x}")
    }

    fn lists(&self) -> impl Iterator<Item = &str> {
        self.0.0.as_deref().into_iter().chain([VENDORS])
    }
}

/// Returns the part of a list that is about one vendor: its line, then its devices behind a tab.
fn section(list: &str, vendor: u32) -> Option<&str> {
    let key = format!("\n{vendor:04x}  ");
    let start = list.find(&key)? + key.len();
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
            let names = Names::read(&tree.view()).unwrap();
            assert_eq!(names.called(0x8086, 0x1572), "Intel 8086:1572", "{file}");
            assert_eq!(names.device(0x8086, 0x1572), Some("Ethernet Controller X710 for 10GbE SFP+"));
            assert_eq!(names.device(0x10de, 0x0ffc), Some("GK107GL [Quadro K600]"));
            assert_eq!(names.device(0x10de, 0x1572), None);
            // Not in this list.
            assert_eq!(names.called(0x144d, 0xa80a), "Samsung 144d:a80a");
        }
        let none = Names::read(&Tree::new(&[]).view()).unwrap();
        assert_eq!(none.called(0x144d, 0xa80a), "Samsung 144d:a80a");
        assert_eq!(none.called(0xfffe, 0x0001), "fffe:0001");
        assert_eq!(none.device(0x144d, 0xa80a), None);
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
