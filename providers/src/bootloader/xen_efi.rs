//! Xen that the firmware starts itself, with `xen.cfg` beside it. A Xen of GRUB's menu is GRUB's.

use hoststate_core::error::Result;
use hoststate_core::mechanism::distro::Bootloader;

use super::loader::{Loader, nothing};
use super::signs::Signs;
use super::unsupported::Unsupported;

pub(super) const LOADER: Loader =
    Loader { name: "xen.efi", booted, files: nothing, contradicted: nothing, mechanism };

fn booted(signs: &Signs<'_>) -> Result<Option<String>> {
    let file = signs.started_file()?.filter(|it| {
        let name = it.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
        name.starts_with("xen") && name.ends_with(".efi")
    });
    Ok(file.filter(|_| signs.is_dom0).map(|it| format!("the firmware started {it}")))
}

fn mechanism(_: &Signs<'_>, shown: &str) -> Result<Box<dyn Bootloader>> {
    Ok(Unsupported::boxed(
        "xen.efi",
        format!("this host is a Xen that reads the kernel parameters from xen.cfg ({shown})"),
        "Add the kernel parameters to the `kernel=` line of xen.cfg, and those of Xen to `options=`.",
    ))
}
