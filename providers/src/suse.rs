//! SUSE: not operated, but told apart, because MicroOS and its kin want a command of their own.

use std::path::Path;

use hoststate_abi::host_view::HostView;
use hoststate_core::error::{Error, Result};
use hoststate_core::formats::os_release::OsRelease;
use hoststate_core::mechanism::distro::Distro;

/// The tool of systems that boot by systemd-boot, or by a GRUB that reads boot entries.
const SDBOOTUTIL: &str = "/usr/bin/sdbootutil";

/// What says which loader a system uses.
const BOOTLOADER: &str = "/etc/sysconfig/bootloader";

/// Refuses SUSE with the commands that do the same.
pub(crate) fn detect(release: &OsRelease, host: &HostView) -> Result<Option<Distro>> {
    if !["suse", "opensuse", "sles"].iter().any(|it| release.is_like(it)) {
        return Ok(None);
    }
    let transactional = host.exists(Path::new("/usr/sbin/transactional-update"))?;
    let (kind, hint) = if let Some(shown) = by_sdbootutil(host)? {
        (
            format!("of the SUSE family that boots by entries of sdbootutil ({shown})"),
            "Add the kernel parameters to /etc/kernel/cmdline and run `sdbootutil update-all-entries`, which \
             also rebuilds the initramfs.",
        )
    } else if transactional {
        (
            "with transactional updates, whose root is read-only".to_owned(),
            "Edit /etc/default/grub, run `transactional-update grub.cfg initrd` and reboot into the new snapshot.",
        )
    } else if release.major().is_some_and(|it| it < 12) && host.exists(Path::new("/boot/grub/menu.lst"))? {
        (
            "of the SUSE family with GRUB legacy".to_owned(),
            "Add the kernel parameters to the `kernel` lines of /boot/grub/menu.lst, and for later kernels to \
             DEFAULT_APPEND in /etc/sysconfig/bootloader; modules of the initramfs are listed in INITRD_MODULES of \
             /etc/sysconfig/kernel, run `mkinitrd` after a change.",
        )
    } else {
        (
            "of the SUSE family".to_owned(),
            "Edit /etc/default/grub and run `update-bootloader --refresh`; then `dracut --force --regenerate-all`.",
        )
    };
    Err(Error::Unsupported {
        what: format!("{} is a system {kind}, which hoststate does not operate", release.pretty_name),
        hint: hint.to_owned(),
    })
}

/// Returns what shows that sdbootutil keeps the entries; it may be installed beside a GRUB that is generated.
fn by_sdbootutil(host: &HostView) -> Result<Option<String>> {
    if !host.exists(Path::new(SDBOOTUTIL))? {
        return Ok(None);
    }
    let text = host.read_lossy(Path::new(BOOTLOADER))?.unwrap_or_default();
    let kind = text.lines().filter_map(|it| it.trim().strip_prefix("LOADER_TYPE=")).next_back();
    let kind = kind.map(|it| it.trim_matches(['"', '\'']).to_owned());
    Ok(match kind.as_deref() {
        Some(kind @ ("systemd-boot" | "grub2-bls")) => Some(format!("LOADER_TYPE={kind} in {BOOTLOADER}")),
        Some("") | None if !host.exists(Path::new("/boot/grub2/grub.cfg"))? => {
            Some(format!("{SDBOOTUTIL}, and no /boot/grub2/grub.cfg"))
        }
        _ => None,
    })
}
