//! Ubuntu and its flavours: Debian's mechanisms; Ubuntu Core has none that a file could change.

use hoststate_abi::host_view::HostView;
use hoststate_core::error::Result;
use hoststate_core::formats::os_release::OsRelease;
use hoststate_core::mechanism::distro::{Distro, Family};

use crate::bootloader::unsupported::Unsupported;
use crate::debian;

/// Recognises Ubuntu and those that say they are like it.
pub(crate) fn detect(release: &OsRelease, host: &HostView) -> Result<Option<Distro>> {
    if release.id == "ubuntu-core" {
        return Ok(Some(core(release)));
    }
    if !release.is_like("ubuntu") {
        return Ok(None);
    }
    debian::distro(release, host).map(Some)
}

fn core(release: &OsRelease) -> Distro {
    let snapd = Unsupported {
        name: "snapd",
        what: "this host is Ubuntu Core, whose kernel, initramfs and command line come in snaps".to_owned(),
        hint: "Run `snap set system system.kernel.append=\"…\"`, or change cmdline.extra in the gadget snap."
            .to_owned(),
    };
    Distro {
        id: release.id.clone(),
        version: release.version_id.clone().unwrap_or_default(),
        family: Family::Debian,
        bootloader: Box::new(snapd.clone()),
        told_by: Vec::new(),
        initramfs: Box::new(snapd),
    }
}
