//! GRUB 2: whether it boots a host, where its menu is, and whether that is generated or made of boot entries.

use std::path::{Path, PathBuf};

use hoststate_abi::host_view::HostView;
use hoststate_core::error::Result;
use hoststate_core::machine::facts::Firmware;
use hoststate_core::mechanism::distro::{Bootloader, Family};

use super::bls::{Bls, ENTRIES};
use super::default_grub::{DEFAULT_GRUB, Habit, Sources};
use super::grub_menu;
use super::grub_mkconfig::GrubMkconfig;
use super::loader::Loader;
use super::signs::Signs;

const MENUS: [&str; 2] = ["/boot/grub/grub.cfg", "/boot/grub2/grub.cfg"];

pub(super) const LOADER: Loader = Loader { name: "GRUB 2", booted, files, contradicted, mechanism };

fn booted(signs: &Signs<'_>) -> Result<Option<String>> {
    if signs.boot_image().is_some() {
        return Ok(Some("BOOT_IMAGE= in /proc/cmdline".to_owned()));
    }
    // Since 2.12, by its module bli.
    let info = signs.loader_info()?.filter(|it| it.contains("GRUB"));
    Ok(info.map(|it| format!("LoaderInfo is {it}")))
}

fn files(signs: &Signs<'_>) -> Result<Option<String>> {
    let mut menus: Vec<PathBuf> = MENUS.iter().map(PathBuf::from).collect();
    let vendors = Path::new("/boot/efi/EFI");
    menus.extend(signs.host.list(vendors)?.into_iter().map(|it| vendors.join(it).join("grub.cfg")));
    for menu in menus {
        if signs.host.exists(&menu)? {
            return Ok(Some(format!("{} is there", menu.display())));
        }
    }
    Ok(None)
}

fn contradicted(signs: &Signs<'_>) -> Result<Option<String>> {
    // Under Xen it is Xen that GRUB gives `BOOT_IMAGE=` to.
    let is_without = signs.cmdline().is_some() && signs.boot_image().is_none() && !signs.is_dom0;
    Ok(is_without.then(|| "GRUB 2 always gives BOOT_IMAGE=, and /proc/cmdline has none".to_owned()))
}

/// Returns what shows that GRUB is installed and has no menu yet.
///
/// # Errors
/// When a directory cannot be searched.
pub(super) fn package(signs: &Signs<'_>) -> Result<Option<String>> {
    let parts = [DEFAULT_GRUB, "/usr/sbin/update-grub", "/usr/sbin/grub2-mkconfig"];
    Ok(signs.first_of(&parts)?.map(|it| format!("{it} is there")))
}

fn mechanism(signs: &Signs<'_>, _: &str) -> Result<Box<dyn Bootloader>> {
    match signs.family {
        Family::Debian => debian(signs.host),
        Family::Redhat => redhat(signs),
    }
}

fn debian(host: &HostView) -> Result<Box<dyn Bootloader>> {
    let output = PathBuf::from("/boot/grub/grub.cfg");
    let command = match tool(host, &["update-grub"])? {
        Some(tool) => Some(vec![tool]),
        None => mkconfig(host, &["grub-mkconfig", "grub2-mkconfig"], &output)?,
    };
    Ok(Box::new(GrubMkconfig { habit: Habit::Debian, output, command }))
}

fn redhat(signs: &Signs<'_>) -> Result<Box<dyn Bootloader>> {
    let host = signs.host;
    let output = real_grub_cfg(signs)?;
    let bls = match grub_menu::script(host, &output)? {
        Some(cfg) => cfg.blscfg,
        None => {
            let enabled = Sources::read(host, Habit::Redhat)?.variable("GRUB_ENABLE_BLSCFG")?;
            let entries = host.list(Path::new(ENTRIES))?.iter().any(|it| it.ends_with(".conf"));
            enabled.map_or(entries, |it| it == "true")
        }
    };
    if bls {
        // On EFI RHEL 8 it is a link into the EFI system partition.
        return Ok(Box::new(Bls { grubenv: "/boot/grub2/grubenv".into(), grub_cfg: output }));
    }
    let command = mkconfig(host, &["grub2-mkconfig", "grub-mkconfig"], &output)?;
    Ok(Box::new(GrubMkconfig { habit: Habit::Redhat, output, command }))
}

/// Returns the file GRUB 2 reads its menu from, seen through the stub on the EFI system partition.
///
/// RHEL 7 and 8 keep it there on EFI; from RHEL 9 on that file only leads to `/boot/grub2/grub.cfg`, and writing it
/// would break the way to it.
fn real_grub_cfg(signs: &Signs<'_>) -> Result<PathBuf> {
    let host = signs.host;
    let common = PathBuf::from("/boot/grub2/grub.cfg");
    let common_exists = host.exists(&common)?;
    let efi = match signs.firmware {
        Some(firmware) => firmware == Firmware::Efi,
        None => !common_exists || host.link_target(Path::new("/etc/grub2.cfg"))?.is_none(),
    };
    if !efi {
        return Ok(common);
    }
    let mut candidates = Vec::new();
    if host.link_target(Path::new("/etc/grub2-efi.cfg"))?.is_some() {
        candidates.push(host.resolve(Path::new("/etc/grub2-efi.cfg"))?);
    }
    let vendors = Path::new("/boot/efi/EFI");
    candidates.push(vendors.join(signs.vendor).join("grub.cfg"));
    // `BOOT` holds the loader for removable media; its configuration is nobody's.
    let others = host.list(vendors)?.into_iter().filter(|it| !it.eq_ignore_ascii_case("BOOT"));
    candidates.extend(others.map(|it| vendors.join(it).join("grub.cfg")));
    for candidate in candidates {
        match grub_menu::script(host, &candidate)? {
            Some(cfg) if cfg.stub_target.is_none() => return Ok(candidate),
            Some(_) => return Ok(common),
            None => {}
        }
    }
    Ok(common)
}

fn mkconfig(host: &HostView, names: &[&str], output: &Path) -> Result<Option<Vec<String>>> {
    let output = output.display().to_string();
    Ok(tool(host, names)?.map(|tool| vec![tool, "-o".to_owned(), output]))
}

/// Returns the first of these programs that the host has.
fn tool(host: &HostView, names: &[&str]) -> Result<Option<String>> {
    for name in names {
        for directory in ["/usr/sbin", "/sbin", "/usr/bin"] {
            if host.exists(&Path::new(directory).join(name))? {
                return Ok(Some((*name).to_owned()));
            }
        }
    }
    Ok(None)
}
