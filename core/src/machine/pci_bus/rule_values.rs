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
        ("NAME", _) | ("ENV", Some("ID_NET_NAME" | "INTERFACE")) if !device.interfaces.is_empty() => {
            return Some(interfaces.map(|it| it.name.clone()).collect());
        }
        ("SUBSYSTEM" | "SUBSYSTEMS", _) => return Some(vec!["pci".to_owned(), "net".to_owned()]),
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
