//! What the keys of udev rules hold for a PCI function.

use super::PciDevice;

/// Returns the values that comparisons of udev rules for this device or its interfaces meet; `None` for what cannot be
/// told from sysfs.
pub fn of(device: &PciDevice, key: &str, name: Option<&str>) -> Option<Vec<String>> {
    let id = device.id;
    let name = name.map(|it| it.strip_prefix("device/").unwrap_or(it));
    let attribute = matches!(key, "ATTR" | "ATTRS");
    let interfaces = device.interfaces.iter();
    let value = match (key, name) {
        ("KERNEL" | "KERNELS", _) => {
            let names = interfaces.map(|it| it.name.clone());
            return Some(std::iter::once(device.address.to_string()).chain(names).collect());
        }
        ("DEVPATH", _) => {
            // A tree that does not show where the device lies says nothing about it.
            let path = device.path.strip_prefix("/sys").ok().filter(|it| it.starts_with("devices"))?;
            let path = format!("/{}", path.display());
            let names = interfaces.map(|it| format!("{path}/net/{}", it.name));
            return Some(names.chain([path.clone()]).collect());
        }
        ("NAME", _) | ("ENV", Some("ID_NET_NAME" | "INTERFACE")) if !device.interfaces.is_empty() => {
            return Some(interfaces.map(|it| it.name.clone()).collect());
        }
        ("SUBSYSTEM" | "SUBSYSTEMS", _) => return Some(vec!["pci".to_owned(), "net".to_owned()]),
        // While the host boots: udevadm trigger asks for these, and drivers bind (systemd-udev-trigger.service).
        ("ACTION", _) => return Some(vec!["add".to_owned(), "bind".to_owned()]),
        // The kernel's own (drivers/pci/pci-driver.c, `pci_uevent`).
        ("ENV", Some("PCI_ID")) => format!("{:04X}:{:04X}", id.vendor, id.device),
        ("ENV", Some("PCI_SUBSYS_ID")) => format!("{:04X}:{:04X}", id.subsystem_vendor, id.subsystem_device),
        ("ENV", Some("PCI_CLASS")) => format!("{:04X}", id.class),
        ("ENV", Some("PCI_SLOT_NAME")) => device.address.to_string(),
        ("ENV", Some("MODALIAS")) | ("ATTR" | "ATTRS", Some("modalias")) => match device.modalias.as_str() {
            "" => id.modalias(),
            modalias => modalias.to_owned(),
        },
        ("DRIVER" | "DRIVERS", _) | ("ENV", Some("ID_NET_DRIVER")) => {
            device.driver.clone().unwrap_or_default()
        }
        (_, Some("vendor")) if attribute => format!("0x{:04x}", id.vendor),
        (_, Some("device")) if attribute => format!("0x{:04x}", id.device),
        (_, Some("subsystem_vendor")) if attribute => format!("0x{:04x}", id.subsystem_vendor),
        (_, Some("subsystem_device")) if attribute => format!("0x{:04x}", id.subsystem_device),
        (_, Some("class")) if attribute => format!("0x{:06x}", id.class),
        (_, Some("address")) if attribute => {
            return Some(interfaces.filter_map(|it| it.mac.clone()).collect());
        }
        _ => return None,
    };
    Some(vec![value])
}
