//! Whether the IOMMU is in use, judged by what the kernel shows, and why it is not.

use std::path::Path;

use hoststate_abi::host_view::HostView;

use crate::error::Result;
use crate::formats::kernel_cmdline::{Cmdline, Parameter};
use crate::machine::facts;
use crate::machine::kernels;

/// Where the kernel shows the tables of the firmware (Documentation/ABI/testing/sysfs-firmware-acpi).
pub(crate) const TABLES: &str = "/sys/firmware/acpi/tables";

/// What turns the IOMMU of Intel on and off; those of AMD and Arm are on unless told otherwise (drivers/iommu).
pub const INTEL: &str = "intel_iommu";

/// How devices are given to virtual machines under Xen (wiki.xenproject.org, Xen PCI Passthrough).
pub const DOM0: &str = "Give the device to Xen's virtual machines: `xen-pciback.hide=(0000:01:00.0)` for dom0 in \
                        GRUB_CMDLINE_LINUX_XEN_REPLACE_DEFAULT, and `iommu=` of Xen in GRUB_CMDLINE_XEN of \
                        /etc/default/grub; or boot without Xen.";

/// Tables that describe an IOMMU: of Intel, AMD, Arm, and of virtual machines.
const DESCRIBING: [&str; 4] = ["DMAR", "IVRS", "IORT", "VIOT"];

/// Why the IOMMU is off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Off {
    /// The reason: a clause without a full stop.
    pub reason: String,
    /// What to do about it: a sentence.
    pub mend: String,
    /// What a person can look at.
    pub evidence: String,
}

/// Returns why the running kernel uses no IOMMU; `None` where it uses one, and where that cannot be told: for a tree
/// without `/sys`, and for a kernel that shows no groups.
///
/// Neither a parameter nor a message of the kernel proves anything: `DMAR: IOMMU enabled` is printed while the
/// parameter is read, before the kernel looks for an IOMMU.
///
/// # Errors
/// When `/sys`, `/proc` or a kernel's configuration cannot be read.
pub fn why_off(host: &HostView, running: &Cmdline) -> Result<Option<Off>> {
    if facts::iommu(host)?.is_none_or(|it| it.active) {
        return Ok(None);
    }
    if facts::is_dom0(host)? {
        return Ok(Some(Off {
            reason: "this kernel runs under Xen, which keeps the IOMMU to itself".to_owned(),
            mend: DOM0.to_owned(),
            evidence: "/proc/xen/capabilities has control_d".to_owned(),
        }));
    }
    if let Some(off) = no_table(host)? {
        return Ok(Some(off));
    }
    let (reason, mend, evidence) = if let Some(parameter) = turned_off_by(running) {
        (
            format!("the kernel was booted with {parameter}"),
            format!("Remove {parameter} from the kernel command line."),
            format!("/proc/cmdline has {parameter}"),
        )
    } else if let Some(found) = by_processor(host, running)? {
        found
    } else {
        (
            "the command line allows it, and nothing that can be read says why".to_owned(),
            "Turn on VT-d (Intel) or AMD-Vi, also called IOMMU, in the firmware's setup; `dmesg | grep -e \
             DMAR -e AMD-Vi` has what the kernel says."
                .to_owned(),
            "/sys/kernel/iommu_groups is empty".to_owned(),
        )
    };
    Ok(Some(Off { reason, mend, evidence }))
}

/// Returns why no parameter can turn the IOMMU on: none is in use, and the firmware describes none.
///
/// # Errors
/// When `/sys` cannot be read.
pub fn why_never(host: &HostView) -> Result<Option<Off>> {
    match facts::iommu(host)? {
        Some(iommu) if !iommu.active => no_table(host),
        _ => Ok(None),
    }
}

/// Returns whether the host is a virtual machine that shows no table of an IOMMU: no parameter turns one on there.
///
/// # Errors
/// When `/sys` or `/proc` cannot be read.
pub fn is_machine_without(host: &HostView) -> Result<bool> {
    let is_machine = facts::hypervisor(host)?.is_some_and(|it| it != "none" && !it.starts_with("Xen (dom0"));
    let tables = host.list(Path::new(TABLES))?;
    Ok(is_machine && !tables.iter().any(|it| DESCRIBING.contains(&it.as_str())))
}

/// Returns `None` where a table describes an IOMMU, or tables are not shown.
fn no_table(host: &HostView) -> Result<Option<Off>> {
    if facts::cpu_vendor(host)?.as_deref() == Some("ARM") {
        return Ok(Some(Off {
            reason: "the firmware describes no SMMU for this device's root complex, and on Arm that is the IOMMU"
                .to_owned(),
            mend: "Where the machine has one, a firmware or device tree that describes it turns it on; without one \
                   VFIO works in its unsafe no-IOMMU mode only (vfio.enable_unsafe_noiommu_mode=1)."
                .to_owned(),
            evidence: "/sys/kernel/iommu_groups is empty".to_owned(),
        }));
    }
    let tables = host.list(Path::new(TABLES))?;
    if tables.is_empty() || tables.iter().any(|it| DESCRIBING.contains(&it.as_str())) {
        return Ok(None);
    }
    Ok(Some(Off {
        reason: "the firmware describes no IOMMU, it has neither a DMAR (Intel) nor an IVRS (AMD) table"
            .to_owned(),
        mend:
            "Turn on VT-d (Intel) or AMD-Vi, also called IOMMU, in the firmware's setup; a virtual machine \
             needs an emulated IOMMU."
                .to_owned(),
        evidence: format!("{TABLES} has none of {}", DESCRIBING.join(", ")),
    }))
}

