//! A boot: the first entry's command line, another boot id, and udev's coldplug.

use std::path::Path;

use hoststate_core::formats::grub_cfg::GrubCfg;

use super::{SimHost, kernel, udev};

/// Where grub.cfg is, in the order in which distributions are told apart.
const GRUB_CFG: [&str; 2] = ["/boot/grub/grub.cfg", "/boot/grub2/grub.cfg"];

/// Boots for the `number`th time.
pub(super) fn boot(host: &SimHost, number: u32) {
    if let Some(cmdline) = grub_entry(host).or_else(|| boot_loader_entry(host)) {
        host.tree.write("/proc/cmdline", format!("{cmdline}\n"));
    }
    let id = format!("00000000-0000-4000-8000-{number:012x}\n");
    host.tree.write("/proc/sys/kernel/random/boot_id", id);
    if !host.tree.view().exists(Path::new("/sys/bus/pci")).expect("a searchable tree") {
        return;
    }
    kernel::reset(host);
    // The root file system's udev sees every device once more: `add` for each, in the order of the bus. Virtual
    // functions that this makes get their own event when they appear.
    for device in kernel::all(host) {
        udev::added(host, device.address);
    }
}

fn grub_entry(host: &SimHost) -> Option<String> {
    let text = GRUB_CFG.iter().find_map(|it| host.tree.read(it))?;
    let entry = GrubCfg::parse(&text).entries.into_iter().next()?;
    Some(format!("BOOT_IMAGE={} {}", entry.kernel, entry.cmdline))
}

/// The entry with the highest name, as GRUB's `blscfg` sorts them without a saved one.
fn boot_loader_entry(host: &SimHost) -> Option<String> {
    let directory = Path::new("/boot/loader/entries");
    let names = host.tree.view().list(directory).expect("a readable directory");
    let text = host.tree.read(directory.join(names.last()?))?;
    let value = |key: &str| text.lines().find_map(|it| it.strip_prefix(key)).map(str::trim);
    Some(format!("BOOT_IMAGE={} {}", value("linux ")?, value("options ")?))
}
