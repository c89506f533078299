//! GRUB 2: whether it boots a host, where its menu is, and whether that is generated or made of boot entries.

use std::path::{Path, PathBuf};

use hoststate_abi::host_view::HostView;
use hoststate_abi::setting::Place;
use hoststate_core::error::Result;
use hoststate_core::machine::facts::Firmware;
use hoststate_core::mechanism::distro::{Bootloader, Family};

use super::bls::{Bls, ENTRIES};
use super::default_grub::{DEFAULT_GRUB, Habit, Sources};
use super::grub_lead::{self, Lead};
use super::grub_menu;
use super::grub_mkconfig::GrubMkconfig;
use super::loader::Loader;
use super::other_menu::{OtherMenu, Unwritten};
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
    let (read, output) = match signs.family {
        Family::Debian => (first_read(signs)?, PathBuf::from("/boot/grub/grub.cfg")),
        Family::Redhat => redhat_menu(signs)?,
    };
    let distribution = distribution(signs, &output)?;
    let read = match elsewhere(signs, read.as_deref(), &output)? {
        None => by_hand(signs, &output)?,
        elsewhere => elsewhere,
    };
    Ok(match read {
        Some(read) => Box::new(OtherMenu { sources: distribution, read }),
        None => distribution,
    })
}

/// Returns the mechanism of a menu that the distribution's tool writes to `output`, or that is made of boot entries.
fn distribution(signs: &Signs<'_>, output: &Path) -> Result<Box<dyn Bootloader>> {
    let host = signs.host;
    let habit = habit(signs);
    let names = match habit {
        Habit::Debian => ["grub-mkconfig", "grub2-mkconfig"],
        Habit::Redhat => ["grub2-mkconfig", "grub-mkconfig"],
    };
    if habit == Habit::Redhat && is_of_boot_entries(host, output)? {
        // On EFI RHEL 8 it is a link into the EFI system partition.
        return Ok(Box::new(Bls { grubenv: "/boot/grub2/grubenv".into(), grub_cfg: output.to_owned() }));
    }
    let command = match tool(host, &["update-grub"])?.filter(|_| habit == Habit::Debian) {
        Some(tool) => Some(vec![tool]),
        None => {
            let output = output.display().to_string();
            tool(host, &names)?.map(|tool| vec![tool, "-o".to_owned(), output])
        }
    };
    Ok(Box::new(GrubMkconfig { habit, output: output.to_owned(), command }))
}

fn is_of_boot_entries(host: &HostView, menu: &Path) -> Result<bool> {
    if let Some(cfg) = grub_menu::script(host, menu)? {
        return Ok(cfg.blscfg);
    }
    let enabled = Sources::read(host, Habit::Redhat)?.variable("GRUB_ENABLE_BLSCFG")?;
    let entries = host.list(Path::new(ENTRIES))?.iter().any(|it| it.ends_with(".conf"));
    Ok(enabled.map_or(entries, |it| it == "true"))
}

/// Returns the file on the EFI system partition that GRUB reads first, and the menu that Red Hat's tool writes.
///
/// RHEL 7 and 8 keep the menu there on EFI; from RHEL 9 on that file only leads to `/boot/grub2/grub.cfg`, and writing it
/// would break the way to it.
fn redhat_menu(signs: &Signs<'_>) -> Result<(Option<PathBuf>, PathBuf)> {
    let host = signs.host;
    let common = PathBuf::from("/boot/grub2/grub.cfg");
    let efi = match signs.firmware {
        Some(firmware) => firmware == Firmware::Efi,
        None => !host.exists(&common)? || host.link_target(Path::new("/etc/grub2.cfg"))?.is_none(),
    };
    if !efi {
        return Ok((None, common));
    }
    let linked = match host.link_target(Path::new("/etc/grub2-efi.cfg"))? {
        Some(_) => Some(host.resolve(Path::new("/etc/grub2-efi.cfg"))?),
        None => None,
    };
    let on_esp = linked.filter(|it| it.starts_with("/boot/efi"));
    let read = match (first_read(signs)?, &on_esp) {
        (Some(read), _) => Some(read),
        (None, Some(linked)) if host.exists(linked)? => Some(linked.clone()),
        (None, _) => any_vendor(signs)?.into_iter().next(),
    };
    let menu = match &read {
        Some(file) if grub_menu::script(host, file)?.is_some_and(|it| it.stub_target.is_none()) => {
            file.clone()
        }
        Some(_) => common,
        // Where the partition is not mounted, the link still says that the menu is there.
        None => on_esp.unwrap_or(common),
    };
    Ok((read, menu))
}

