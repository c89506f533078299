//! What host it is, in one line: distribution, kernel, loader and how it was told, generator, firmware, hypervisor.

use hoststate_abi::host_view::HostView;
use hoststate_core::error::Error as EngineError;
use hoststate_core::machine::facts::{self, Firmware};
use hoststate_core::mechanism::distro::Distro;
use hoststate_core::mechanism::host_summary::HostSummary;
use schemars::JsonSchema;
use serde::Serialize;

use crate::error::Result;
use crate::render::escape::visible_line;
use crate::render::plan::or_none;

/// The host.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Host {
    #[serde(flatten)]
    summary: HostSummary,
    /// What shows that the boot loader is this one: of the running boot, and of its files.
    bootloader_told_by: Vec<String>,
    /// Whether Secure Boot is on; null where the firmware does not tell.
    secure_boot: Option<bool>,
    /// What the host runs on, e.g. `KVM`, `Xen (dom0)`; `none` on bare metal, null where that cannot be told.
    hypervisor: Option<String>,
}

/// Reads it.
///
/// # Errors
/// When a file of `/proc` or `/sys` exists and cannot be read.
pub(crate) fn read(view: &HostView, distro: &Distro) -> Result<Host> {
    Ok(Host {
        summary: HostSummary::read(view, distro)?,
        bootloader_told_by: distro.told_by.clone(),
        secure_boot: facts::secure_boot(view).map_err(EngineError::from)?,
        hypervisor: facts::hypervisor(view).map_err(EngineError::from)?,
    })
}

/// Returns the line.
pub(crate) fn text(host: &Host) -> String {
    let HostSummary { distro, kernel, bootloader, initramfs, firmware, .. } = &host.summary;
    let mut parts = vec![format!("{} {}", distro.id, distro.version).trim_end().to_owned()];
    parts.extend(kernel.release.as_ref().map(|it| format!("Linux {it}")));
    let told_by = host.bootloader_told_by.join("; ");
    let loader = or_none(bootloader, "no boot loader");
    parts.push(match told_by.is_empty() {
        true => loader.to_owned(),
        false => format!("{loader} ({told_by})"),
    });
    parts.push(or_none(initramfs, "no initramfs generator").to_owned());
    parts.extend(firmware.map(|it| match it {
        Firmware::Efi => "EFI".to_owned(),
        Firmware::Bios => "no EFI".to_owned(),
    }));
    parts.extend(host.secure_boot.map(|it| format!("Secure Boot {}", if it { "on" } else { "off" })));
    parts.extend(host.hypervisor.as_ref().map(|it| match it.as_str() {
        "none" => "no hypervisor".to_owned(),
        name => format!("hypervisor {name}"),
    }));
    format!("{}\n", visible_line(&parts.join(", ")))
}
