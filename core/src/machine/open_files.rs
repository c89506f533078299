//! Which processes have a file open, by the links in `/proc/PID/fd` (proc_pid_fd(5)).

use std::collections::HashSet;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use hoststate_abi::host_view::HostView;
use rustix::io::Errno;

use crate::machine::block_devices::{BLOCK, STORAGE};
use crate::machine::pci_bus::driver_name;
use crate::machine::pci_bus::{self, PciDevice};

/// A file that a process has open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OpenFile {
    /// Id of the process.
    pub(crate) process: String,
    /// Name of the process, at most 15 bytes (`/proc/PID/comm`).
    pub(crate) name: String,
    /// Number of the descriptor.
    pub(crate) descriptor: String,
    /// The file.
    pub(crate) file: PathBuf,
}

impl fmt::Display for OpenFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { process, name, descriptor, file } = self;
        write!(f, "/proc/{process}/fd/{descriptor} -> {} ({name})", file.display())
    }
}

/// What can be seen of open files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct OpenFiles {
    /// The files that were looked for, sorted by process.
    pub(crate) found: Vec<OpenFile>,
    /// How many processes show their files to root only, or not even to root.
    pub(crate) hidden: usize,
}

/// Looks which processes have a device that is bound to a driver for guests, through VFIO.
///
/// # Errors
/// As for [`of`].
pub(crate) fn of_guests(host: &HostView, device: &PciDevice) -> io::Result<OpenFiles> {
    let nodes = guest_nodes(host, device)?;
    if nodes.is_empty() { Ok(OpenFiles::default()) } else { of(host, &nodes) }
}

/// Returns the files of a device that processes open to use it, each with whether the kernel waits for its user when the
/// device goes.
///
/// # Errors
/// When `/sys` cannot be read.
pub(crate) fn nodes(host: &HostView, device: &PciDevice) -> io::Result<Vec<(PathBuf, bool)>> {
    // NVIDIA's driver waits as VFIO does (NVIDIA/open-gpu-kernel-modules#1374).
    let waits = device.driver.as_deref() == Some("nvidia");
    let of_guests = guest_nodes(host, device)?.into_iter().map(|it| (it, true));
    let of_device = device_nodes(host, device)?.into_iter().map(|it| (it, waits));
    Ok(of_guests.chain(of_device).collect())
}

/// The files through which a guest or a program has a device of VFIO or UIO: of its group, one that vfio made itself
/// without an IOMMU included, and its own.
fn guest_nodes(host: &HostView, device: &PciDevice) -> io::Result<Vec<PathBuf>> {
    if !device.driver.as_deref().is_some_and(driver_name::is_for_guests) {
        return Ok(Vec::new());
    }
    let mut nodes = Vec::new();
    if let Some(group) = device.iommu_group {
        nodes.extend([format!("/dev/vfio/{group}"), format!("/dev/vfio/noiommu-{group}")].map(PathBuf::from));
    }
    let directory = pci_bus::directory(device.address);
    for (class, place) in [("vfio-dev", "/dev/vfio/devices"), ("uio", "/dev")] {
        nodes.extend(host.list(&directory.join(class))?.iter().map(|it| Path::new(place).join(it)));
    }
    Ok(nodes)
}

/// Looks which processes have a device open through the driver that it has: screens and renderers, what NVIDIA's driver
/// and InfiniBand show, disks.
///
/// # Errors
/// As for [`of`].
pub(crate) fn of_device(host: &HostView, device: &PciDevice) -> io::Result<OpenFiles> {
    let nodes = device_nodes(host, device)?;
    if nodes.is_empty() { Ok(OpenFiles::default()) } else { of(host, &nodes) }
}

fn device_nodes(host: &HostView, device: &PciDevice) -> io::Result<Vec<PathBuf>> {
    let directory = pci_bus::directory(device.address);
    let mut nodes = Vec::new();
    for (class, place) in [("drm", "/dev/dri"), ("infiniband_verbs", "/dev/infiniband")] {
        nodes.extend(host.list(&directory.join(class))?.iter().map(|it| Path::new(place).join(it)));
    }
    let shown = format!("/proc/driver/nvidia/gpus/{}/information", device.address);
    let text = host.read_lossy(Path::new(&shown))?.unwrap_or_default();
    let minor = text.lines().find_map(|it| it.strip_prefix("Device Minor:"));
    nodes.extend(minor.map(|it| PathBuf::from(format!("/dev/nvidia{}", it.trim()))));
    if device.id.class >> 16 == STORAGE {
        for name in host.list(Path::new(BLOCK))? {
            if pci_bus::above(host, &Path::new(BLOCK).join(&name))?.first() == Some(&device.address) {
                nodes.push(Path::new("/dev").join(name));
            }
        }
    }
    Ok(nodes)
}

/// Looks which of `files` are open; a process that ends meanwhile has none open.
///
/// # Errors
/// When `/proc` cannot be read for another reason than that.
pub(crate) fn of(host: &HostView, files: &[PathBuf]) -> io::Result<OpenFiles> {
    let mut open = OpenFiles::default();
    let files: HashSet<&Path> = files.iter().map(PathBuf::as_path).collect();
    for process in host.list(Path::new("/proc"))? {
        if !process.bytes().all(|it| it.is_ascii_digit()) {
            continue;
        }
        let directory = Path::new("/proc").join(&process);
        let descriptors = match host.list(&directory.join("fd")) {
            Ok(descriptors) => descriptors,
            Err(err) if err.kind() == io::ErrorKind::PermissionDenied => {
                open.hidden += 1;
                continue;
            }
            Err(err) if is_gone(&err) => continue,
            Err(err) => return Err(err),
        };
        for descriptor in descriptors {
            let target = match host.link_target(&directory.join("fd").join(&descriptor)) {
                // One that was closed meanwhile is absent.
                Ok(target) => target,
                // Root may list the files of a process in another container, and not see what they are (ptrace(2)).
                Err(err) if err.kind() == io::ErrorKind::PermissionDenied => {
                    open.hidden += 1;
                    break;
                }
                Err(err) if is_gone(&err) => break,
                Err(err) => return Err(err),
            };
            if let Some(file) = target.filter(|it| files.contains(it.as_path())) {
                let name = match host.attribute(&directory.join("comm")) {
                    Ok(name) => name.unwrap_or_default(),
                    Err(err) if is_gone(&err) => break,
                    Err(err) => return Err(err),
                };
                open.found.push(OpenFile { process: process.clone(), name, descriptor, file });
            }
        }
    }
    Ok(open)
}

/// Returns whether a process ended while it was looked at: its directories can still be opened then, and not be read.
fn is_gone(err: &io::Error) -> bool {
    err.kind() == io::ErrorKind::NotFound || err.raw_os_error() == Some(Errno::SRCH.raw_os_error())
}

#[cfg(test)]
mod tests {
    use std::io;

    use rustix::io::Errno;

    use super::is_gone;

    #[test]
    fn a_process_that_ended_is_told_from_one_that_may_not_be_looked_at() {
        let shown = |errno: Errno| is_gone(&io::Error::from(errno));
        assert!(shown(Errno::NOENT) && shown(Errno::SRCH));
        assert!(!shown(Errno::ACCESS) && !shown(Errno::IO));
        // As the view of a host says it, with the path.
        assert!(is_gone(&io::Error::new(io::ErrorKind::NotFound, "/proc/1/fd: No such file or directory")));
    }
}