/// Returns whether a parameter turns the IOMMU off.
pub fn turns_off(parameter: &Parameter) -> bool {
    let value = parameter.value().unwrap_or_default();
    let is_off = value.split(',').any(|it| it == "off");
    is_off && [INTEL, "amd_iommu", "iommu"].iter().any(|it| parameter.same_name(it))
}

/// Returns the parameter by which a command line leaves the IOMMU off. All `intel_iommu=` set one variable, so the last
/// of them counts (drivers/iommu/intel/iommu.c, `intel_iommu_setup`); nothing undoes the others.
pub fn turned_off_by(line: &Cmdline) -> Option<&Parameter> {
    let parameters: Vec<&Parameter> = line.parameters().collect();
    let is_undone = |at: usize| {
        parameters[at].same_name(INTEL) && parameters[at + 1..].iter().any(|it| turns_intel_on(it))
    };
    (0..parameters.len()).find(|at| turns_off(parameters[*at]) && !is_undone(*at)).map(|at| parameters[at])
}

/// Returns whether a parameter turns the IOMMU of Intel on. The kernel compares the beginning of each item.
pub fn turns_intel_on(parameter: &Parameter) -> bool {
    let mut items = parameter.value().into_iter().flat_map(|it| it.split(','));
    parameter.same_name(INTEL) && items.any(|it| it.starts_with("on"))
}

/// Returns whether a command line turns the IOMMU of Intel on, and nothing on it leaves it off.
pub fn turned_on(line: &Cmdline) -> bool {
    turned_off_by(line).is_none() && line.parameters().any(turns_intel_on)
}

/// What the kernel of this processor's vendor needs and lacks: reason, remedy, evidence.
fn by_processor(host: &HostView, running: &Cmdline) -> Result<Option<(String, String, String)>> {
    let vendor = facts::cpu_vendor(host)?;
    let release = kernels::running(host)?;
    // Renamed by kernel commit d3f138106b4b.
    let is_dmar = release.as_ref().is_some_and(|it| kernels::is_older(it, (3, 2)));
    let (option, by_itself, is_intel) = match vendor.as_deref() {
        Some("GenuineIntel") if is_dmar => ("CONFIG_DMAR", "CONFIG_DMAR_DEFAULT_ON", true),
        Some("GenuineIntel") => ("CONFIG_INTEL_IOMMU", "CONFIG_INTEL_IOMMU_DEFAULT_ON", true),
        Some("AuthenticAMD" | "HygonGenuine") => ("CONFIG_AMD_IOMMU", "CONFIG_AMD_IOMMU", false),
        _ => return Ok(None),
    };
    let config = match release {
        Some(release) => kernels::config(host, &release)?,
        None => None,
    };
    let has = |option: &str| config.as_ref().map(|it| it.1.lines().any(|line| line == format!("{option}=y")));
    let path = config.as_ref().map(|it| it.0.display().to_string()).unwrap_or_default();
    if has(option) == Some(false) {
        return Ok(Some((
            format!("the running kernel was built without {option}"),
            "Boot a kernel of the distribution that has it.".to_owned(),
            format!("{path} has no {option}=y"),
        )));
    }
    let is_on = running.parameters().any(turns_intel_on);
    if is_intel && !is_on && has(by_itself) != Some(true) {
        let given = running.parameters().filter(|it| it.same_name(INTEL));
        let given = given.map(Parameter::raw).collect::<Vec<_>>().join(" ");
        let reason = match given.is_empty() {
            true => "the kernel was booted without intel_iommu=on".to_owned(),
            false => format!("{given} does not turn it on"),
        };
        let mend = "Declare kernel_cmdline { present = { \"intel_iommu=on\" } }, and boot.".to_owned();
        return Ok(Some((reason, mend, "/proc/cmdline has no intel_iommu=on".to_owned())));
    }
    Ok(None)
}

/// Returns whether a kernel turns the IOMMU of Intel CPUs on without being told; `None` where its configuration is not
/// there.
///
/// # Errors
/// When the configuration cannot be read.
pub fn is_on_by_default(host: &HostView, release: &str) -> Result<Option<bool>> {
    kernels::has_option(host, release, "CONFIG_INTEL_IOMMU_DEFAULT_ON")
}

#[cfg(test)]
mod tests {
    use super::turned_off_by;
    use crate::formats::kernel_cmdline::{Cmdline, Parameter};

    #[test]
    fn the_last_of_intel_counts_and_nothing_undoes_another_switch() {
        let by = |line: &str| turned_off_by(&Cmdline::parse(line)).map(Parameter::to_string);
        assert_eq!(by("quiet intel_iommu=off intel_iommu=on,sm_on"), None);
        assert_eq!(by("intel_iommu=on intel_iommu=off").as_deref(), Some("intel_iommu=off"));
        assert_eq!(by("iommu=off intel_iommu=on").as_deref(), Some("iommu=off"));
        assert_eq!(by("amd_iommu=off intel_iommu=on").as_deref(), Some("amd_iommu=off"));
    }
}
