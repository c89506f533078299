//! Facts about a host that a plan and a playbook may show.

use std::io;
use std::path::Path;

use hoststate_abi::host_view::HostView;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::machine::kernels;

/// Where the kernel shows the groups of devices that its IOMMU parts.
const GROUPS: &str = "/sys/kernel/iommu_groups";

/// The Linux that shows them first.
const GROUPS_SINCE: (u32, u32) = (3, 6);

/// Returns whether `/proc` and `/sys` tell about another system: the host is a tree, and the machine's own `/proc` is
/// mounted in it, as a chroot has it. There `self` is a link; in a captured tree it is a directory.
///
/// # Errors
/// When the link cannot be read.
pub fn proc_is_foreign(host: &HostView) -> Result<bool> {
    let is_tree = host.root() != Path::new("/");
    Ok(is_tree && host.link_target(Path::new("/proc/self"))?.is_some())
}

/// What started the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Firmware {
    /// A PC BIOS.
    Bios,
    /// UEFI.
    Efi,
}

/// Whether an IOMMU is in use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IommuSummary {
    /// Whether devices are in IOMMU groups: the only proof, whatever the command line says.
    pub active: bool,
    /// The number of groups.
    pub groups: usize,
    /// The units the kernel drives, e.g. `dmar0` (Intel) or `ivhd0` (AMD).
    pub units: Vec<String>,
}

/// Returns what started the host, by `/sys/firmware/efi`; `None` for a tree without `/sys/firmware`.
///
/// # Errors
/// When the directory cannot be searched.
pub fn firmware(host: &HostView) -> io::Result<Option<Firmware>> {
    if host.is_dir(Path::new("/sys/firmware/efi"))? {
        return Ok(Some(Firmware::Efi));
    }
    Ok(host.is_dir(Path::new("/sys/bus"))?.then_some(Firmware::Bios))
}

/// Returns whether an IOMMU is in use, by the groups of `/sys/kernel/iommu_groups`; `None` for a tree without
/// `/sys`, and where the running kernel shows no groups: Linux has them since 3.6 (kernel commit d72e31c93746).
///
/// # Errors
/// When the directory cannot be read.
pub fn iommu(host: &HostView) -> Result<Option<IommuSummary>> {
    if !host.is_dir(Path::new("/sys/bus"))? {
        return Ok(None);
    }
    let has_groups = kernels::running(host)?.is_none_or(|it| !kernels::is_older(&it, GROUPS_SINCE));
    if !has_groups && !host.is_dir(Path::new(GROUPS))? {
        return Ok(None);
    }
    let mut groups = host.list(Path::new(GROUPS))?;
    let units = host.list(Path::new("/sys/class/iommu"))?;
    if units.is_empty() {
        // vfio makes groups of its own for devices without an IOMMU (drivers/vfio/group.c, `noiommu`).
        let mut real = Vec::with_capacity(groups.len());
        for group in groups {
            let name = host.attribute(&Path::new(GROUPS).join(&group).join("name"))?;
            if name.as_deref() != Some("vfio-noiommu") {
                real.push(group);
            }
        }
        groups = real;
    }
    let groups = groups.len();
    Ok(Some(IommuSummary { active: groups > 0, groups, units }))
}

/// Who made the CPU, as `/proc/cpuinfo` names it: `GenuineIntel`, `AuthenticAMD`, `IBM/S390`, …; `ARM` and `POWER` for
/// those whose kernels tell it in other words. `None` without `/proc`.
///
/// # Errors
/// When `/proc/cpuinfo` exists and cannot be read.
pub fn cpu_vendor(host: &HostView) -> io::Result<Option<String>> {
    let text = host.read_lossy(Path::new("/proc/cpuinfo"))?;
    let fields = || text.iter().flat_map(|it| it.lines()).filter_map(|it| it.split_once(':'));
    let field = |name: &str| fields().find(|it| it.0.trim() == name).map(|it| it.1.trim().to_owned());
    if let Some(vendor) = field("vendor_id") {
        return Ok(Some(vendor));
    }
    let is_power = field("cpu").is_some_and(|it| it.starts_with("POWER"));
    Ok(match field("CPU implementer") {
        Some(_) => Some("ARM".to_owned()),
        None => is_power.then(|| "POWER".to_owned()),
    })
}

/// The variable of the firmware that says whether Secure Boot is on: four bytes of attributes, then 0 or 1.
pub const SECURE_BOOT: &str = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";

/// Returns whether Secure Boot is on; `None` where the firmware does not tell.
///
/// # Errors
/// When the variable exists and cannot be read.
pub fn secure_boot(host: &HostView) -> io::Result<Option<bool>> {
    let value = host.read_bytes(Path::new(SECURE_BOOT))?;
    Ok(value.and_then(|it| it.get(4).map(|it| *it == 1)))
}

/// Returns the hypervisor the host runs on, e.g. `KVM`, `Xen (dom0)`; `none` on bare metal, `None` where that cannot be
/// told.
///
/// # Errors
/// When a file exists and cannot be read.
pub fn hypervisor(host: &HostView) -> io::Result<Option<String>> {
    if is_dom0(host)? {
        return Ok(Some("Xen (dom0)".to_owned()));
    }
    if let Some(kind) = host.attribute(Path::new("/sys/hypervisor/type"))? {
        return Ok(Some(if kind == "xen" { "Xen".to_owned() } else { kind }));
    }
    let text = host.read_lossy(Path::new("/proc/cpuinfo"))?.unwrap_or_default();
    // A bit of CPUID that hypervisors set for their guests; other CPUs than those of x86 have no such line.
    let Some(flags) = text.lines().find(|it| it.starts_with("flags")) else { return Ok(None) };
    if !flags.split_whitespace().any(|it| it == "hypervisor") {
        return Ok(Some("none".to_owned()));
    }
    let vendor = host.attribute(Path::new("/sys/class/dmi/id/sys_vendor"))?.unwrap_or_default();
    let known = [
        ("QEMU", "KVM"),
        ("VMware", "VMware"),
        ("Microsoft", "Hyper-V"),
        ("innotek", "VirtualBox"),
        ("Amazon", "KVM (Amazon EC2)"),
        ("Google", "KVM (Google)"),
        ("Xen", "Xen"),
    ];
    let name = known.iter().find(|it| vendor.starts_with(it.0)).map_or("unknown", |it| it.1);
    Ok(Some(name.to_owned()))
}

/// Returns whether the host is the domain that rules a Xen, which keeps the IOMMU and the devices' interrupts to itself.
///
/// # Errors
/// When a file exists and cannot be read.
pub fn is_dom0(host: &HostView) -> io::Result<bool> {
    let capabilities = host.attribute(Path::new("/proc/xen/capabilities"))?;
    Ok(capabilities.is_some_and(|it| it.split_whitespace().any(|it| it == "control_d")))
}
