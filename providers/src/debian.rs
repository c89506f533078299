//! Debian and what derives from it: GRUB 2 by `update-grub`, initramfs-tools or dracut. Proxmox is one of them.

use hoststate_abi::host_view::HostView;
use hoststate_core::error::Result;
use hoststate_core::formats::os_release::OsRelease;
use hoststate_core::mechanism::distro::{Distro, Family};

use crate::bootloader::choose::{Chosen, bootloader};
use crate::initramfs::generator;

/// Recognises Debian and those that say they are like it.
pub(crate) fn detect(release: &OsRelease, host: &HostView) -> Result<Option<Distro>> {
    if !release.is_like("debian") {
        return Ok(None);
    }
    distro(release, host).map(Some)
}

/// Returns a distribution with Debian's mechanisms.
///
/// # Errors
/// When a file that tells the mechanisms cannot be read.
pub(crate) fn distro(release: &OsRelease, host: &HostView) -> Result<Distro> {
    let Chosen { bootloader, told_by } = bootloader(host, Family::Debian, &release.id)?;
    Ok(Distro {
        id: release.id.clone(),
        version: release.version_id.clone().unwrap_or_default(),
        family: Family::Debian,
        bootloader,
        told_by,
        initramfs: generator(host, Family::Debian)?,
    })
}
