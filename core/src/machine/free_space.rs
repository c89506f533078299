//! How much can still be written to a file system of the host.

use std::io;
use std::path::Path;

use hoststate_abi::host_view::HostView;

/// A file system that files are to be written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Number of the device, which tells it from others.
    pub device: u64,
    /// Bytes that root may still write; `None` where it counts none.
    pub bytes: Option<u64>,
    /// Files that may still be made; `None` where it counts none, as btrfs does.
    pub files: Option<u64>,
    /// Whether it is mounted read-only.
    pub is_read_only: bool,
}

/// Returns the file system that a file of the host is on, or would be on; it looks at the nearest directory that is
/// there.
///
/// # Errors
/// When the file system does not answer.
pub fn of_file(host: &HostView, file: &Path) -> io::Result<Option<Space>> {
    for directory in file.ancestors().skip(1) {
        let resolved = host.resolve(directory)?;
        if host.is_dir(&resolved)? {
            let real = host.below_root(&resolved);
            let found = rustix::fs::statvfs(&real)?;
            return Ok(Some(Space {
                device: rustix::fs::stat(&real)?.st_dev,
                bytes: (found.f_blocks > 0).then(|| found.f_bfree.saturating_mul(found.f_frsize)),
                files: (found.f_files > 0).then_some(found.f_ffree),
                is_read_only: found.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY),
            }));
        }
    }
    Ok(None)
}

/// Returns the bytes that root may still write to the file system of a directory; `None` when it is not there.
///
/// It lives here and not in the view, because statvfs(3) needs a crate that plugins shall not have to build.
///
/// # Errors
/// When the file system does not answer.
pub fn below(host: &HostView, directory: &Path) -> io::Result<Option<u64>> {
    let resolved = host.resolve(directory)?;
    if !host.is_dir(&resolved)? {
        return Ok(None);
    }
    let found = rustix::fs::statvfs(host.below_root(&resolved))?;
    Ok(Some(found.f_bfree.saturating_mul(found.f_frsize)))
}
