//! The members of ZFS pools: the kernel names them nowhere, the database of udev does.

use std::collections::BTreeSet;
use std::path::Path;

use hoststate_abi::host_view::HostView;

use super::Need;
use crate::error::Result;
use crate::machine::block_devices::{self, BLOCK, STORAGE};
use crate::machine::pci_bus;

/// Where ZFS shows the pools that are imported.
pub(super) const POOLS: &str = "/proc/spl/kstat/zfs";

/// Returns the imported pools.
pub(super) fn imported(host: &HostView) -> Result<Vec<String>> {
    let mut pools = Vec::new();
    for name in host.list(Path::new(POOLS))? {
        if host.exists(&Path::new(POOLS).join(&name).join("state"))? {
            pools.push(name);
        }
    }
    Ok(pools)
}

/// Adds the controllers of a pool's disks. Where no disk is known to be of it, every controller of storage is added that
/// has a disk of which nothing is known, and the need is uncertain.
pub(super) fn descend(host: &HostView, pool: &str, need: &mut Need) -> Result<()> {
    let mut unknown = Vec::new();
    let mut known = BTreeSet::new();
    for name in host.list(Path::new(BLOCK))? {
        let path = Path::new(BLOCK).join(&name);
        let above = pci_bus::above(host, &path)?;
        if above.is_empty() {
            continue;
        }
        match member(host, &name)? {
            Member::Of(of, record) if of == pool => {
                need.evidence.push(format!("{record}: {name} is a member of {pool}"));
                block_devices::walk(host, &name, &mut need.devices, &mut need.evidence)?;
            }
            Member::Of(..) | Member::Other => {
                known.extend(above);
            }
            // A disk with parts is what its parts are.
            Member::Unknown if has_parts(host, &name)? => {}
            Member::Unknown => unknown.extend(above),
        }
    }
    if need.devices.is_empty() {
        need.is_certain = false;
        need.evidence
            .push("zfs does not say in /sys which disks a pool is on, so this could be one".to_owned());
        need.devices.extend(unknown);
        // A controller that shows no disk may have some behind it that only its own tools know.
        for device in pci_bus::devices(host)?.iter().filter(|it| it.id.class >> 16 == STORAGE) {
            if !known.contains(&device.address) && !need.devices.contains(&device.address) {
                need.devices.push(device.address);
            }
        }
    }
    Ok(())
}

enum Member {
    /// Of that pool, by this record.
    Of(String, String),
    /// Of none.
    Other,
    Unknown,
}

/// What the database of udev says of a block device.
fn member(host: &HostView, name: &str) -> Result<Member> {
    let number = host.attribute(&Path::new(BLOCK).join(name).join("dev"))?;
    let Some(number) = number else { return Ok(Member::Unknown) };
    let record = format!("/run/udev/data/b{}", number.trim());
    let Some(text) = host.read_lossy(Path::new(&record))? else { return Ok(Member::Unknown) };
    let property = |name: &str| {
        text.lines()
            .find_map(|it| it.strip_prefix("E:")?.strip_prefix(name)?.strip_prefix('='))
            .map(str::to_owned)
    };
    Ok(match (property("ID_FS_TYPE").as_deref(), property("ID_FS_LABEL")) {
        (Some("zfs_member"), Some(pool)) => Member::Of(pool, record),
        (Some("zfs_member") | None, _) => Member::Unknown,
        (Some(_), _) => Member::Other,
    })
}

fn has_parts(host: &HostView, name: &str) -> Result<bool> {
    for other in host.list(&Path::new(BLOCK).join(name))? {
        if other.starts_with(name) && host.exists(&Path::new(BLOCK).join(&other))? {
            return Ok(true);
        }
    }
    Ok(false)
}
