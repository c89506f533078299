//! `extlinux.conf`: the menu of U-Boot's distro boot, and of syslinux on PCs.

use std::path::Path;

use hoststate_core::error::Result;
use hoststate_core::machine::facts::Firmware;
use hoststate_core::mechanism::distro::Bootloader;

use super::loader::{Loader, nothing};
use super::signs::Signs;
use super::unsupported::Unsupported;

const MENUS: [&str; 5] = [
    "/boot/extlinux/extlinux.conf",
    "/boot/extlinux.conf",
    "/extlinux/extlinux.conf",
    "/boot/syslinux/syslinux.cfg",
    "/boot/syslinux/extlinux.conf",
];

pub(super) const LOADER: Loader =
    Loader { name: "extlinux", booted, files, contradicted: nothing, mechanism };

/// syslinux puts `BOOT_IMAGE=` before the parameters as GRUB does; U-Boot does not.
fn booted(signs: &Signs<'_>) -> Result<Option<String>> {
    let is_path = signs.boot_image().is_some_and(|it| !it.starts_with('('));
    if !is_path || signs.firmware == Some(Firmware::Efi) {
        return Ok(None);
    }
    Ok(files(signs)?.map(|it| format!("{it}, and syslinux gives BOOT_IMAGE= as GRUB does")))
}

fn files(signs: &Signs<'_>) -> Result<Option<String>> {
    Ok(signs.first_of(&MENUS)?.map(|it| format!("{it} is there")))
}

fn mechanism(signs: &Signs<'_>, shown: &str) -> Result<Box<dyn Bootloader>> {
    let menu = signs.first_of(&MENUS)?.unwrap_or_else(|| MENUS[0].to_owned());
    let by_tool = signs.host.exists(Path::new("/etc/default/u-boot"))?
        || signs.first_of(&["/usr/sbin/u-boot-update"])?.is_some();
    let hint = if by_tool {
        "Add the kernel parameters to U_BOOT_PARAMETERS in /etc/default/u-boot and run `u-boot-update`."
            .to_owned()
    } else {
        format!("Add the kernel parameters to the `append` lines of {menu}.")
    };
    Ok(Unsupported::boxed(
        "extlinux",
        format!("this host is booted by U-Boot or syslinux, which reads {menu} ({shown})"),
        hint,
    ))
}
