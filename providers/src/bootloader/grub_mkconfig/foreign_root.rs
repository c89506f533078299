//! Entries that boot a device of the machine on which they were generated.
//!
//! In a chroot grub-probe finds a loop device, and `/dev/disk/by-uuid` lacks it: `10_linux` then names the device.

use std::path::Path;

use hoststate_abi::host_view::HostView;
use hoststate_core::error::Result;
use hoststate_core::formats::grub_cfg::MenuEntry;
use hoststate_core::formats::mount_table;

use crate::bootloader::grub_text;

/// What `/etc/fstab` mounts at `/`.
pub(super) struct Mounted(String);

/// Reads `/etc/fstab`.
pub(super) fn mounted(host: &HostView) -> Result<Option<Mounted>> {
    let table = host.read_lossy(Path::new("/etc/fstab"))?.unwrap_or_default();
    let source = table.lines().find_map(|line| {
        let mut fields = line.split_whitespace();
        let source = fields.next().filter(|it| !it.starts_with('#'))?;
        (fields.next() == Some("/")).then(|| Mounted(source.to_owned()))
    });
    Ok(source.filter(|it| !mount_table::is_of_a_builder(&it.0)))
}

/// Says which root no machine but the builder has.
pub(super) fn fault(mounted: &Mounted, entries: &[&MenuEntry]) -> Option<String> {
    entries.iter().find_map(|entry| {
        let line = grub_text::passed_on(entry);
        let root = line.parameters().find(|it| it.same_name("root"))?.clone();
        let is_passing = root.value().is_some_and(mount_table::is_of_a_builder);
        is_passing.then(|| {
            format!(
                "line {} ({}) has {root}, and /etc/fstab mounts {} at /",
                entry.line, entry.title, mounted.0
            )
        })
    })
}
