//! Reading one device: a directory listing, two links, and the few attributes that the listing shows.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use hoststate_abi::host_view::HostView;
use hoststate_abi::pci_address::PciAddress;

use super::{Interface, PciDevice, Sriov, directory, malformed, parse_address};
use crate::error::Result;
use crate::formats::pci::PciId;

/// What `driver_override` reads as when it is not set (drivers/pci/pci-sysfs.c prints a null pointer).
const UNSET: &str = "(null)";

pub(super) fn device(host: &HostView, address: PciAddress) -> Result<PciDevice> {
    // The link is followed once here, not for each attribute.
    let path = host.resolve(&directory(address))?;
    let names = host.list(&path)?;
    let node = Node { host, path: &path, names: &names };
    let (modalias, id) = node.modalias_and_id()?;
    let sriov = match node.number("sriov_totalvfs")? {
        None => None,
        Some(totalvfs) => Some(Sriov {
            totalvfs,
            numvfs: node.number("sriov_numvfs")?.unwrap_or(0),
            autoprobe: node.flag("sriov_drivers_autoprobe")?,
            offset: node.number("sriov_offset")?,
            stride: node.number("sriov_stride")?,
        }),
    };
    Ok(PciDevice {
        address,
        id,
        revision: node.text("revision")?.and_then(|it| u8::from_str_radix(hexadecimal(&it), 16).ok()),
        driver: node.link_name("driver")?,
        driver_override: node.text("driver_override")?.filter(|it| it != UNSET && !it.is_empty()),
        modalias,
        iommu_group: node.link_name("iommu_group")?.and_then(|it| it.parse().ok()),
        boot_vga: node.flag("boot_vga")?,
        sriov,
        physfn: node.link_address("physfn")?,
        virtfns: node.virtfns()?,
        interfaces: node.interfaces()?,
        numa_node: node.text("numa_node")?.and_then(|it| it.parse().ok()),
        path,
    })
}

/// Reads the ids of one device and nothing else.
pub(super) fn id(host: &HostView, address: PciAddress) -> Result<PciId> {
    let path = directory(address);
    let modalias = host.attribute(&path.join("modalias"))?.unwrap_or_default();
    match PciId::from_modalias(&modalias) {
        Ok(id) => Ok(id),
        Err(_) => {
            let names = host.list(&path)?;
            Ok(Node { host, path: &path, names: &names }.modalias_and_id()?.1)
        }
    }
}

/// A device's directory and what is in it.
struct Node<'a> {
    host: &'a HostView,
    path: &'a Path,
    names: &'a [String],
}

impl Node<'_> {
    fn modalias_and_id(&self) -> Result<(String, PciId)> {
        let modalias = self.text("modalias")?.unwrap_or_default();
        let id = match PciId::from_modalias(&modalias) {
            Ok(id) => id,
            Err(_) => self.id_by_attributes(&modalias)?,
        };
        Ok((modalias, id))
    }

    fn has(&self, name: &str) -> bool {
        self.names.binary_search_by(|it| it.as_str().cmp(name)).is_ok()
    }

    fn text(&self, name: &str) -> Result<Option<String>> {
        if self.has(name) { Ok(self.host.attribute(&self.path.join(name))?) } else { Ok(None) }
    }

    fn number<T: FromStr>(&self, name: &str) -> Result<Option<T>> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        match text.trim().parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(malformed(&self.path.join(name), format!("{text:?} is not a number"))),
        }
    }

    fn flag(&self, name: &str) -> Result<Option<bool>> {
        Ok(self.number::<u8>(name)?.map(|it| it != 0))
    }

    fn link_name(&self, name: &str) -> Result<Option<String>> {
        if !self.has(name) {
            return Ok(None);
        }
        let target = self.host.link_target(&self.path.join(name))?;
        Ok(target.as_deref().and_then(Path::file_name).map(|it| it.to_string_lossy().into_owned()))
    }

    fn link_address(&self, name: &str) -> Result<Option<PciAddress>> {
        match self.link_name(name)? {
            Some(target) => Ok(Some(parse_address(&self.path.join(name), &target)?)),
            None => Ok(None),
        }
    }

    fn virtfns(&self) -> Result<Vec<PciAddress>> {
        let mut virtfns: Vec<(u32, PciAddress)> = Vec::new();
        for name in self.names {
            let Some(index) = name.strip_prefix("virtfn").and_then(|it| it.parse().ok()) else { continue };
            if let Some(address) = self.link_address(name)? {
                virtfns.push((index, address));
            }
        }
        virtfns.sort_unstable();
        Ok(virtfns.into_iter().map(|(_, address)| address).collect())
    }

    fn interfaces(&self) -> Result<Vec<Interface>> {
        // A virtio card's interface belongs to the virtio device below the PCI function.
        let parents = self.names.iter().filter(|it| *it == "net" || it.starts_with("virtio"));
        let mut interfaces = Vec::new();
        for parent in parents {
            let directory: PathBuf = match parent.as_str() {
                "net" => self.path.join("net"),
                virtio => self.path.join(virtio).join("net"),
            };
            for name in self.host.list(&directory)? {
                let mac = self.host.attribute(&directory.join(&name).join("address"))?;
                let mac = mac.map(|it| it.to_ascii_lowercase()).filter(|it| !it.is_empty());
                interfaces.push(Interface { name, mac });
            }
        }
        Ok(interfaces)
    }

    /// A capture may hold the ids one by one instead of the modalias.
    fn id_by_attributes(&self, modalias: &str) -> Result<PciId> {
        let id = |name: &str| -> Result<Option<u32>> {
            Ok(self.text(name)?.and_then(|it| u32::from_str_radix(hexadecimal(&it), 16).ok()))
        };
        match (id("vendor")?, id("device")?, id("class")?) {
            (Some(vendor), Some(device), Some(class)) => Ok(PciId {
                vendor,
                device,
                subsystem_vendor: id("subsystem_vendor")?.unwrap_or(0),
                subsystem_device: id("subsystem_device")?.unwrap_or(0),
                class,
            }),
            _ => {
                let what = format!("{modalias:?} is not the modalias of a PCI device");
                Err(malformed(&self.path.join("modalias"), what))
            }
        }
    }
}

fn hexadecimal(text: &str) -> &str {
    text.trim().trim_start_matches("0x")
}
