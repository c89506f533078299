//! `package-manager`: packages are being installed, and their hooks make the same images and entries as the plan.

use std::path::Path;

use hoststate_abi::host_view::HostView;

use crate::error::Result;
use crate::machine::facts::proc_is_foreign;
use crate::plan::scene::{Hazard, Scene, Severity};

const NAME: &str = "package-manager";

/// Files that package managers lock for writing while they work.
const LOCKS: [&str; 4] = [
    "/var/lib/dpkg/lock-frontend",
    "/var/lib/dpkg/lock",
    "/var/lib/rpm/.rpm.lock",
    "/usr/lib/sysimage/rpm/.rpm.lock",
];

/// Files in which a package manager keeps its process while it works.
const PROCESSES: [&str; 2] = ["/run/yum.pid", "/var/run/yum.pid"];

/// Finds package managers at work.
///
/// # Errors
/// When the host cannot be read.
pub fn hazards(scene: Scene<'_>) -> Result<Vec<Hazard>> {
    let writes_there = scene.changed_files()?.iter().any(|it| it.starts_with("/boot"));
    if (!scene.rebuilds_boot_files() && !writes_there) || proc_is_foreign(scene.before)? {
        return Ok(Vec::new());
    }
    let host = scene.before;
    let Some((file, process, evidence)) = holder(host)? else { return Ok(Vec::new()) };
    let comm = host.attribute(&Path::new("/proc").join(&process).join("comm"))?;
    let who = comm.unwrap_or_else(|| "a package manager".to_owned());
    let message = format!("{who} is running and may write the same boot files; wait until it has finished");
    let named = format!("process {process} is {who}");
    let hazard = Hazard::new(NAME, Severity::Refuse, &[&file, &process], message);
    Ok(vec![hazard.shown_by([evidence, named])])
}

/// Returns the locked file, the number of the process that has it, and what shows it.
fn holder(host: &HostView) -> Result<Option<(String, String, String)>> {
    let locks = host.read_lossy(Path::new("/proc/locks"))?.unwrap_or_default();
    for file in LOCKS {
        let Some(status) = host.status(Path::new(file))? else { continue };
        for line in locks.lines() {
            let fields: Vec<&str> = line.split_whitespace().collect();
            // `1: POSIX  ADVISORY  WRITE 1234 fd:01:5678 0 EOF`; one that waits has `->` after the number.
            let [_, _, _, "WRITE", process, place, ..] = fields[..] else { continue };
            if is_at(place, status.device, status.inode) {
                let evidence = format!("/proc/locks: process {process} has a write lock on {file}");
                return Ok(Some((file.to_owned(), process.to_owned(), evidence)));
            }
        }
    }
    for file in PROCESSES {
        let Some(process) = host.attribute(Path::new(file))? else { continue };
        let process = process.trim().to_owned();
        // What a crash left behind names a process that is gone.
        let is_number = !process.is_empty() && process.bytes().all(|it| it.is_ascii_digit());
        if is_number && host.is_dir(&Path::new("/proc").join(&process))? {
            let evidence = format!("{file} names process {process}");
            return Ok(Some((file.to_owned(), process, evidence)));
        }
    }
    Ok(None)
}

/// Compares `major:minor:inode`, the first two in hexadecimal. Where the file system gives its files numbers of their
/// own, as btrfs does for each subvolume, only the inode is the same.
fn is_at(place: &str, device: u64, inode: u64) -> bool {
    let mut parts = place.split(':');
    let mut number = |radix| parts.next().and_then(|it| u64::from_str_radix(it, radix).ok());
    let (Some(major), Some(minor), Some(found)) = (number(16), number(16), number(10)) else { return false };
    let own = (u64::from(rustix::fs::major(device)), u64::from(rustix::fs::minor(device)));
    found == inode && ((major, minor) == own || own.0 == 0)
}
