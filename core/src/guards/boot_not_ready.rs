//! `boot-not-ready`: `/boot` or the EFI system partition is not mounted, is read-only, or has no room for what the plan makes there.

use std::path::{Path, PathBuf};

use hoststate_abi::activation::Activation;
use hoststate_abi::host_view::HostView;

use crate::error::Result;
use crate::formats::mount_table::{self, Mount};
use crate::machine::facts::{Firmware, firmware, proc_is_foreign};
use crate::machine::free_space;
use crate::plan::planned::Change;
use crate::plan::scene::{Hazard, Scene, Severity};

const NAME: &str = "boot-not-ready";

const BOOT: &str = "/boot";

/// Where boot entries and what they refer to lie.
const ENTRIES: [&str; 3] = ["/boot/loader", "/boot/grub", "/boot/grub2"];

/// Generators write the new image beside the old one, which may be a little smaller.
const GROWTH_PERCENT: u64 = 10;

/// Finds a `/boot` that would not take the new images and entries, or that is not the one which boots.
///
/// # Errors
/// When the host cannot be read.
pub fn hazards(scene: Scene<'_>) -> Result<Vec<Hazard>> {
    let written = touched_points(scene)?;
    let fstab = scene.before.read_lossy(Path::new("/etc/fstab"))?.unwrap_or_default();
    let wanted = mount_table::parse_fstab(&fstab);
    let row_of = |point: &str| {
        wanted.iter().find(|it| it.point == point && !it.options.iter().any(|it| it == "noauto"))
    };
    let mut points = written.clone();
    if is_judged_by_boot_files(scene) {
        let others = [BOOT, "/boot/efi", "/efi"].into_iter().filter(|it| !written.contains(it));
        for point in others.filter(|it| row_of(it).is_some()) {
            if point == BOOT || firmware(scene.before)? == Some(Firmware::Efi) {
                points.push(point);
            }
        }
    }
    if points.is_empty() || proc_is_foreign(scene.before)? {
        return Ok(Vec::new());
    }
    let mut hazards = Vec::new();
    let mounted = mounted(scene.before)?;
    // An image or a captured tree may have no table of mounts; then nothing is known about them.
    if let Some((table, mounted)) = &mounted {
        for point in points {
            let is_mounted = mounted.iter().any(|it| it.point == point);
            let row = row_of(point);
            let is_written = written.contains(&point);
            if let (false, Some(row)) = (is_mounted, row) {
                let what = if is_written { "what is written there" } else { "what is seen there" };
                let message = format!("{point} is not mounted, so {what} is not what the host boots from");
                let evidence = [
                    format!("/etc/fstab mounts {} at {point}", row.source),
                    format!("{table} does not have {point}"),
                ];
                hazards
                    .push(Hazard::new(NAME, Severity::Refuse, &["mount", point], message).shown_by(evidence));
            } else if let Some(mount) =
                mount_table::covering(mounted, point).filter(|it| is_written && it.is_read_only())
            {
                let message = format!(
                    "{point} is mounted read-only, and some tools then report success and change nothing"
                );
                let evidence = [format!("{table}: {} is {}", mount.point, mount.options.join(","))];
                hazards.push(
                    Hazard::new(NAME, Severity::Refuse, &["read-only", point], message).shown_by(evidence),
                );
            }
        }
    }
    hazards.extend(no_room(scene)?);
    Ok(hazards)
}

/// Returns whether what is left to do, if anything, is told from the files that the host boots from.
fn is_judged_by_boot_files(scene: Scene<'_>) -> bool {
    scene.changes.is_empty() || scene.changes.iter().any(Change::waits_for_reboot)
}

/// Returns which of the mount points that boots use the plan writes to, or has to see: on EFI the menu, or the stub that
/// leads to it, lies on the EFI system partition.
fn touched_points(scene: Scene<'_>) -> Result<Vec<&'static str>> {
    let mut points = Vec::new();
    let files = scene.changed_files()?;
    if scene.rebuilds_boot_files() || files.iter().any(|it| it.starts_with(BOOT)) {
        points.push(BOOT);
    }
    let makes_menu = scene.changes.iter().any(|it| it.activation == Some(Activation::BootConfig));
    let changes_entries = files.iter().any(|it| ENTRIES.iter().any(|place| it.starts_with(place)));
    let by_efi = (makes_menu || changes_entries) && firmware(scene.before)? == Some(Firmware::Efi);
    let is_written = |point: &&str| files.iter().any(|it| it.starts_with(point));
    points.extend(["/boot/efi", "/efi"].into_iter().filter(|it| by_efi || is_written(it)));
    Ok(points)
}

fn mounted(host: &HostView) -> Result<Option<(&'static str, Vec<Mount>)>> {
    if let Some(text) = host.read_lossy(Path::new("/proc/self/mountinfo"))? {
        return Ok(Some(("/proc/self/mountinfo", mount_table::parse_mountinfo(&text))));
    }
    let text = host.read_lossy(Path::new("/proc/mounts"))?;
    Ok(text.map(|it| ("/proc/mounts", mount_table::parse_fstab(&it))))
}

/// Compares the room below `/boot` with what the new images need at most at one time: all that are not there yet, and
/// one second copy.
fn no_room(scene: Scene<'_>) -> Result<Option<Hazard>> {
    let mut images = Vec::new();
    for change in scene.changes {
        if let Some(Activation::Initramfs { kernel }) = &change.activation {
            images.push(scene.distro.initramfs.image(scene.before, kernel)?);
        }
    }
    let mut sizes = Vec::new();
    let mut absent: u64 = 0;
    let mut seen: Vec<&PathBuf> = Vec::new();
    for image in &images {
        if seen.contains(&image) {
            continue;
        }
        seen.push(image);
        match scene.before.status(image)? {
            Some(status) => sizes.push((status.size, image)),
            None => absent += 1,
        }
    }
    let Some((largest, image)) = sizes.into_iter().max() else { return Ok(None) };
    let one = largest.saturating_add(largest / 100 * GROWTH_PERCENT);
    let needed = one.saturating_mul(absent.saturating_add(1));
    let directory = image.parent().unwrap_or(Path::new(BOOT));
    let Some(free) = free_space::below(scene.before, directory)?.filter(|it| *it < needed) else {
        return Ok(None);
    };
    let directory = directory.display();
    let message = format!("{directory} has no room for new initramfs images: they need {} MiB", needed >> 20);
    let hazard = Hazard::new(NAME, Severity::Refuse, &["room", &directory.to_string()], message);
    let size = format!("{} has {} MiB", image.display(), largest >> 20);
    Ok(Some(hazard.shown_by([size, format!("{directory} has {} MiB left", free >> 20)])))
}
