//! `root-storage`: the controller of a disk that is mounted or swap leaves its driver.

use std::collections::BTreeMap;
use std::path::Path;

use hoststate_abi::host_view::HostView;

use crate::error::Result;
use crate::formats::mount_table;
use crate::formats::pci::PciAddress;
use crate::guards::rebinding;
use crate::machine::block_devices;
use crate::plan::scene::{Hazard, Scene, Severity};

const NAME: &str = "root-storage";

/// Base class of mass storage (include/linux/pci_ids.h).
const STORAGE: u32 = 0x01;

/// Finds controllers whose loss takes a mounted file system or swap away.
///
/// # Errors
/// When `/proc` or `/sys` cannot be read.
pub fn hazards(scene: Scene<'_>) -> Result<Vec<Hazard>> {
    let rebindings = rebinding::rebindings(scene)?;
    if rebindings.all.is_empty() {
        return Ok(Vec::new());
    }
    let used = used_devices(scene.before)?;
    let mut hazards = Vec::new();
    for taken in &rebindings.all {
        let address = taken.device.address;
        let mut uses: BTreeMap<&str, &[String]> = BTreeMap::new();
        for found in &used {
            let unknown = found.devices.is_empty() && taken.device.id.class >> 16 == STORAGE;
            if unknown || found.devices.contains(&address) {
                uses.insert(&found.used_as, &found.evidence);
            }
        }
        if uses.is_empty() {
            continue;
        }
        let names: Vec<&str> = uses.keys().copied().collect();
        let message = format!("{address} {}, and {} is on it", taken.what(), names.join(", "));
        let mut evidence: Vec<String> = Vec::new();
        for hop in uses.into_values().flatten() {
            if !evidence.contains(hop) {
                evidence.push(hop.clone());
            }
        }
        let identity = taken.identity();
        let mut identity: Vec<&str> = identity.iter().map(String::as_str).collect();
        identity.extend(&names);
        let hazard = Hazard::new(NAME, Severity::Refuse, &identity, message);
        hazards.push(hazard.on(address).shown_by(evidence).shown_by(taken.evidence()));
    }
    Ok(hazards)
}

/// A file system or swap and what it is on.
struct Used {
    /// `/`, `/boot`, `swap`, …
    used_as: String,
    /// PCI devices it hangs on; none for a pool whose disks the kernel does not name.
    devices: Vec<PciAddress>,
    /// Every hop from the table to the device.
    evidence: Vec<String>,
}

fn used_devices(host: &HostView) -> Result<Vec<Used>> {
    let mut used = Vec::new();
    let (table, mounts) = block_devices::mounts(host)?;
    for mount in mounts {
        let mut hops = vec![format!("{table}: {} is on {} ({})", mount.point, mount.source, mount.kind)];
        let names = block_devices::names(host, &mount)?;
        if mount.kind == "zfs" {
            hops.push("zfs does not say in /sys which disks a pool is on, so this could be one".to_owned());
        } else if names.is_empty() {
            continue;
        }
        add(host, &mut used, mount.point, &names, hops)?;
    }
    let swaps = host.read_lossy(Path::new("/proc/swaps"))?.unwrap_or_default();
    for swap in mount_table::parse_swaps(&swaps) {
        let names: Vec<String> = block_devices::name_of(host, &swap)?.into_iter().collect();
        if !names.is_empty() {
            add(host, &mut used, "swap".to_owned(), &names, vec![format!("/proc/swaps: {swap} is swap")])?;
        }
    }
    Ok(used)
}

fn add(
    host: &HostView,
    used: &mut Vec<Used>,
    used_as: String,
    names: &[String],
    mut evidence: Vec<String>,
) -> Result<()> {
    let mut devices = Vec::new();
    for name in names {
        block_devices::walk(host, name, &mut devices, &mut evidence)?;
    }
    // A disk on the network or in memory hangs on no device of this host.
    if !devices.is_empty() || names.is_empty() {
        used.push(Used { used_as, devices, evidence });
    }
    Ok(())
}
