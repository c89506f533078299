//! Unified kernel images: kernel, initramfs and command line in one file that is signed as a whole.

use std::path::Path;

use hoststate_core::error::Result;
use hoststate_core::mechanism::distro::Bootloader;

use super::loader::{Loader, nothing};
use super::signs::{ESP, Signs};
use super::unsupported::Unsupported;

pub(super) const LOADER: Loader =
    Loader { name: "a unified kernel image", booted, files, contradicted: nothing, mechanism };

fn booted(signs: &Signs<'_>) -> Result<Option<String>> {
    if let Some(info) = signs.stub_info()? {
        return Ok(Some(format!("StubInfo is {info}")));
    }
    let file = signs.started_file()?.filter(|it| it.to_ascii_lowercase().starts_with("/efi/linux/"));
    Ok(file.map(|it| format!("the firmware started {it}")))
}

fn files(signs: &Signs<'_>) -> Result<Option<String>> {
    for esp in ESP {
        let directory = Path::new(esp).join("EFI/Linux");
        if let Some(image) = signs.host.list(&directory)?.into_iter().find(|it| it.ends_with(".efi")) {
            return Ok(Some(format!("{} is there", directory.join(image).display())));
        }
    }
    Ok(None)
}

fn mechanism(_: &Signs<'_>, shown: &str) -> Result<Box<dyn Bootloader>> {
    Ok(Unsupported::boxed(
        "uki",
        format!("this host boots a unified kernel image ({shown}), which holds its kernel parameters"),
        "Build and sign the image again with the parameters, or boot an addon made by `ukify build \
         --cmdline=…`.",
    ))
}