/// Returns the file on the EFI system partition that GRUB reads first: that beside the program which the firmware
/// started, else that of the distribution, else the only one.
fn first_read(signs: &Signs<'_>) -> Result<Option<PathBuf>> {
    if signs.firmware == Some(Firmware::Bios) {
        return Ok(None);
    }
    let started = signs.started_file()?.and_then(|it| Some(Path::new(&it).parent()?.join("grub.cfg")));
    let vendor = Path::new("/EFI").join(signs.vendor).join("grub.cfg");
    for file in started.into_iter().chain([vendor]) {
        let Ok(below) = file.strip_prefix("/") else { continue };
        if let Some(file) = signs.in_esp(&below.display().to_string())?.filter(|it| !is_for_removable(it)) {
            return Ok(Some(file));
        }
    }
    let others = any_vendor(signs)?;
    Ok(if others.len() == 1 { others.into_iter().next() } else { None })
}

/// `EFI/BOOT` holds the loader for removable media; its configuration is nobody's.
fn is_for_removable(file: &Path) -> bool {
    file.parent().and_then(Path::file_name).is_some_and(|it| it.eq_ignore_ascii_case("BOOT"))
}

fn any_vendor(signs: &Signs<'_>) -> Result<Vec<PathBuf>> {
    let vendors = Path::new("/boot/efi/EFI");
    let mut found = Vec::new();
    for vendor in signs.host.list(vendors)? {
        let file = vendors.join(vendor).join("grub.cfg");
        if !is_for_removable(&file) && signs.host.exists(&file)? {
            found.push(file);
        }
    }
    Ok(found)
}

/// Returns the menu that GRUB reads, if that is not the one which the distribution's tool writes.
fn elsewhere(signs: &Signs<'_>, read: Option<&Path>, output: &Path) -> Result<Option<Unwritten>> {
    let host = signs.host;
    let Some(stub) = read else { return Ok(None) };
    let Some(cfg) = grub_menu::script(host, stub)? else { return Ok(None) };
    let (menu, shown, place, by) = if cfg.items == 0 && cfg.entries.is_empty() && !cfg.blscfg {
        match grub_lead::lead(host, stub, &cfg.to_string())? {
            Some(Lead { place, menu, shown }) => {
                (menu, shown, place.clone(), format!(" (configfile in {place})"))
            }
            None => return Ok(None),
        }
    } else {
        let place = Place { file: stub.to_owned(), line: None };
        (Some(stub.to_owned()), stub.display().to_string(), place, String::new())
    };
    if let Some(menu) = &menu
        && host.resolve(menu)? == host.resolve(output)?
    {
        return Ok(None);
    }
    let tool = match signs.family {
        Family::Debian => "update-grub",
        Family::Redhat => "grub2-mkconfig",
    };
    let why = format!("GRUB reads {shown}{by}, but {tool} writes {}", output.display());
    let hint = format!(
        "Have the stub lead to {} again (`grub-install` writes it), or add the kernel parameters to the menu that is \
         read.",
        output.display()
    );
    Ok(Some(Unwritten { menu: menu.map(|it| reader(signs, it)), shown, place, why, hint }))
}

/// Returns the menu at `output`, if somebody wrote it: it would be lost if it were generated.
fn by_hand(signs: &Signs<'_>, output: &Path) -> Result<Option<Unwritten>> {
    let Some(cfg) = grub_menu::script(signs.host, output)? else { return Ok(None) };
    let text = cfg.to_string();
    let is_generated = text.lines().any(|it| it.starts_with("### BEGIN ") && it.contains("/grub.d/"));
    if is_generated || cfg.blscfg || cfg.broken_line.is_some() || (cfg.items == 0 && cfg.entries.is_empty()) {
        return Ok(None);
    }
    let shown = output.display().to_string();
    let place = Place { file: output.to_owned(), line: None };
    let why = format!("{shown} was not generated: it has no line `### BEGIN /etc/grub.d/…`");
    let hint = "Add the kernel parameters to its lines; or move it away, and have it generated.".to_owned();
    Ok(Some(Unwritten { menu: Some(reader(signs, output.to_owned())), shown, place, why, hint }))
}

fn reader(signs: &Signs<'_>, output: PathBuf) -> GrubMkconfig {
    GrubMkconfig { habit: habit(signs), output, command: None }
}

fn habit(signs: &Signs<'_>) -> Habit {
    match signs.family {
        Family::Debian => Habit::Debian,
        Family::Redhat => Habit::Redhat,
    }
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
