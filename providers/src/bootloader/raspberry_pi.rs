//! The firmware of a Raspberry Pi, which reads `cmdline.txt` beside `config.txt`.

use std::path::Path;

use hoststate_core::error::Result;
use hoststate_core::mechanism::distro::Bootloader;

use super::loader::{Loader, nothing};
use super::signs::Signs;
use super::unsupported::Unsupported;

/// Where the firmware's partition is mounted.
const DIRECTORIES: [&str; 3] = ["/boot/firmware", "/boot", "/boot/broadcom"];

pub(super) const LOADER: Loader = Loader {
    name: "the firmware of a Raspberry Pi",
    booted: nothing,
    files,
    contradicted: nothing,
    mechanism,
};

fn line(signs: &Signs<'_>) -> Result<Option<String>> {
    for directory in DIRECTORIES {
        let file = Path::new(directory).join("cmdline.txt");
        if signs.host.exists(&file)? {
            return Ok(Some(file.display().to_string()));
        }
    }
    Ok(None)
}

fn files(signs: &Signs<'_>) -> Result<Option<String>> {
    Ok(line(signs)?.map(|it| format!("{it} is there")))
}

fn mechanism(signs: &Signs<'_>, shown: &str) -> Result<Box<dyn Bootloader>> {
    let file = line(signs)?.unwrap_or_else(|| "/boot/firmware/cmdline.txt".to_owned());
    Ok(Unsupported::boxed(
        "raspberry-pi",
        format!("the firmware of this Raspberry Pi reads the kernel parameters from {file} ({shown})"),
        format!("Add the kernel parameters to the one line of {file}."),
    ))
}
