//! File systems, swap, and data that is in use without being mounted: which devices they are on.

use std::collections::BTreeSet;
use std::path::Path;

use hoststate_abi::host_view::HostView;

use super::{Kind, Need, network, pools, remote};
use crate::error::Result;
use crate::formats::mount_table;
use crate::machine::block_devices::{self, BLOCK};
use crate::machine::pci_bus;

/// Returns what is stored on which devices.
pub(super) fn find(host: &HostView) -> Result<Vec<Need>> {
    let mut needs = Vec::new();
    // Block devices that are mounted or swap, with all that they are made of.
    let mut known = BTreeSet::new();
    let (table, mounts) = block_devices::mounts(host)?;
    let mut pools = BTreeSet::new();
    for mount in mounts {
        let mut need = Need::new(Kind::Storage, &mount.point, &mount.point);
        need.evidence.push(format!("{table}: {} is on {} ({})", mount.point, mount.source, mount.kind));
        if mount.kind == "zfs" {
            let pool = mount.source.split('/').next().unwrap_or_default().to_owned();
            pools::descend(host, &pool, &mut need)?;
            pools.insert(pool);
        } else {
            let names = block_devices::names(host, &mount)?;
            below(host, &names, &mut need, &mut known)?;
            if names.is_empty() {
                for server in remote::servers_of_mount(&mount) {
                    network::way_to(host, server, &mut need)?;
                }
            }
        }
        needs.push(need);
    }
    let swaps = host.read_lossy(Path::new("/proc/swaps"))?.unwrap_or_default();
    for swap in mount_table::parse_swaps(&swaps) {
        let names: Vec<String> = block_devices::name_of(host, &swap)?.into_iter().collect();
        let mut need = Need::new(Kind::Storage, "swap", "swap");
        need.evidence.push(format!("/proc/swaps: {swap} is swap"));
        below(host, &names, &mut need, &mut known)?;
        needs.push(need);
    }
    for pool in pools::imported(host)?.into_iter().filter(|it| !pools.contains(it)) {
        let mut need = Need::new(Kind::Storage, &pool, &format!("the pool {pool}"));
        need.evidence.push(format!("{}/{pool} is there: the pool is imported", pools::POOLS));
        pools::descend(host, &pool, &mut need)?;
        // Its disks may be any, and nothing of the host's own is on it.
        needs.extend(need.is_certain.then_some(need));
    }
    needs.extend(held(host, &known)?);
    // A disk in memory hangs on no device of this host.
    needs.retain(|it| !it.devices.is_empty() || !it.functions.is_empty());
    Ok(needs)
}

/// Adds what block devices hang on, and what of them is known to be used.
fn below(host: &HostView, names: &[String], need: &mut Need, known: &mut BTreeSet<String>) -> Result<()> {
    for name in names {
        block_devices::walk(host, name, &mut need.devices, &mut need.evidence)?;
        let stack = block_devices::stack(host, name)?;
        if need.devices.is_empty() {
            for name in &stack {
                for (server, evidence) in remote::servers_of_block(host, name)? {
                    need.evidence.push(evidence);
                    network::way_to(host, server, need)?;
                }
            }
        }
        known.extend(stack);
    }
    Ok(())
}

/// Returns the volumes and arrays that are active and neither mounted nor swap, such as the disks of virtual machines:
/// whatever has them open loses its data with the disk.
fn held(host: &HostView, known: &BTreeSet<String>) -> Result<Vec<Need>> {
    let mut needs: Vec<Need> = Vec::new();
    for name in host.list(Path::new(BLOCK))? {
        let devices = pci_bus::above(host, &Path::new(BLOCK).join(&name))?;
        if devices.is_empty() {
            continue;
        }
        let mut hops = Vec::new();
        let mut tops = Vec::new();
        climb(host, &name, &mut hops, &mut tops, &mut BTreeSet::new())?;
        for top in tops.into_iter().filter(|it| *it != name && !known.contains(it)) {
            let label = label(host, &top)?;
            let at = needs.iter().position(|it| it.name == label).unwrap_or_else(|| {
                needs.push(Need::new(Kind::Storage, &label, &label));
                needs.len() - 1
            });
            let need = &mut needs[at];
            need.devices.extend(devices.iter().copied());
            need.evidence.extend(hops.iter().cloned());
            let path = Path::new(BLOCK).join(&name);
            need.evidence.push(format!("{} is below {}", path.display(), devices[0]));
        }
    }
    Ok(needs)
}

/// Goes from a block device to those that hold it, up to the last.
fn climb(
    host: &HostView,
    name: &str,
    hops: &mut Vec<String>,
    tops: &mut Vec<String>,
    seen: &mut BTreeSet<String>,
) -> Result<()> {
    if !seen.insert(name.to_owned()) {
        return Ok(());
    }
    let directory = Path::new(BLOCK).join(name).join("holders");
    let holders = host.list(&directory)?;
    if holders.is_empty() {
        tops.push(name.to_owned());
        return Ok(());
    }
    let mut labels = Vec::new();
    for holder in &holders {
        let label = label(host, holder)?;
        labels.push(if label == *holder { label } else { format!("{holder} ({label})") });
    }
    hops.push(format!("{} has {}", directory.display(), labels.join(", ")));
    for holder in holders {
        climb(host, &holder, hops, tops, seen)?;
    }
    Ok(())
}

/// The name of a volume, or the kernel's of what is none.
fn label(host: &HostView, name: &str) -> Result<String> {
    let mapped = host.attribute(&Path::new(BLOCK).join(name).join("dm/name"))?;
    Ok(mapped.unwrap_or_else(|| name.to_owned()))
}
