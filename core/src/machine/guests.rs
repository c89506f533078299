//! The guests that are started when the host boots, and the devices that they take: those of libvirt and Proxmox VE.

use std::path::{Path, PathBuf};

use hoststate_abi::host_view::HostView;
use hoststate_abi::pci_address::PciAddress;

use crate::error::Result;

/// Links to the guests that libvirt starts (libvirt, `virsh autostart`).
const AUTOSTART: &str = "/etc/libvirt/qemu/autostart";

/// The guests of Proxmox VE: of this node, and of the cluster by node.
const PROXMOX: &str = "/etc/pve/qemu-server";
const NODES: &str = "/etc/pve/nodes";

/// Names for devices that guests of Proxmox VE are given (pvesh, /cluster/mapping/pci).
const MAPPING: &str = "/etc/pve/mapping/pci.cfg";

/// A guest that is started at boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guest {
    /// Its name.
    pub name: String,
    /// Where it is described.
    pub file: PathBuf,
    /// The PCI devices that it takes from whatever driver they have.
    pub devices: Vec<PciAddress>,
}

/// Returns the guests that are started at boot and take devices.
///
/// # Errors
/// When a description exists and cannot be read.
pub fn started_at_boot(host: &HostView) -> Result<Vec<Guest>> {
    let mut guests = Vec::new();
    for name in host.list(Path::new(AUTOSTART))?.into_iter().filter(|it| it.ends_with(".xml")) {
        let file = Path::new(AUTOSTART).join(&name);
        let text = host.read_lossy(&file)?.unwrap_or_default();
        let named = between(&text, "<name>", "</name>").map(|it| it.trim().to_owned());
        let name = named.unwrap_or_else(|| name.trim_end_matches(".xml").to_owned());
        guests.push(Guest { name, file, devices: of_libvirt(&text) });
    }
    let mut directories = vec![PathBuf::from(PROXMOX)];
    directories
        .extend(host.list(Path::new(NODES))?.iter().map(|it| Path::new(NODES).join(it).join("qemu-server")));
    let mapping = host.read_lossy(Path::new(MAPPING))?.unwrap_or_default();
    for directory in directories {
        for name in host.list(&directory)?.into_iter().filter(|it| it.ends_with(".conf")) {
            let file = directory.join(&name);
            // Of a cluster, one node's directory is its own as well.
            if guests.iter().any(|it| it.file.file_name() == file.file_name()) {
                continue;
            }
            let text = host.read_lossy(&file)?.unwrap_or_default();
            // Snapshots follow in sections of their own.
            let current: Vec<&str> = text.lines().take_while(|it| !it.starts_with('[')).collect();
            let value = |key: &str| {
                current.iter().find_map(|it| it.strip_prefix(key)?.strip_prefix(':')).map(str::trim)
            };
            if value("onboot") == Some("1") {
                let name = value("name").unwrap_or(name.trim_end_matches(".conf")).to_owned();
                guests.push(Guest { name, devices: of_proxmox(&current, &mapping), file });
            }
        }
    }
    guests.retain(|it| !it.devices.is_empty());
    Ok(guests)
}

/// The devices that libvirt takes from their drivers: those of `managed='yes'`.
fn of_libvirt(text: &str) -> Vec<PciAddress> {
    let mut devices = Vec::new();
    for (element, end) in [("<hostdev ", "</hostdev>"), ("<interface ", "</interface>")] {
        for part in text.split(element).skip(1) {
            let part = part.split(end).next().unwrap_or(part);
            let head = part.split('>').next().unwrap_or_default();
            if attribute(head, "managed") != Some("yes") {
                continue;
            }
            let address = between(part, "<source", "</source>").and_then(|it| between(it, "<address ", ">"));
            let number = |name: &str| {
                let value = attribute(address?, name)?;
                u32::from_str_radix(value.trim_start_matches("0x"), 16).ok()
            };
            let (Some(bus), Some(slot), Some(function)) = (number("bus"), number("slot"), number("function"))
            else {
                continue;
            };
            let domain = number("domain").unwrap_or(0);
            devices.extend(format!("{domain:04x}:{bus:02x}:{slot:02x}.{function:x}").parse::<PciAddress>());
        }
    }
    devices
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    text.split_once(start)?.1.split_once(end).map(|it| it.0)
}

fn attribute<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let rest = head.split_once(&format!("{name}="))?.1;
    let quote = rest.chars().next().filter(|it| matches!(it, '\'' | '"'))?;
    rest[1..].split(quote).next()
}

/// The devices of `hostpciN:` lines: addresses with or without a function, or names of the mapping.
fn of_proxmox(lines: &[&str], mapping: &str) -> Vec<PciAddress> {
    let mut devices = Vec::new();
    for line in lines.iter().filter(|it| it.starts_with("hostpci")) {
        let value = line.split_once(':').map_or("", |it| it.1).trim();
        for part in value.split([',', ';']) {
            let part = part.trim();
            if let Some(name) = part.strip_prefix("mapping=") {
                let rows = mapping.lines().skip_while(|it| it.trim() != name).skip(1);
                let own = rows.take_while(|it| it.starts_with(char::is_whitespace));
                let paths =
                    own.flat_map(|it| it.split([',', ' '])).filter_map(|it| it.trim().strip_prefix("path="));
                devices.extend(paths.flat_map(|it| it.split(';')).flat_map(functions));
            } else {
                devices.extend(functions(part.trim_start_matches("host=")));
            }
        }
    }
    devices
}

fn functions(text: &str) -> Vec<PciAddress> {
    let whole = if text.matches(':').count() == 1 { format!("0000:{text}") } else { text.to_owned() };
    match whole.parse() {
        Ok(address) => vec![address],
        Err(_) => (0..8).filter_map(|it| format!("{whole}.{it}").parse().ok()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::{of_libvirt, of_proxmox};

    #[test]
    fn only_what_libvirt_takes_by_itself_counts() {
        let device = |managed: &str, bus: &str| {
            format!(
                "<hostdev mode='subsystem' type='pci' managed=\"{managed}\"><driver name='vfio'/><source>\n<address \
                 domain='0x0000' bus='{bus}' slot='0x00' function='0x1'/></source><address type='pci' bus='0x09' \
                 slot='0x00' function='0x0'/></hostdev>"
            )
        };
        let interface = "<interface type='hostdev' managed='yes'><mac address='x'/><source><address type='pci' \
                         domain='0' bus='59' slot='2' function='0'/></source></interface>";
        let text = format!("{}{}{interface}", device("yes", "0x3b"), device("no", "0x3c"));
        let shown: Vec<String> = of_libvirt(&text).iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["0000:3b:00.1", "0000:59:02.0"]);
    }

    #[test]
    fn proxmox_names_functions_slots_and_mappings() {
        let mapping = "card\n\tmap id=10de:1b81,iommugroup=1,node=a,path=0000:01:00.0\nnic\n\tmap id=8086:1,path=0000:3b:00.1\n";
        let lines = [
            "hostpci0: 0000:02:00.0,pcie=1",
            "hostpci1: mapping=nic,x-vga=1",
            "hostpci2: 04:00.1;04:00.2",
            "net0: x",
        ];
        let shown: Vec<String> = of_proxmox(&lines, mapping).iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["0000:02:00.0", "0000:3b:00.1", "0000:04:00.1", "0000:04:00.2"]);
        assert_eq!(of_proxmox(&["hostpci0: 05:00"], mapping).len(), 8);
    }
}
