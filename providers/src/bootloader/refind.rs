//! rEFInd: finds kernels by itself; `refind_linux.conf` beside a kernel holds its parameters.

use std::path::Path;

use hoststate_core::error::Result;
use hoststate_core::mechanism::distro::Bootloader;

use super::loader::{Loader, nothing};
use super::signs::Signs;
use super::unsupported::Unsupported;

const LINUX_CONF: &str = "/boot/refind_linux.conf";

pub(super) const LOADER: Loader = Loader { name: "rEFInd", booted, files, contradicted: nothing, mechanism };

fn booted(signs: &Signs<'_>) -> Result<Option<String>> {
    if let Some(info) = signs.loader_info()? {
        return Ok(info.contains("rEFInd").then(|| format!("LoaderInfo is {info}")));
    }
    if let Some(file) = signs.started_file()?.filter(|it| it.to_ascii_lowercase().contains("refind")) {
        return Ok(Some(format!("the firmware started {file}")));
    }
    // Older ones leave no variable. The EFI stub shows who handed over a path instead of an initramfs.
    match (signs.efi_initrd(), files(signs)?) {
        (Some(initrd), Some(file)) => {
            Ok(Some(format!("/proc/cmdline has {initrd} and no BOOT_IMAGE=, and {file}")))
        }
        _ => Ok(None),
    }
}

fn files(signs: &Signs<'_>) -> Result<Option<String>> {
    if let Some(file) = signs.first_of(&[LINUX_CONF])? {
        return Ok(Some(format!("{file} is there")));
    }
    let conf = signs.in_esp("EFI/refind/refind.conf")?;
    Ok(conf.map(|it| format!("{} is there", it.display())))
}

fn mechanism(signs: &Signs<'_>, shown: &str) -> Result<Box<dyn Bootloader>> {
    let hint = if signs.host.exists(Path::new(LINUX_CONF))? {
        "Add the kernel parameters to the lines of /boot/refind_linux.conf."
    } else {
        "Add the kernel parameters to refind_linux.conf beside the kernel, or to `options` of its `menuentry` in \
         EFI/refind/refind.conf."
    };
    let what = format!("this host is booted by rEFInd, which starts the kernel as an EFI program ({shown})");
    Ok(Unsupported::boxed("refind", what, hint))
}
