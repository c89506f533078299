//! systemd-boot: entries of the Boot Loader Specification on the EFI system partition; on Pop!_OS made by kernelstub.

use std::path::Path;

use hoststate_core::error::Result;
use hoststate_core::mechanism::distro::Bootloader;

use super::loader::{Loader, nothing};
use super::signs::Signs;
use super::unsupported::Unsupported;

const KERNELSTUB: &str = "/etc/kernelstub/configuration";

pub(super) const LOADER: Loader =
    Loader { name: "systemd-boot", booted, files, contradicted: nothing, mechanism };

fn booted(signs: &Signs<'_>) -> Result<Option<String>> {
    // A unified image brings its parameters along, whoever starts it.
    if signs.stub_info()?.is_some() {
        return Ok(None);
    }
    if let Some(info) = signs.loader_info()? {
        return Ok(info.contains("systemd-boot").then(|| format!("LoaderInfo is {info}")));
    }
    if let Some(file) = signs.started_file()?.filter(|it| it.to_ascii_lowercase().contains("systemd-boot")) {
        return Ok(Some(format!("the firmware started {file}")));
    }
    match (signs.efi_initrd(), files(signs)?) {
        (Some(initrd), Some(file)) => {
            Ok(Some(format!("/proc/cmdline has {initrd} and no BOOT_IMAGE=, and {file}")))
        }
        _ => Ok(None),
    }
}

fn files(signs: &Signs<'_>) -> Result<Option<String>> {
    let conf = signs.in_esp("loader/loader.conf")?.map(|it| it.display().to_string());
    let kernelstub = signs.first_of(&[KERNELSTUB])?;
    Ok(kernelstub.or(conf).map(|it| format!("{it} is there")))
}

fn mechanism(signs: &Signs<'_>, shown: &str) -> Result<Box<dyn Bootloader>> {
    let (by, hint) = if signs.host.exists(Path::new(KERNELSTUB))? {
        ("systemd-boot and kernelstub", "Run `kernelstub --add-options \"…\"`.")
    } else {
        let hint = "Add the kernel parameters to /etc/kernel/cmdline and run `kernel-install add VERSION IMAGE` for \
                    each kernel; `bootctl list` shows the entries.";
        ("systemd-boot", hint)
    };
    Ok(Unsupported::boxed("systemd-boot", format!("this host boots by {by} ({shown})"), hint))
}
