//! Whether GRUB itself can write its environment block: without that `next_entry` would hold for every boot.

use std::path::Path;

use hoststate_abi::host_view::HostView;

use crate::error::{Error, Result};
use crate::formats::mount_table::{self, Mount};
use crate::machine::block_devices::{self, BLOCK};

/// File systems whose files GRUB can overwrite in place, and where replacing a file survives a power cut.
const WRITABLE: [&str; 4] = ["ext2", "ext3", "ext4", "xfs"];

/// Refuses a host on which GRUB cannot write its environment block.
///
/// # Errors
/// When it cannot, or when it cannot be told: with the mount and the devices that show it.
pub fn require_writable(host: &HostView, grubenv: &Path) -> Result<()> {
    match obstacle(host, grubenv)? {
        None => Ok(()),
        Some(why) => Err(Error::Unsupported {
            what: format!(
                "GRUB cannot take back a boot that is tried once: it would have to write {}, and {why}",
                grubenv.display()
            ),
            hint: "Converge without --confirm-boot; the recovery entry and `hoststate rollback` are then the way \
                   back. With /boot on a partition of its own with ext4 or XFS it works."
                .to_owned(),
        }),
    }
}

fn obstacle(host: &HostView, grubenv: &Path) -> Result<Option<String>> {
    let path = host.resolve(grubenv)?;
    let (table, mounts) = block_devices::mounts(host)?;
    let Some(mount) = mount_table::covering(&mounts, &path.to_string_lossy()) else {
        return Ok(Some(format!("{table} does not say what {} is mounted from", path.display())));
    };
    let shown = format!("{table}: {} is on {} ({})", mount.point, mount.source, mount.kind);
    if !WRITABLE.contains(&mount.kind.as_str()) {
        let why = match mount.kind.as_str() {
            "vfat" | "msdos" => "a file on FAT, as on an EFI system partition, is not replaced in one piece",
            _ => "GRUB overwrites files on ext2, ext3, ext4 and XFS only",
        };
        return Ok(Some(format!("{why} ({shown})")));
    }
    Ok(below(host, mount)?.map(|why| format!("{why} ({shown})")))
}

