//! How initramfs images are made, and what is inside.

use std::path::Path;

use hoststate_abi::host_view::HostView;
use hoststate_core::distro::{Family, Initramfs};
use hoststate_core::error::Result;

mod dracut;
mod image;
mod initramfs_tools;

use dracut::Dracut;
use initramfs_tools::InitramfsTools;

/// Returns the generator a host has installed; the family decides only where neither is.
///
/// `/etc/initramfs-tools` stays behind when the package goes, and Debian's dracut may bring an `update-initramfs`:
/// `mkinitramfs` belongs to initramfs-tools alone.
///
/// # Errors
/// When a directory cannot be searched.
pub(crate) fn generator(host: &HostView, family: Family) -> Result<Box<dyn Initramfs>> {
    let exists = |name: &str| -> Result<bool> {
        for directory in ["/usr/sbin", "/sbin", "/usr/bin"] {
            if host.exists(&Path::new(directory).join(name))? {
                return Ok(true);
            }
        }
        Ok(false)
    };
    let (mkinitramfs, dracut) = (exists("mkinitramfs")?, exists("dracut")?);
    let tools = match (mkinitramfs, dracut, exists("update-initramfs")?) {
        (true, ..) => true,
        (false, true, _) => false,
        (false, false, true) => true,
        (false, false, false) => family == Family::Debian,
    };
    Ok(if tools { Box::new(InitramfsTools) } else { Box::new(Dracut { family }) })
}
