//! `measured-boot`: a changed command line keeps a disk locked, or is not taken by a locked-down host.

use std::io;
use std::path::Path;

use hoststate_abi::host_view::HostView;

use crate::error::Result;
use crate::formats::kernel_cmdline::Parameter;
use crate::guards::boot_parameters;
use crate::machine::facts::{self, SECURE_BOOT};
use crate::plan::scene::{Hazard, Scene, Severity};

const NAME: &str = "measured-boot";

/// Where unified kernel images lie below the mount points of the ESP; their command line is signed with them.
const IMAGES: [&str; 3] = ["/boot/efi/EFI/Linux", "/efi/EFI/Linux", "/boot/EFI/Linux"];

/// Parameters that a locked-down kernel refuses: they let programs change its memory (security/lockdown).
const LOCKED: [&str; 4] = ["iomem", "acpi_rsdp", "acpi.custom_method", "module.sig_enforce"];

/// Finds disks that are sealed to the command line, and parameters that lockdown or Secure Boot take the effect of.
///
/// # Errors
/// When the host cannot be read.
pub fn hazards(scene: Scene<'_>) -> Result<Vec<Hazard>> {
    let parameters = boot_parameters::read(scene)?;
    if !parameters.differ() {
        return Ok(Vec::new());
    }
    let host = scene.after;
    let mut hazards = Vec::new();
    if let Some(evidence) = sealed_disk(host)? {
        let message = "the TPM measures the kernel command line: a disk that is sealed to it will ask for its \
                       passphrase at the next boot. Have that at hand, and seal it again afterwards";
        hazards
            .push(Hazard::new(NAME, Severity::Warn, &["sealed", &evidence[0]], message).shown_by(evidence));
    }
    let lockdown = lockdown(host)?;
    let secure_boot = secure_boot(host)?;
    for parameter in &parameters.added {
        let is_refused =
            |it: &Parameter| LOCKED.iter().any(|name| it.same_name(name)) || it.name() == "pcie_acs_override";
        if let (Some(evidence), true) = (lockdown.as_ref().or(secure_boot.as_ref()), is_refused(parameter)) {
            let message = format!("{parameter} needs a kernel that is not locked down and may be unsigned");
            let hazard = Hazard::new(NAME, Severity::Warn, &["locked", parameter.raw()], message);
            hazards.push(hazard.shown_by([evidence.clone()]));
        }
    }
    if let (Some(evidence), Some(image)) = (secure_boot, unified_image(host)?) {
        let message = format!("{image} is signed with its command line, and Secure Boot allows no other");
        let hazard = Hazard::new(NAME, Severity::Warn, &["image", &image], message);
        hazards.push(hazard.shown_by([evidence, format!("{image} is there")]));
    }
    Ok(hazards)
}

/// Returns what shows that a disk is unlocked by the TPM.
fn sealed_disk(host: &HostView) -> io::Result<Option<Vec<String>>> {
    let table = host.read_lossy(Path::new("/etc/crypttab"))?.unwrap_or_default();
    let mut disks = table
        .lines()
        .enumerate()
        .filter(|(_, it)| !it.trim_start().starts_with('#') && !it.trim().is_empty());
    let at = |index: usize, line: &str| format!("/etc/crypttab:{}: {}", index + 1, line.trim());
    if let Some((index, line)) = disks.clone().find(|(_, it)| it.contains("tpm2-device=")) {
        return Ok(Some(vec![at(index, line)]));
    }
    // clevis keeps its tokens on the disk; that its hook is installed beside an encrypted disk has to do.
    let Some((index, line)) = disks.next() else { return Ok(None) };
    if !host.exists(Path::new("/sys/class/tpm/tpm0"))? {
        return Ok(None);
    }
    for hook in ["/usr/bin/clevis-decrypt-tpm2", "/bin/clevis-decrypt-tpm2"] {
        if host.exists(Path::new(hook))? {
            return Ok(Some(vec![at(index, line), format!("{hook} is installed, and the host has a TPM")]));
        }
    }
    Ok(None)
}

fn lockdown(host: &HostView) -> io::Result<Option<String>> {
    let path = Path::new("/sys/kernel/security/lockdown");
    // The mode in force is in brackets: `none [integrity] confidentiality`.
    let modes = host.attribute(path)?.filter(|it| it.contains('[') && !it.contains("[none]"));
    Ok(modes.map(|it| format!("{} is {it}", path.display())))
}

fn secure_boot(host: &HostView) -> io::Result<Option<String>> {
    let is_on = facts::secure_boot(host)?.unwrap_or(false);
    Ok(is_on.then(|| format!("{SECURE_BOOT} is 1")))
}

fn unified_image(host: &HostView) -> io::Result<Option<String>> {
    for directory in IMAGES {
        if let Some(name) = host.list(Path::new(directory))?.into_iter().find(|it| it.ends_with(".efi")) {
            return Ok(Some(format!("{directory}/{name}")));
        }
    }
    Ok(None)
}
