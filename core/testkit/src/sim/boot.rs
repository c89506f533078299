//! A boot: the command line of the entry for one boot or of the default, another boot id, the initramfs, and udev's
//! coldplug.

use std::path::Path;

use hoststate_core::formats::grub_cfg::GrubCfg;
use hoststate_core::formats::grubenv::GrubEnv;

use super::{SimHost, kernel, modules, udev};

/// Directories of GRUB, in the order in which distributions are told apart.
const GRUB: [&str; 2] = ["/boot/grub", "/boot/grub2"];

const ENTRIES: &str = "/boot/loader/entries";

/// What a boot entry hands over.
struct Booted {
    /// Path of the kernel.
    kernel: String,
    /// Its command line, without what the boot loader puts before it.
    cmdline: String,
}

/// Boots for the `number`th time. Returns whether the kernel came up.
pub(super) fn boot(host: &SimHost, number: u32) -> bool {
    let next = take_next_entry(host);
    let booted = grub_entry(host, next.as_deref()).or_else(|| boot_loader_entry(host, next.as_deref()));
    let panics = |it: &Booted| {
        let parameters = it.cmdline.split(' ');
        host.fatal_parameter.as_deref().is_some_and(|fatal| parameters.into_iter().any(|it| it == fatal))
    };
    if booted.as_ref().is_some_and(panics) {
        return false;
    }
    if let Some(Booted { kernel, cmdline }) = &booted {
        host.tree.write("/proc/cmdline", format!("BOOT_IMAGE={kernel} {cmdline}\n"));
    }
    let id = format!("00000000-0000-4000-8000-{number:012x}\n");
    host.tree.write("/proc/sys/kernel/random/boot_id", id);
    if !host.tree.view().exists(Path::new("/sys/bus/pci")).expect("a searchable tree") {
        return true;
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
    true
}

/// What `00_header` does: the entry for one boot is taken out of the environment block before it is started.
fn take_next_entry(host: &SimHost) -> Option<String> {
    let (directory, text) = first(host, "grub.cfg")?;
    if !text.contains("save_env next_entry") {
        return None;
    }
    let path = format!("{directory}/grubenv");
    let mut block = GrubEnv::parse(&host.tree.read(&path)?);
    let next = block.get("next_entry").filter(|it| !it.is_empty())?.to_owned();
    block.set("next_entry", "").expect("a name of a variable");
    host.tree.write(&path, block.to_block().expect("a block that gets smaller"));
    Some(next)
}

fn first(host: &SimHost, name: &str) -> Option<(&'static str, String)> {
    GRUB.iter().find_map(|it| Some((*it, host.tree.read(format!("{it}/{name}"))?)))
}

/// The entry of that id or, without one, the first. `41_custom` reads `custom.cfg` behind the entries of `10_linux`.
fn grub_entry(host: &SimHost, next: Option<&str>) -> Option<Booted> {
    let (directory, mut text) = first(host, "grub.cfg")?;
    if text.contains("custom.cfg") {
        text.push_str(&host.tree.read(format!("{directory}/custom.cfg")).unwrap_or_default());
    }
    let cfg = GrubCfg::parse(&text);
    let named = next.and_then(|next| cfg.entries.iter().find(|it| it.id.as_deref() == Some(next)));
    let entry = named.or(cfg.entries.first())?;
    Some(Booted { cmdline: entry.cmdline.to_string(), kernel: entry.kernel.clone() })
}

/// The entry of that name or, without one, the one with the highest, as GRUB's `blscfg` sorts them; a tilde is lowest.
fn boot_loader_entry(host: &SimHost, next: Option<&str>) -> Option<Booted> {
    let directory = Path::new(ENTRIES);
    let names = host.tree.view().list(directory).expect("a readable directory");
    let named = names.iter().find(|it| next.is_some() && it.strip_suffix(".conf") == next);
    let highest = || names.iter().max_by_key(|it| (!it.starts_with('~'), it.as_str()));
    let text = host.tree.read(directory.join(named.or_else(highest)?))?;
    let value = |key: &str| text.lines().find_map(|it| it.strip_prefix(key)).map(|it| it.trim().to_owned());
    Some(Booted { kernel: value("linux ")?, cmdline: value("options ")? })
}