/// Looks for something between the file system and the disk that GRUB only reads.
fn below(host: &HostView, mount: &Mount) -> Result<Option<String>> {
    if !host.exists(Path::new(BLOCK))? {
        // A captured tree may have no /sys; then the name of the device has to do.
        let stacked = ["/dev/mapper/", "/dev/dm-", "/dev/md"].iter().any(|it| mount.source.starts_with(it));
        return Ok(stacked.then(|| "GRUB does not write through LVM, RAID or encryption".to_owned()));
    }
    let names = block_devices::names(host, mount)?;
    if names.is_empty() {
        return Ok(Some(format!("{BLOCK} knows no disk of that name")));
    }
    for name in names {
        for name in block_devices::stack(host, &name)? {
            let device = Path::new(BLOCK).join(&name);
            if let Some(level) = host.attribute(&device.join("md/level"))? {
                return Ok(Some(format!("GRUB does not write to RAID: {} is {level}", device.display())));
            }
            if let Some(uuid) = host.attribute(&device.join("dm/uuid"))? {
                let kind = match uuid.split_once('-').map_or("", |it| it.0) {
                    // What GRUB sees of it is one disk of the firmware's.
                    "mpath" => continue,
                    kind if kind.starts_with("part") => continue,
                    "LVM" => "LVM",
                    "CRYPT" => "an encrypted device",
                    "DMRAID" => "RAID",
                    _ => "the device mapper",
                };
                return Ok(Some(format!("GRUB does not write to {kind}: {} is {uuid}", device.display())));
            }
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use hoststate_testkit::tree::Tree;

    use super::obstacle;

    fn check(files: &[(&str, &str)], expect: Expect) {
        let tree = Tree::new(files);
        let obstacle = obstacle(&tree.view(), "/boot/grub/grubenv".as_ref()).unwrap();
        expect.assert_eq(&obstacle.unwrap_or_else(|| "none".to_owned()));
    }

    fn mounted(line: &'static str) -> (&'static str, &'static str) {
        ("/proc/self/mountinfo", line)
    }

    #[test]
    fn a_plain_partition_and_multipath_are_written() {
        let root = mounted("22 1 253:1 / / rw - ext4 /dev/vda1 rw\n");
        check(&[root, ("/sys/class/block/vda1/partition", "1\n")], expect!["none"]);
        let files = [
            mounted(
                "22 1 253:1 / / rw - ext4 /dev/mapper/a-part1 rw\n23 22 253:2 / /boot rw - xfs /dev/mapper/mpatha1 rw\n",
            ),
            ("/sys/class/block/dm-2/dm/name", "mpatha1\n"),
            ("/sys/class/block/dm-2/dm/uuid", "part1-mpath-3600\n"),
            ("/sys/class/block/dm-2/slaves/dm-1/", ""),
            ("/sys/class/block/dm-1/dm/uuid", "mpath-3600\n"),
            ("/sys/class/block/dm-1/slaves/sda/", ""),
            ("/sys/class/block/sda/size", "1\n"),
        ];
        check(&files, expect!["none"]);
    }

    #[test]
    fn what_grub_only_reads_is_refused_with_the_mount_and_the_device() {
        check(
            &[mounted("22 1 0:30 / / rw - btrfs /dev/vda2 rw\n")],
            expect![
                "GRUB overwrites files on ext2, ext3, ext4 and XFS only (/proc/self/mountinfo: / is on /dev/vda2 (btrfs))"
            ],
        );
        check(
            &[mounted("22 1 0:30 / / rw - zfs rpool/ROOT/debian rw\n")],
            expect![
                "GRUB overwrites files on ext2, ext3, ext4 and XFS only (/proc/self/mountinfo: / is on rpool/ROOT/debian (zfs))"
            ],
        );
        check(
            &[mounted("22 1 8:1 / / rw - xfs /dev/sda1 rw\n23 22 8:2 / /boot/grub rw - vfat /dev/sda2 rw\n")],
            expect![
                "a file on FAT, as on an EFI system partition, is not replaced in one piece (/proc/self/mountinfo: /boot/grub is on /dev/sda2 (vfat))"
            ],
        );
        let dm = "22 1 253:0 / / rw - ext4 /dev/mapper/vg-root rw\n";
        let stacked = |uuid: &'static str| {
            [
                mounted(dm),
                ("/sys/class/block/dm-0/dm/name", "vg-root\n"),
                ("/sys/class/block/dm-0/dm/uuid", uuid),
            ]
        };
        check(
            &stacked("LVM-abc\n"),
            expect![
                "GRUB does not write to LVM: /sys/class/block/dm-0 is LVM-abc (/proc/self/mountinfo: / is on /dev/mapper/vg-root (ext4))"
            ],
        );
        check(
            &stacked("CRYPT-LUKS2-abc\n"),
            expect![
                "GRUB does not write to an encrypted device: /sys/class/block/dm-0 is CRYPT-LUKS2-abc (/proc/self/mountinfo: / is on /dev/mapper/vg-root (ext4))"
            ],
        );
        check(
            &[
                mounted("22 1 9:0 / / rw - ext4 /dev/md0 rw\n"),
                ("/sys/class/block/md0/md/level", "raid1\n"),
                ("/sys/class/block/md0/slaves/sda1/", ""),
            ],
            expect![
                "GRUB does not write to RAID: /sys/class/block/md0 is raid1 (/proc/self/mountinfo: / is on /dev/md0 (ext4))"
            ],
        );
        check(
            &[
                mounted("22 1 0:40 / / rw - ext4 /dev/nothing rw\n"),
                ("/sys/class/block/sda1/partition", "1\n"),
            ],
            expect![
                "/sys/class/block knows no disk of that name (/proc/self/mountinfo: / is on /dev/nothing (ext4))"
            ],
        );
        check(
            &[("/proc/mounts", "")],
            expect!["/proc/mounts does not say what /boot/grub/grubenv is mounted from"],
        );
        check(
            &[("/proc/mounts", "/dev/mapper/vg-root / ext4 rw 0 0\n")],
            expect![
                "GRUB does not write through LVM, RAID or encryption (/proc/mounts: / is on /dev/mapper/vg-root (ext4))"
            ],
        );
    }
}
