//! How initramfs images are made, and what is inside.

use std::path::Path;

use hoststate_abi::host_view::HostView;
use hoststate_core::error::Result;
use hoststate_core::mechanism::distro::{Family, Initramfs};

mod dracut;
mod image;
mod initramfs_tools;
mod none;

use dracut::Dracut;
use initramfs_tools::InitramfsTools;
use none::NoInitramfs;

/// Returns the generator a host has installed. Where there is none, what is left of its configuration tells, then the
/// family if images lie in `/boot`; without images the host boots without an initramfs.
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
        (false, false, false) if host.is_dir(Path::new("/etc/initramfs-tools"))? => true,
        (false, false, false) if host.exists(Path::new("/etc/dracut.conf"))? => false,
        (false, false, false) if has_images(host)? => family == Family::Debian,
        (false, false, false) => return Ok(Box::new(NoInitramfs)),
    };
    Ok(if tools { Box::new(InitramfsTools) } else { Box::new(Dracut { family }) })
}

fn has_images(host: &HostView) -> Result<bool> {
    let names = host.list(Path::new("/boot"))?;
    Ok(names.iter().any(|it| it.starts_with("initrd.img-") || it.starts_with("initramfs-")))
}
