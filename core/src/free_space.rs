//! How much can still be written to a file system of the host.

use std::io;
use std::path::Path;

use hoststate_abi::host_view::HostView;

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
