//! The EFI stub: the firmware starts the kernel itself, with parameters of its boot entry.

use hoststate_core::error::Result;
use hoststate_core::mechanism::distro::Bootloader;

use super::loader::{Loader, nothing};
use super::refind;
use super::signs::Signs;
use super::systemd_boot;
use super::unsupported::Unsupported;

/// What distributions call kernels.
const KERNELS: [&str; 4] = ["vmlinuz", "vmlinux", "bzimage", "linux.efi"];

pub(super) const LOADER: Loader =
    Loader { name: "the EFI stub", booted, files: nothing, contradicted: nothing, mechanism };

fn booted(signs: &Signs<'_>) -> Result<Option<String>> {
    if signs.loader_info()?.is_some() || signs.stub_info()?.is_some() {
        return Ok(None);
    }
    if let Some(file) = signs.started_file()? {
        let name = file.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
        if KERNELS.iter().any(|it| name.starts_with(it)) {
            return Ok(Some(format!("the firmware started {file}")));
        }
    }
    let Some(initrd) = signs.efi_initrd() else { return Ok(None) };
    for loader in [refind::LOADER, systemd_boot::LOADER] {
        if (loader.booted)(signs)?.is_some() {
            return Ok(None);
        }
    }
    Ok(Some(format!("/proc/cmdline has {initrd} and no BOOT_IMAGE=")))
}

fn mechanism(_: &Signs<'_>, shown: &str) -> Result<Box<dyn Bootloader>> {
    Ok(Unsupported::boxed(
        "efi-stub",
        format!("this host is booted by a loader that starts the kernel as an EFI program ({shown})"),
        "See `bootctl status` and `efibootmgr --verbose` for which it is. systemd-boot takes the kernel parameters \
         from /etc/kernel/cmdline by `kernel-install add VERSION IMAGE`, an entry of the firmware by `efibootmgr \
         --create … --unicode \"…\"`.",
    ))
}
