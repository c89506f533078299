//! What is mounted on which block devices, and what those hang on: partitions, LVM, encryption, RAID, multipath, NVMe.

use std::path::{Path, PathBuf};

use hoststate_abi::host_view::HostView;
use hoststate_abi::pci_address::PciAddress;

use crate::error::Result;
use crate::formats::mount_table::{self, Mount};
use crate::machine::pci_bus;

/// Every block device by its name.
pub(crate) const BLOCK: &str = "/sys/class/block";

/// Base class of mass storage (include/linux/pci_ids.h).
pub(crate) const STORAGE: u32 = 0x01;

/// Returns what is mounted, and the table that says so.
pub(crate) fn mounts(host: &HostView) -> Result<(&'static str, Vec<Mount>)> {
    let info = "/proc/self/mountinfo";
    if let Some(text) = host.read_lossy(Path::new(info))? {
        return Ok((info, mount_table::parse_mountinfo(&text)));
    }
    let text = host.read_lossy(Path::new("/proc/mounts"))?.unwrap_or_default();
    Ok(("/proc/mounts", mount_table::parse_fstab(&text)))
}

/// Returns the kernel's names of the block devices a file system is on: one, or all members of a btrfs or bcachefs.
pub(crate) fn names(host: &HostView, mount: &Mount) -> Result<Vec<String>> {
    let mut names = Vec::new();
    if let Some(number) = &mount.number {
        // File systems with several devices have numbers of their own, which are no block device's.
        let path = Path::new("/sys/dev/block").join(number);
        if host.link_target(&path)?.is_some() {
            names.extend(host.resolve(&path)?.file_name().map(|it| it.to_string_lossy().into_owned()));
        }
    }
    if names.is_empty() {
        for source in mount.source.split(':').filter(|it| it.starts_with("/dev/")) {
            names.extend(name_of(host, source)?);
        }
    }
    if mount.kind == "btrfs" {
        for uuid in host.list(Path::new("/sys/fs/btrfs"))? {
            let members = host.list(&Path::new("/sys/fs/btrfs").join(uuid).join("devices"))?;
            if names.iter().any(|it| members.contains(it)) {
                return Ok(members);
            }
        }
    }
    Ok(names)
}

/// Returns the kernel's name of a device node; `None` when it is no block device.
pub(crate) fn name_of(host: &HostView, node: &str) -> Result<Option<String>> {
    let resolved = host.resolve(Path::new(node))?;
    let Some(name) = resolved.file_name().map(|it| it.to_string_lossy().into_owned()) else {
        return Ok(None);
    };
    if host.exists(&Path::new(BLOCK).join(&name))? {
        return Ok(Some(name));
    }
    // `/dev/mapper/vg-root` and `/dev/vg/root` are links on a running host, and nothing in a captured one.
    let spelled = match resolved.strip_prefix("/dev/mapper") {
        Ok(name) => name.display().to_string(),
        Err(_) => {
            let volume = resolved.strip_prefix("/dev").unwrap_or(&resolved);
            let parts: Vec<String> =
                volume.iter().map(|it| it.to_string_lossy().replace('-', "--")).collect();
            parts.join("-")
        }
    };
    for name in host.list(Path::new(BLOCK))?.into_iter().filter(|it| it.starts_with("dm-")) {
        let named = host.attribute(&Path::new(BLOCK).join(&name).join("dm/name"))?;
        if named.as_ref() == Some(&spelled) {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// Returns a block device and everything it is made of, down to the disks.
pub(crate) fn stack(host: &HostView, name: &str) -> Result<Vec<String>> {
    let mut stack = vec![name.to_owned()];
    let mut at = 0;
    while let Some(name) = stack.get(at) {
        for slave in host.list(&Path::new(BLOCK).join(name).join("slaves"))? {
            if !stack.contains(&slave) {
                stack.push(slave);
            }
        }
        at += 1;
    }
    Ok(stack)
}

/// Adds the PCI devices that a block device hangs on, and every hop.
pub(crate) fn walk(
    host: &HostView,
    name: &str,
    devices: &mut Vec<PciAddress>,
    hops: &mut Vec<String>,
) -> Result<()> {
    /// Deeper than any stack of volumes; the links of a damaged capture could go round.
    const DEEPEST: usize = 64;
    if hops.len() > DEEPEST {
        return Ok(());
    }
    let link = Path::new(BLOCK).join(name);
    let slaves = host.list(&link.join("slaves"))?;
    if !slaves.is_empty() {
        hops.push(format!("{} has {}", link.join("slaves").display(), slaves.join(" ")));
        for slave in slaves {
            walk(host, &slave, devices, hops)?;
        }
        return Ok(());
    }
    let path = host.resolve(&link)?;
    let mut ends = vec![link.clone()];
    if pci_bus::above(host, &path)?.is_empty() {
        // With native multipath a namespace belongs to the subsystem, beside the links of its controllers.
        let directory = path.parent().unwrap_or(&path);
        ends = controllers(host, &path)?;
        if !ends.is_empty() {
            hops.push(format!("{} is in {}", link.display(), directory.display()));
        }
    }
    for end in ends {
        for address in pci_bus::above(host, &end)? {
            hops.push(format!("{} is below {address}", end.display()));
            devices.push(address);
        }
    }
    Ok(())
}

fn controllers(host: &HostView, block: &Path) -> Result<Vec<PathBuf>> {
    let mut controllers = Vec::new();
    for directory in
        block.ancestors().filter(|it| it.parent().is_some_and(|it| it.ends_with("nvme-subsystem")))
    {
        for name in host.list(directory)? {
            let path = directory.join(name);
            if host.link_target(&path)?.is_some() {
                controllers.push(path);
            }
        }
    }
    Ok(controllers)
}
