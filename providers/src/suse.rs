//! SUSE: not operated, but told apart, because MicroOS and its kin want a command of their own.

use std::path::Path;

use hoststate_abi::host_view::HostView;
use hoststate_core::error::{Error, Result};
use hoststate_core::formats::os_release::OsRelease;
use hoststate_core::mechanism::distro::Distro;

/// Refuses SUSE with the commands that do the same.
pub(crate) fn detect(release: &OsRelease, host: &HostView) -> Result<Option<Distro>> {
    if !["suse", "opensuse", "sles"].iter().any(|it| release.is_like(it)) {
        return Ok(None);
    }
    let transactional = host.exists(Path::new("/usr/sbin/transactional-update"))?;
    let hint = if transactional {
        "Edit /etc/default/grub, run `transactional-update grub.cfg initrd` and reboot into the new snapshot."
    } else {
        "Edit /etc/default/grub and run `update-bootloader --refresh`; then `dracut --force --regenerate-all`."
    };
    let kind = if transactional {
        "with transactional updates, whose root is read-only"
    } else {
        "of the SUSE family"
    };
    Err(Error::Unsupported {
        what: format!("{} is a system {kind}, which hoststate does not operate", release.pretty_name),
        hint: hint.to_owned(),
    })
}
