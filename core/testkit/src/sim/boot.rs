//! A boot: the first entry's command line, another boot id, the initramfs, and udev's coldplug.

use std::path::Path;

use hoststate_core::formats::grub_cfg::GrubCfg;

use super::{SimHost, kernel, modules, udev};

/// Where grub.cfg is, in the order in which distributions are told apart.
const GRUB_CFG: [&str; 2] = ["/boot/grub/grub.cfg", "/boot/grub2/grub.cfg"];

/// What a boot entry hands over.
struct Booted {
    /// Path of the kernel.
    kernel: String,
    /// Its command line, without what the boot loader puts before it.
    cmdline: String,
}

/// Boots for the `number`th time.
pub(super) fn boot(host: &SimHost, number: u32) {
    let booted = grub_entry(host).or_else(|| boot_loader_entry(host));
    if let Some(Booted { kernel, cmdline }) = &booted {
        host.tree.write("/proc/cmdline", format!("BOOT_IMAGE={kernel} {cmdline}\n"));
    }
    let id = format!("00000000-0000-4000-8000-{number:012x}\n");
    host.tree.write("/proc/sys/kernel/random/boot_id", id);
    if !host.tree.view().exists(Path::new("/sys/bus/pci")).expect("a searchable tree") {
        return;
    }
    kernel::reset(host);
    if let Some(Booted { kernel, cmdline }) = &booted
        && let Some((_, release)) = kernel.split_once("vmlinuz-")
    {
        host.tree.write("/proc/sys/kernel/osrelease", format!("{release}\n"));
        modules::load_from_image(host, release, cmdline);
    }
    modules::load_listed(host);
    // The root file system's udev sees every device once more: `add` for each, in the order of the bus. Virtual
    // functions that this makes get their own event when they appear.
    for device in kernel::all(host) {
        udev::added(host, device.address);
    }
}

fn grub_entry(host: &SimHost) -> Option<Booted> {
    let text = GRUB_CFG.iter().find_map(|it| host.tree.read(it))?;
    let entry = GrubCfg::parse(&text).entries.into_iter().next()?;
    Some(Booted { cmdline: entry.cmdline.to_string(), kernel: entry.kernel })
}

/// The entry with the highest name, as GRUB's `blscfg` sorts them without a saved one.
fn boot_loader_entry(host: &SimHost) -> Option<Booted> {
    let directory = Path::new("/boot/loader/entries");
    let names = host.tree.view().list(directory).expect("a readable directory");
    let text = host.tree.read(directory.join(names.last()?))?;
    let value = |key: &str| text.lines().find_map(|it| it.strip_prefix(key)).map(|it| it.trim().to_owned());
    Some(Booted { kernel: value("linux ")?, cmdline: value("options ")? })
}
