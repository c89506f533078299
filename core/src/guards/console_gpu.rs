//! `console-gpu`: the graphics card that shows the console, or the only one, leaves its driver.

use std::io;
use std::path::Path;

use hoststate_abi::host_view::HostView;
use hoststate_abi::pci_address::PciAddress;

use crate::error::Result;
use crate::guards::rebinding::{self, Rebinding};
use crate::machine::pci_bus::driver_name;
use crate::machine::pci_bus::{self, PciDevice};
use crate::plan::scene::{Hazard, Scene, Severity};

const NAME: &str = "console-gpu";

/// Base class of display controllers (include/linux/pci_ids.h).
const DISPLAY: u32 = 0x03;

/// Finds graphics cards whose loss leaves the host without a picture.
///
/// # Errors
/// When sysfs cannot be read.
pub fn hazards(scene: Scene<'_>) -> Result<Vec<Hazard>> {
    let rebindings = rebinding::rebindings(scene)?;
    let is_card = |it: &PciDevice| it.id.class >> 16 == DISPLAY && it.physfn.is_none();
    let taken: Vec<&Rebinding> = rebindings.all.iter().filter(|it| is_card(&it.device)).collect();
    if taken.is_empty() {
        return Ok(Vec::new());
    }
    let devices = pci_bus::devices(scene.before)?;
    let stays = |it: &&PciDevice| {
        let for_guests = rebindings.driver_of(it).is_some_and(driver_name::is_for_guests);
        is_card(it) && !for_guests && rebindings.of(it.address).is_none()
    };
    let staying: Vec<PciAddress> = devices.iter().filter(stays).map(|it| it.address).collect();
    let mut hazards = Vec::new();
    for taken in taken {
        let address = taken.device.address;
        let mut why = console_of(scene.before, &taken.device)?;
        if staying.is_empty() {
            why.push("no other display controller (class 03) keeps a driver of the host".to_owned());
        }
        if why.is_empty() {
            continue;
        }
        let serial = serial_console(scene.before)?;
        // Its own driver kept from loading leaves the picture of the firmware.
        // And what a guest takes it gives back.
        let severity = if serial.is_some() || taken.to.is_none() || taken.is_of_guest() {
            Severity::Warn
        } else {
            Severity::Refuse
        };
        let identity = taken.identity();
        let then = match taken.to {
            Some(_) => "the host's console goes dark, and stays dark until that is undone",
            None => "the console keeps the firmware's picture, if there is one",
        };
        let message = format!("the graphics card {address} {}: {then}", taken.what());
        let hazard = Hazard::new(NAME, severity, &identity.each_ref().map(String::as_str), message);
        hazards.push(hazard.on(address).shown_by(why).shown_by(serial).shown_by(taken.evidence()));
    }
    Ok(hazards)
}

/// Returns what shows that a card holds the console.
fn console_of(host: &HostView, device: &PciDevice) -> io::Result<Vec<String>> {
    let address = device.address;
    let mut why = Vec::new();
    if device.boot_vga == Some(true) {
        why.push(format!("{} is 1", pci_bus::directory(address).join("boot_vga").display()));
    }
    // The first framebuffer is the console's, unless someone moved it by hand. Its own path or that of its `device`
    // goes through the card; a platform device of the firmware does so from Linux 6.4 on.
    let framebuffer = Path::new("/sys/class/graphics/fb0");
    for path in [framebuffer.to_owned(), framebuffer.join("device")] {
        if pci_bus::above(host, &path)?.contains(&address) {
            why.push(format!("{} is on {address}", path.display()));
            break;
        }
    }
    if let Some(range) = firmware_framebuffer(host, address)? {
        why.push(format!("/proc/iomem: BOOTFB is inside {range} of {address}"));
    }
    if let Some(connector) = only_monitor(host, address)? {
        why.push(format!("{connector} is connected, and nothing is connected to any other card"));
    }
    Ok(why)
}

/// Returns the memory of the device in which the firmware's framebuffer lies. Only root sees the ranges; the names
/// are enough.
fn firmware_framebuffer(host: &HostView, address: PciAddress) -> io::Result<Option<String>> {
    let text = host.read_lossy(Path::new("/proc/iomem"))?.unwrap_or_default();
    let mut above: Vec<(usize, &str)> = Vec::new();
    for line in text.lines() {
        let depth = line.len() - line.trim_start().len();
        above.retain(|(it, _)| *it < depth);
        let Some((range, name)) = line.trim().split_once(" : ") else { continue };
        if name == "BOOTFB" {
            let found = above.iter().find(|(_, it)| it.ends_with(&address.to_string()));
            if found.is_some() {
                return Ok(Some(range.to_owned()));
            }
        }
        above.push((depth, line.trim()));
    }
    Ok(None)
}

/// Returns the connector of the card that has a monitor, if no other card has one.
fn only_monitor(host: &HostView, address: PciAddress) -> io::Result<Option<String>> {
    let drm = Path::new("/sys/class/drm");
    let mut own = None;
    for name in host.list(drm)? {
        let status = drm.join(&name).join("status");
        if host.attribute(&status)?.as_deref() != Some("connected") {
            continue;
        }
        if !pci_bus::above(host, &drm.join(&name))?.contains(&address) {
            return Ok(None);
        }
        own = Some(status.display().to_string());
    }
    Ok(own)
}

/// Returns what shows that the console is on a serial line only.
fn serial_console(host: &HostView) -> io::Result<Option<String>> {
    let path = Path::new("/sys/class/tty/console/active");
    let Some(active) = host.attribute(path)?.filter(|it| !it.is_empty()) else { return Ok(None) };
    // `tty0` is the screen; `ttyS0`, `ttyAMA0` and `hvc0` are lines.
    let is_screen =
        |it: &str| it.strip_prefix("tty").is_some_and(|it| it.starts_with(|c: char| c.is_ascii_digit()));
    let has_screen = active.split_whitespace().any(is_screen);
    Ok((!has_screen).then(|| format!("{} is {active}: the console is a serial line", path.display())))
}
