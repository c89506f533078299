//! Others that set numbers of virtual functions: udev rules, `.link` files, NetworkManager, netplan, module
//! parameters, the operator of Kubernetes, and scripts.

use std::path::Path;

use super::{Owner, foreign_files, foreign_rules};
use crate::error::{Error, Result};
use crate::formats::fnmatch;
use crate::formats::ini::{self, Entry};
use crate::formats::modprobe_conf::ModuleName;
use crate::machine::modprobe_d;
use crate::machine::pci_bus::PciDevice;
use crate::plan::scene::Scene;

/// Directories of `.link` files (systemd.link(5)).
const LINKS: [&str; 4] =
    ["/etc/systemd/network", "/run/systemd/network", "/usr/lib/systemd/network", "/lib/systemd/network"];

/// Directories of NetworkManager's keyfiles (NetworkManager.conf(5)).
const KEYFILES: [&str; 3] = [
    "/etc/NetworkManager/system-connections",
    "/run/NetworkManager/system-connections",
    "/usr/lib/NetworkManager/system-connections",
];

/// Where sriov-network-operator keeps what it set for each physical function (pkg/consts/constants.go).
const OPERATOR: &str = "/etc/sriov-operator/pci";

/// Files, and directories of files, in which people write to the attribute at boot.
const SCRIPTS: [&str; 4] = ["/etc/rc.local", "/etc/rc.d/rc.local", "/etc/sysfs.conf", "/etc/crontab"];
const SCRIPT_DIRECTORIES: [&str; 7] = [
    "/etc/sysfs.d",
    "/etc/systemd/system",
    "/etc/network/interfaces.d",
    "/etc/network",
    "/etc/cron.d",
    "/var/spool/cron",
    "/var/spool/cron/crontabs",
];

/// What makes the virtual functions of a card of NVIDIA; its driver supports no other way (NVIDIA, Virtual GPU Software
/// User Guide).
const MANAGE: &str = "sriov-manage";
const MANAGERS: [&str; 2] = ["/usr/lib/nvidia/sriov-manage", "/usr/bin/sriov-manage"];
const NVIDIA: u32 = 0x10de;

/// Returns the other owners of the number of a device's virtual functions.
pub(super) fn owners(scene: Scene<'_>, device: &PciDevice) -> Result<Vec<Owner>> {
    let mut owners = Vec::new();
    for (count, evidence) in foreign_rules(scene, device, "sriov_numvfs")? {
        owners.push(Owner { who: "a udev rule", sets: Some(count), evidence });
    }
    links(scene, device, &mut owners)?;
    keyfiles(scene, device, &mut owners)?;
    netplan(scene, device, &mut owners)?;
    let path = Path::new(OPERATOR).join(device.address.to_string());
    if let Some(text) = scene.after.read_lossy(&path)? {
        // The function as the operator last set it, in its own JSON.
        let count =
            serde_json::from_str::<serde_json::Value>(&text).ok().and_then(|it| it.get("numVfs")?.as_u64());
        let evidence = format!("{} is there", path.display());
        owners.push(Owner { who: "sriov-network-operator", sets: count.map(|it| it.to_string()), evidence });
    }
    if let Some(driver) = &device.driver {
        let module =
            ModuleName::parse(driver).map_err(|err| Error::Invalid { what: err.to_string(), hint: None })?;
        let option = modprobe_d::view(scene.after)?.effective_option(&module, "max_vfs");
        if let Some(winner) = option.filter(|it| it.value != "0") {
            let place = modprobe_d::place(&winner.origin);
            let evidence = format!("{place} has the option max_vfs={} of {driver}", winner.value);
            // A list has one number for each port.
            let sets = (!winner.value.contains(',')).then_some(winner.value);
            owners.push(Owner { who: "the module's parameter max_vfs", sets, evidence });
        }
    }
    scripts(scene, device, &mut owners)?;
    let is_of_nvidia = device.id.vendor == NVIDIA && device.driver.as_deref() == Some("nvidia");
    if is_of_nvidia && !owners.iter().any(|it| it.evidence.contains(MANAGE)) {
        for path in MANAGERS {
            if scene.after.exists(Path::new(path))? {
                let evidence = format!("{path} is there, and the driver is nvidia");
                owners.push(Owner { who: "NVIDIA's sriov-manage", sets: None, evidence });
            }
        }
    }
    Ok(owners)
}

fn names_interface(device: &PciDevice, pattern: &str) -> bool {
    let mut patterns = pattern.split_whitespace();
    patterns.any(|it| device.interfaces.iter().any(|interface| fnmatch::matches(it, &interface.name)))
}

fn names_mac(device: &PciDevice, macs: &str) -> bool {
    let mut macs = macs.split_whitespace();
    macs.any(|it| {
        device.interfaces.iter().any(|own| own.mac.as_deref() == Some(it.to_ascii_lowercase().as_str()))
    })
}

