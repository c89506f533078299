//! `disk-not-ready`: a file that would be written, or the record of the run, is on a file system that is read-only or
//! full.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use hoststate_abi::host_view::HostView;

use crate::error::Result;
use crate::formats::mount_table::{self, Mount};
use crate::machine::facts::proc_is_foreign;
use crate::machine::free_space::{self, Space};
use crate::plan::planned::Change;
use crate::plan::scene::{Hazard, Scene, Severity};
use crate::record::STATE_DIRECTORY;

const NAME: &str = "disk-not-ready";

/// File systems give out whole blocks, and need some for directories.
const BLOCK: u64 = 4096;

/// A record has each text before and after the run and the difference, with every line end escaped.
const RECORD_FACTOR: u64 = 4;

/// A read-only file system of these is told of by `boot-not-ready`.
const BOOT: [&str; 2] = ["/boot", "/efi"];

/// What the plan writes to one file system.
struct Load {
    space: Space,
    bytes: u64,
    files: u64,
    point: String,
}

/// Finds file systems that would not take what the plan writes.
///
/// # Errors
/// When the host cannot be read.
pub fn hazards(scene: Scene<'_>) -> Result<Vec<Hazard>> {
    // What only waits for a reboot has no record either.
    if scene.changes.iter().all(Change::waits_for_reboot) {
        return Ok(Vec::new());
    }
    let host = scene.before;
    let mounts = mounts(host)?;
    let mut read_only: BTreeMap<String, Hazard> = BTreeMap::new();
    let mut loads: BTreeMap<u64, Load> = BTreeMap::new();
    for (file, bytes) in needed(scene)? {
        let shown = file.display().to_string();
        let mount = mount_table::covering(&mounts, &shown);
        let Some(space) = free_space::of_file(host, &file)? else { continue };
        let point = mount.map_or_else(|| "/".to_owned(), |it| it.point.clone());
        if let Some(mount) = mount.filter(|it| it.is_read_only()) {
            if !BOOT.iter().any(|it| file.starts_with(it)) {
                let evidence = format!("{point} is mounted with {}", mount.options.join(","));
                read_only.entry(point).or_insert_with_key(|it| unwritable(&shown, it, evidence));
            }
        } else if space.is_read_only {
            let evidence = format!("statvfs(3) of {shown} says ST_RDONLY");
            read_only.entry(point).or_insert_with_key(|it| unwritable(&shown, it, evidence));
        } else {
            let load = loads.entry(space.device).or_insert(Load { space, bytes: 0, files: 0, point });
            load.bytes += bytes;
            load.files += 1;
        }
    }
    let mut hazards: Vec<Hazard> = read_only.into_values().collect();
    hazards.extend(loads.values().flat_map(no_room));
    Ok(hazards)
}

/// Returns the files that are written, each with the bytes it takes until the old text is gone.
fn needed(scene: Scene<'_>) -> Result<BTreeMap<PathBuf, u64>> {
    let mut needed = BTreeMap::new();
    let mut recorded = 0;
    for file in scene.changed_files()? {
        let after = scene.after.read(&file)?.map_or(0, |it| it.len() as u64);
        let before = scene.before.status(&file)?.map_or(0, |it| it.size);
        recorded += before + after;
        needed.insert(file, after.next_multiple_of(BLOCK) + BLOCK);
    }
    // Also a run that only writes attributes has a record.
    let record = scene.before.resolve(&Path::new(STATE_DIRECTORY).join("runs"))?;
    needed.insert(record, (recorded * RECORD_FACTOR).next_multiple_of(BLOCK) + 4 * BLOCK);
    Ok(needed)
}

fn mounts(host: &HostView) -> Result<Vec<Mount>> {
    if proc_is_foreign(host)? {
        return Ok(Vec::new());
    }
    let text = host.read_lossy(Path::new("/proc/self/mountinfo"))?;
    Ok(text.map(|it| mount_table::parse_mountinfo(&it)).unwrap_or_default())
}

fn unwritable(file: &str, point: &str, evidence: String) -> Hazard {
    let message = format!("{file} cannot be written: its file system is mounted read-only");
    Hazard::new(NAME, Severity::Refuse, &["read-only", point], message).shown_by([evidence])
}

fn no_room(load: &Load) -> Vec<Hazard> {
    let Load { space, bytes, files, point } = load;
    let hazard = |kind, what: &str, needed: &u64, free: u64| {
        let message = format!("the file system at {point} has no room for what would be written to it");
        let evidence = [format!("{needed} {what} are needed"), format!("{free} {what} are free")];
        Hazard::new(NAME, Severity::Refuse, &[kind, point], message).shown_by(evidence)
    };
    let of_bytes = space.bytes.filter(|free| free < bytes).map(|free| hazard("room", "bytes", bytes, free));
    let of_files = space.files.filter(|free| free < files);
    let of_files = of_files.map(|free| hazard("files", "files (inodes)", files, free));
    of_bytes.into_iter().chain(of_files).collect()
}

#[cfg(test)]
mod tests {
    use super::{Load, no_room};
    use crate::machine::free_space::Space;

    #[test]
    fn a_disk_with_less_than_is_needed_is_refused_with_both_counts() {
        let shown = |bytes, files| {
            let space = Space { device: 1, bytes, files, is_read_only: false };
            let found = no_room(&Load { space, bytes: 4096, files: 2, point: "/var".to_owned() });
            found.into_iter().flat_map(|it| [vec![it.message], it.evidence].concat()).collect::<Vec<_>>()
        };
        assert!(shown(Some(4096), Some(2)).is_empty());
        assert!(shown(None, None).is_empty());
        let what = "the file system at /var has no room for what would be written to it";
        assert_eq!(shown(Some(4095), Some(2)), [what, "4096 bytes are needed", "4095 bytes are free"]);
        let files = [what, "2 files (inodes) are needed", "1 files (inodes) are free"];
        assert_eq!(shown(Some(4096), Some(1)), files);
    }
}
