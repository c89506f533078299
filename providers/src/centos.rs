//! CentOS, RHEL and those that rebuild it: legacy GRUB (6), generated `grub.cfg` (7), boot entries (8 and later), dracut.

use hoststate_abi::host_view::HostView;
use hoststate_core::error::Result;
use hoststate_core::formats::os_release::OsRelease;
use hoststate_core::mechanism::distro::{Distro, Family};

use crate::bootloader::choose::{Chosen, bootloader};
use crate::bootloader::owners;
use crate::initramfs::generator;

/// Recognises CentOS, RHEL and those that say they are like them.
pub(crate) fn detect(release: &OsRelease, host: &HostView) -> Result<Option<Distro>> {
    if !["rhel", "centos"].iter().any(|it| release.is_like(it)) {
        return Ok(None);
    }
    distro(release, host).map(Some)
}

/// Returns a distribution with Red Hat's mechanisms.
///
/// # Errors
/// When a file that tells the mechanisms cannot be read.
pub(crate) fn distro(release: &OsRelease, host: &HostView) -> Result<Distro> {
    // The directory below `EFI` is named after the distribution; RHEL's is `redhat`.
    let vendor = if release.id == "rhel" { "redhat" } else { &release.id };
    let generator = match owners::owner(host)? {
        // A deployment brings its image along; one built beside it would not be booted.
        Some(owner) => Box::new(owner),
        None => generator(host, Family::Redhat)?,
    };
    let Chosen { bootloader, told_by } = bootloader(host, Family::Redhat, vendor)?;
    Ok(Distro {
        id: release.id.clone(),
        version: release.version_id.clone().unwrap_or_default(),
        family: Family::Redhat,
        bootloader,
        told_by,
        initramfs: generator,
    })
}
