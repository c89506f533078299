//! Which initramfs image an entry boots a kernel with.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use hoststate_abi::host_view::HostView;
use hoststate_core::error::Result;

use super::{Variables, found, regular};

/// Returns the image that the boot entry of a kernel names; `None` where it names none, or several alike.
///
/// Which directory holds the image depends on who made the entry: the plugin of EL's systemd leaves it in `/boot`,
/// that of systemd's own `kernel-install` makes `/boot/MACHINE/RELEASE/initrd`.
pub(crate) fn named_for(host: &HostView, kernel: &str) -> Result<Option<PathBuf>> {
    let found = found(host, &Variables { values: BTreeMap::new() })?;
    let Some(it) = regular(&found).into_iter().find(|it| it.entry.version() == Some(kernel)) else {
        return Ok(None);
    };
    located(host, &it.entry.initrd().collect::<Vec<_>>(), kernel)
}

/// Returns where the image is that one of these paths of an entry names; `None` where several may be it, or none is.
///
/// # Errors
/// When a directory cannot be searched.
pub(crate) fn located(host: &HostView, initrds: &[&str], kernel: &str) -> Result<Option<PathBuf>> {
    let named: Vec<&str> = initrds.iter().copied().filter(|it| !it.contains('$')).collect();
    let its_own: Vec<&str> = named.iter().copied().filter(|it| it.contains(kernel)).collect();
    let path = match (named.as_slice(), its_own.as_slice()) {
        ([path], _) | (_, [path]) => path,
        _ => return Ok(None),
    };
    // Relative to the partition, which is that of `/boot` or that of `/`.
    for root in ["/boot", "/"] {
        let path = Path::new(root).join(path.trim_start_matches('/'));
        if let Some(directory) = path.parent()
            && host.exists(directory)?
        {
            return Ok(Some(path));
        }
    }
    Ok(None)
}
