//! Which loader of the table boots a host: what the running boot shows comes first, then the files that are there.

use hoststate_abi::host_view::HostView;
use hoststate_core::error::Result;
use hoststate_core::machine::facts::Firmware;
use hoststate_core::machine::kernels;
use hoststate_core::mechanism::distro::{Bootloader, Family};

use super::loader::Loader;
use super::signs::Signs;
use super::unsupported::Unsupported;
use super::{LOADERS, grub2, owners, proxmox_boot_tool};

/// A boot loader, and what shows that it is this host's.
pub(crate) struct Chosen {
    pub(crate) bootloader: Box<dyn Bootloader>,
    pub(crate) told_by: Vec<String>,
}

/// A loader that may be this host's, with what shows it.
struct Candidate {
    loader: &'static Loader,
    evidence: String,
}

/// Returns the boot loader of a Debian-like or Red Hat-like host; `vendor` is its directory below `EFI`.
///
/// # Errors
/// When a file that tells cannot be read.
pub(crate) fn bootloader(host: &HostView, family: Family, vendor: &str) -> Result<Chosen> {
    if let Some(owner) = owners::owner(host)? {
        return Ok(unsupported(owner));
    }
    let signs = Signs::read(host, family, vendor)?;
    if let Some(refused) = proxmox_boot_tool::refused(&signs)? {
        return Ok(unsupported(refused));
    }
    let mut booted = Vec::new();
    for loader in LOADERS {
        booted.extend((loader.booted)(&signs)?.map(|evidence| Candidate { loader, evidence }));
    }
    match booted.as_slice() {
        [] => by_files(&signs),
        [one] => by_boot(&signs, one),
        [one, other, ..] => Ok(unsupported(disagreement(one, other))),
    }
}

/// Takes the loader that the running boot shows, unless it has no files and another has.
fn by_boot(signs: &Signs<'_>, shown: &Candidate) -> Result<Chosen> {
    let mut told_by = vec![shown.evidence.clone()];
    match (shown.loader.files)(signs)? {
        Some(files) if shown.evidence.contains(&files) => {}
        Some(files) => told_by.push(files),
        None => {
            if let Some(other) = set_up(signs)?.iter().find(|it| it.loader.name != shown.loader.name)
                && shown.loader.name == grub2::LOADER.name
            {
                return Ok(unsupported(disagreement(shown, other)));
            }
        }
    }
    told(signs, shown.loader, told_by)
}

/// Takes the one loader that has files, where the running boot shows none.
fn by_files(signs: &Signs<'_>) -> Result<Chosen> {
    let all = set_up(signs)?;
    let mut possible = Vec::new();
    let mut contradicted = Vec::new();
    for candidate in all {
        match (candidate.loader.contradicted)(signs)? {
            None => possible.push(candidate),
            Some(against) => contradicted.push((candidate, against)),
        }
    }
    match (possible.as_slice(), contradicted.as_slice()) {
        ([one], _) => told(signs, one.loader, vec![one.evidence.clone()]),
        ([one, other, ..], _) => Ok(unsupported(disagreement(one, other))),
        // A loader of the EFI that nobody knows. Elsewhere kexec and virtual machines start kernels like this, and
        // petitboot, which reads the menu of GRUB.
        ([], [(candidate, against), ..]) if signs.firmware == Some(Firmware::Efi) => {
            Ok(unsupported(Unsupported {
                name: "unknown",
                what: format!(
                    "it is not {} that booted this host ({against}), although {}",
                    candidate.loader.name, candidate.evidence
                ),
                hint: "See `efibootmgr --verbose` for what the firmware starts, and set the kernel parameters there."
                    .to_owned(),
            }))
        }
        ([], [(candidate, _), ..]) => told(signs, candidate.loader, vec![candidate.evidence.clone()]),
        ([], []) => nothing_set_up(signs),
    }
}

/// Returns the loaders that have files.
fn set_up(signs: &Signs<'_>) -> Result<Vec<Candidate>> {
    let mut found = Vec::new();
    for loader in LOADERS {
        found.extend((loader.files)(signs)?.map(|evidence| Candidate { loader, evidence }));
    }
    Ok(found)
}

/// Left is what a package of GRUB brings along before a menu is made.
fn nothing_set_up(signs: &Signs<'_>) -> Result<Chosen> {
    if let Some(package) = grub2::package(signs)? {
        return told(signs, &grub2::LOADER, vec![package]);
    }
    if kernels::installed(signs.host)?.0.is_empty() {
        return Ok(unsupported(Unsupported {
            name: "none",
            what: "this host has no kernel and no boot loader of its own; it looks like a container"
                .to_owned(),
            hint: "Set kernel parameters on the machine that runs the kernel.".to_owned(),
        }));
    }
    Ok(unsupported(Unsupported {
        name: "unknown",
        what: "this host shows no boot loader that hoststate knows: neither grub.cfg nor /etc/default/grub".to_owned(),
        hint: "Mount /boot if it is a partition of its own; otherwise set the kernel parameters with the host's own \
               boot tool."
            .to_owned(),
    }))
}

fn told(signs: &Signs<'_>, loader: &Loader, told_by: Vec<String>) -> Result<Chosen> {
    Ok(Chosen { bootloader: (loader.mechanism)(signs, &told_by.join("; "))?, told_by })
}

fn unsupported(refused: Unsupported) -> Chosen {
    Chosen { bootloader: Box::new(refused), told_by: Vec::new() }
}

/// Two loaders that both may be the one: nothing is guessed.
fn disagreement(one: &Candidate, other: &Candidate) -> Unsupported {
    Unsupported {
        name: "unknown",
        what: format!(
            "which loader boots this host cannot be told: {} by {}, {} by {}",
            one.loader.name, one.evidence, other.loader.name, other.evidence
        ),
        hint: "Remove what is left of the loader that is not used, or set the kernel parameters with the tool of the \
               one that is; `efibootmgr --verbose` and `bootctl status` show it on EFI."
            .to_owned(),
    }
}