fn links(scene: Scene<'_>, device: &PciDevice, owners: &mut Vec<Owner>) -> Result<()> {
    for path in foreign_files(scene, &LINKS, ".link")? {
        let Some(entries) = scene.after.parsed(&path, ini::parse)? else { continue };
        let Some(count) = ini::last(&entries, "Link", "SR-IOVVirtualFunctions") else { continue };
        let by_path = format!("pci-{}", device.address);
        let matches = |it: &Entry| match it.key.as_str() {
            "OriginalName" => names_interface(device, &it.value),
            "MACAddress" | "PermanentMACAddress" => names_mac(device, &it.value),
            "Path" => it.value.split_whitespace().any(|it| fnmatch::matches(it, &by_path)),
            "Driver" => it.value.split_whitespace().any(|it| device.driver.as_deref() == Some(it)),
            // Types, hosts and the like do not tell one card from another.
            _ => true,
        };
        if entries.iter().filter(|it| it.section == "Match").all(matches) {
            let evidence = format!("{}:{} has {}={}", path.display(), count.line, count.key, count.value);
            owners.push(Owner { who: "systemd-udevd", sets: Some(count.value.clone()), evidence });
        }
    }
    Ok(())
}

fn keyfiles(scene: Scene<'_>, device: &PciDevice, owners: &mut Vec<Owner>) -> Result<()> {
    for path in foreign_files(scene, &KEYFILES, "")? {
        let Some(entries) = scene.after.parsed(&path, ini::parse)? else { continue };
        let Some(count) = ini::last(&entries, "sriov", "total-vfs") else { continue };
        let interface = ini::last(&entries, "connection", "interface-name");
        let mac = ini::last(&entries, "ethernet", "mac-address");
        let is_its = interface.is_none_or(|it| names_interface(device, &it.value))
            && mac.is_none_or(|it| names_mac(device, &it.value));
        if is_its {
            let evidence = format!("{}:{} has total-vfs={}", path.display(), count.line, count.value);
            owners.push(Owner { who: "NetworkManager", sets: Some(count.value.clone()), evidence });
        }
    }
    Ok(())
}

fn netplan(scene: Scene<'_>, device: &PciDevice, owners: &mut Vec<Owner>) -> Result<()> {
    const KEY: &str = "virtual-function-count:";
    for path in foreign_files(scene, &["/etc/netplan", "/run/netplan", "/usr/lib/netplan"], ".yaml")? {
        let text = scene.after.read_lossy(&path)?.unwrap_or_default();
        let lines: Vec<&str> = text.lines().map(|it| it.split(" #").next().unwrap_or(it)).collect();
        let depth = |it: &str| it.len() - it.trim_start().len();
        for (index, line) in lines.iter().enumerate() {
            let Some(count) = line.trim_start().strip_prefix(KEY) else { continue };
            // The block of one interface: from the line above that is less indented to the next one that is not more.
            let Some(start) =
                lines[..index].iter().rposition(|it| !it.trim().is_empty() && depth(it) < depth(line))
            else {
                continue;
            };
            let block = lines[start + 1..]
                .iter()
                .take_while(|it| it.trim().is_empty() || depth(it) > depth(lines[start]));
            let id = lines[start].trim().trim_end_matches(':').trim_matches(['"', '\'']);
            let value_of = |line: &&&str| {
                line.split_once(": ").map(|(_, it)| it.trim().trim_matches(['"', '\'']).to_owned())
            };
            let named = block
                .filter(|it| {
                    ["name:", "set-name:", "macaddress:"].iter().any(|key| it.trim().starts_with(key))
                })
                .filter_map(|it| value_of(&it))
                .any(|it| names_interface(device, &it) || names_mac(device, &it));
            if named || names_interface(device, id) {
                let count = count.trim().to_owned();
                let evidence = format!("{}:{} has {KEY} {count}", path.display(), index + 1);
                owners.push(Owner { who: "netplan", sets: Some(count), evidence });
            }
        }
    }
    Ok(())
}

/// Returns whether a line runs NVIDIA's tool for a card.
fn manages(device: &PciDevice, line: &str) -> bool {
    let Some((_, arguments)) = line.split_once(MANAGE) else { return false };
    let address = device.address.to_string();
    let is_its =
        |it: &str| it.eq_ignore_ascii_case("all") || it.eq_ignore_ascii_case(&address) || it.contains('$');
    let is_on = device.id.vendor == NVIDIA && !line.trim_start().starts_with('#');
    is_on && arguments.split_whitespace().any(is_its)
}

fn scripts(scene: Scene<'_>, device: &PciDevice, owners: &mut Vec<Owner>) -> Result<()> {
    let mut files: Vec<_> = SCRIPTS.iter().map(|it| Path::new(it).to_owned()).collect();
    for directory in SCRIPT_DIRECTORIES {
        files.extend(foreign_files(scene, &[directory], "")?);
    }
    let address = device.address.to_string();
    for path in files {
        if scene.after.is_dir(&path)? {
            continue;
        }
        // Whatever lies there need not be text.
        let text = scene.after.read_bytes(&path)?.unwrap_or_default();
        for (index, line) in String::from_utf8_lossy(&text).lines().enumerate() {
            if manages(device, line) {
                let evidence = format!("{}:{}: {}", path.display(), index + 1, line.trim());
                owners.push(Owner { who: "NVIDIA's sriov-manage", sets: None, evidence });
            }
            let Some((before, _)) = line.split_once("sriov_numvfs") else { continue };
            let word = before.rsplit(char::is_whitespace).next().unwrap_or(before);
            let own = |it: &str| it == address || names_interface(device, it);
            let is_its = word.split(['/', '>', '"']).any(own) || word.contains(['$', '*']);
            if is_its && !line.trim_start().starts_with('#') {
                let evidence = format!("{}:{}: {}", path.display(), index + 1, line.trim());
                owners.push(Owner { who: "a script or unit of this host", sets: None, evidence });
            }
        }
    }
    Ok(())
}
