//! Which boot loader a host uses, by the files that are there and by what booted it.

use std::path::{Path, PathBuf};

use hoststate_abi::host_view::HostView;
use hoststate_core::error::Result;
use hoststate_core::machine::facts::{Firmware, firmware};
use hoststate_core::machine::kernels;
use hoststate_core::mechanism::distro::{Bootloader, Family};

use super::bls::{Bls, ENTRIES};
use super::default_grub::{DEFAULT_GRUB, Habit, Sources};
use super::grub_legacy::GrubLegacy;
use super::grub_menu;
use super::grub_mkconfig::GrubMkconfig;
use super::unsupported::Unsupported;

/// Set by the loader that ran last (Boot Loader Interface); UTF-16 behind four bytes of attributes.
const LOADER_INFO: &str = "/sys/firmware/efi/efivars/LoaderInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f";

/// Directories where the EFI system partition is mounted.
const ESP: [&str; 3] = ["/boot/efi", "/efi", "/boot"];

/// Returns the boot loader of a Debian-like or Red Hat-like host; `id` is its directory below `EFI`.
///
/// # Errors
/// When a file that tells cannot be read.
pub(crate) fn bootloader(host: &HostView, family: Family, id: &str) -> Result<Box<dyn Bootloader>> {
    if let Some(unsupported) = refused(host)? {
        return Ok(Box::new(unsupported));
    }
    match family {
        Family::Debian => debian(host),
        Family::Redhat => redhat(host, id),
    }
}

/// Returns why hoststate must not change how this host boots.
///
/// # Errors
/// When a file that tells cannot be read.
pub(crate) fn refused(host: &HostView) -> Result<Option<Unsupported>> {
    let exists = |path: &str| host.exists(Path::new(path));
    let refuse = |name, what: &str, hint: &str| {
        Ok(Some(Unsupported { name, what: what.to_owned(), hint: hint.to_owned() }))
    };
    let booted = host.attribute(Path::new("/proc/cmdline"))?.unwrap_or_default();
    if exists("/run/ostree-booted")? || booted.contains("ostree=") || exists("/sysroot/ostree")? {
        if !exists("/usr/bin/rpm-ostree")? && (exists("/usr/bin/bootc")? || exists("/usr/lib/bootc")?) {
            return refuse(
                "bootc",
                "this host is a bootc image (/usr/lib/bootc, ostree), its boot entries belong to bootc",
                "Put `kargs = [\"…\"]` into /usr/lib/bootc/kargs.d/NAME.toml of the image and run `bootc upgrade`.",
            );
        }
        return refuse(
            "ostree",
            "this host is deployed by ostree (/run/ostree-booted, ostree=), its boot entries belong to rpm-ostree",
            "Run `rpm-ostree kargs --append-if-missing=…`; for the initramfs `rpm-ostree initramfs-etc --track=/etc/modprobe.d`.",
        );
    }
    if exists("/etc/kernel/proxmox-boot-uuids")? {
        return refuse(
            "proxmox-boot-tool",
            "this host boots by proxmox-boot-tool (/etc/kernel/proxmox-boot-uuids)",
            "Add the arguments to the one line of /etc/kernel/cmdline and run `proxmox-boot-tool refresh`.",
        );
    }
    let loader = host.read_bytes(Path::new(LOADER_INFO))?.unwrap_or_default();
    let loader: String = loader.iter().filter(|it| it.is_ascii_graphic()).map(|it| char::from(*it)).collect();
    let by_kernelstub = loader.contains("systemd-boot") || (loader.is_empty() && !any_grub_cfg(host)?);
    if exists("/etc/kernelstub/configuration")? && by_kernelstub {
        return refuse(
            "systemd-boot",
            "this host boots by systemd-boot and kernelstub (/etc/kernelstub/configuration)",
            "Run `kernelstub --add-options \"…\"`.",
        );
    }
    let grub = any_grub_cfg(host)? || exists("/boot/grub/grub.conf")? || exists(DEFAULT_GRUB)?;
    // GRUB hands the initramfs over in memory; a path of EFI on the command line is from a loader that cannot.
    let by_efi_stub = booted.contains("initrd=\\");
    if loader.contains("systemd-boot") || by_efi_stub || (!grub && in_esp(host, "loader/loader.conf")?) {
        return refuse(
            "systemd-boot",
            "this host boots by systemd-boot or another loader that starts the kernel as an EFI program",
            "Add the arguments to /etc/kernel/cmdline and run `kernel-install add VERSION IMAGE` for each kernel; `bootctl list` shows the entries.",
        );
    }
    if !grub && has_unified_image(host)? {
        return refuse(
            "uki",
            "this host boots a unified kernel image (EFI/Linux/*.efi), which holds its command line",
            "Build and sign the image anew with the arguments, or boot an addon made by `ukify build --cmdline=…`.",
        );
    }
    if !grub && kernels::installed(host)?.0.is_empty() {
        return refuse(
            "none",
            "this host has no kernel and no boot loader of its own; it looks like a container",
            "Set kernel arguments on the machine that runs the kernel.",
        );
    }
    if !grub && !exists("/usr/sbin/update-grub")? && !exists("/usr/sbin/grub2-mkconfig")? {
        return refuse(
            "unknown",
            "this host shows no boot loader that hoststate knows: neither grub.cfg nor /etc/default/grub",
            "Mount /boot if it is a partition of its own; otherwise set the arguments with the host's own boot tool.",
        );
    }
    Ok(None)
}

