//! U-Boot with a script of its own: Armbian, and flash-kernel of Debian and Ubuntu.

use hoststate_core::error::Result;
use hoststate_core::mechanism::distro::Bootloader;

use super::loader::{Loader, nothing};
use super::signs::Signs;
use super::unsupported::Unsupported;

/// What each of them reads the kernel parameters from, and how they are added.
const SCRIPTS: [(&str, &str); 4] = [
    ("/boot/armbianEnv.txt", "Add the kernel parameters to `extraargs=` in /boot/armbianEnv.txt."),
    ("/boot/dietpiEnv.txt", "Add the kernel parameters to `extraargs=` in /boot/dietpiEnv.txt."),
    ("/boot/orangepiEnv.txt", "Add the kernel parameters to `extraargs=` in /boot/orangepiEnv.txt."),
    (
        "/boot/boot.scr",
        "Add the kernel parameters to LINUX_KERNEL_CMDLINE in /etc/default/flash-kernel and run `flash-kernel`; \
         without it, write them into the source of /boot/boot.scr and rebuild that with `mkimage`.",
    ),
];

pub(super) const LOADER: Loader =
    Loader { name: "U-Boot", booted: nothing, files, contradicted: nothing, mechanism };

fn files(signs: &Signs<'_>) -> Result<Option<String>> {
    Ok(signs.first_of(&SCRIPTS.map(|it| it.0))?.map(|it| format!("{it} is there")))
}

fn mechanism(signs: &Signs<'_>, shown: &str) -> Result<Box<dyn Bootloader>> {
    let found = signs.first_of(&SCRIPTS.map(|it| it.0))?;
    let (file, hint) = SCRIPTS.iter().find(|it| found.as_deref() == Some(it.0)).unwrap_or(&SCRIPTS[3]);
    Ok(Unsupported::boxed(
        "u-boot",
        format!("this host is booted by U-Boot, which reads {file} ({shown})"),
        *hint,
    ))
}