fn debian(host: &HostView) -> Result<Box<dyn Bootloader>> {
    let output = PathBuf::from("/boot/grub/grub.cfg");
    let command = match tool(host, &["update-grub"])? {
        Some(tool) => Some(vec![tool]),
        None => mkconfig(host, &["grub-mkconfig", "grub2-mkconfig"], &output)?,
    };
    Ok(Box::new(GrubMkconfig { habit: Habit::Debian, output, command }))
}

fn redhat(host: &HostView, id: &str) -> Result<Box<dyn Bootloader>> {
    let output = real_grub_cfg(host, id)?;
    let cfg = grub_menu::script(host, &output)?;
    if cfg.is_none()
        && let Some(conf) = legacy_conf(host)?
    {
        return Ok(Box::new(GrubLegacy { conf }));
    }
    let bls = match cfg {
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
fn real_grub_cfg(host: &HostView, id: &str) -> Result<PathBuf> {
    let common = PathBuf::from("/boot/grub2/grub.cfg");
    let common_exists = host.exists(&common)?;
    let efi = match firmware(host)? {
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
    candidates.push(vendors.join(id).join("grub.cfg"));
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

fn legacy_conf(host: &HostView) -> Result<Option<PathBuf>> {
    let places = ["/boot/efi/EFI/redhat/grub.conf", "/boot/grub/grub.conf", "/boot/grub/menu.lst"];
    let bios_first = firmware(host)? == Some(Firmware::Bios);
    let mut places: Vec<PathBuf> = places.iter().map(PathBuf::from).collect();
    if bios_first {
        places.rotate_left(1);
    }
    for place in places {
        if host.exists(&place)? {
            // `menu.lst` and `/etc/grub.conf` are links to it.
            return Ok(Some(host.resolve(&place)?));
        }
    }
    Ok(None)
}

fn any_grub_cfg(host: &HostView) -> Result<bool> {
    for path in ["/boot/grub/grub.cfg", "/boot/grub2/grub.cfg"] {
        if host.exists(Path::new(path))? {
            return Ok(true);
        }
    }
    let vendors = Path::new("/boot/efi/EFI");
    for vendor in host.list(vendors)? {
        let directory = vendors.join(vendor);
        if host.exists(&directory.join("grub.cfg"))? || host.exists(&directory.join("grub.conf"))? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn in_esp(host: &HostView, path: &str) -> Result<bool> {
    for esp in ESP {
        if host.exists(&Path::new(esp).join(path))? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn has_unified_image(host: &HostView) -> Result<bool> {
    for esp in ESP {
        let images = host.list(&Path::new(esp).join("EFI/Linux"))?;
        if images.iter().any(|it| it.ends_with(".efi")) {
            return Ok(true);
        }
    }
    Ok(false)
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
