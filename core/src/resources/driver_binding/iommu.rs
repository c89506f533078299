//! Why a device is in no IOMMU group, and whether a boot will put it into one.

use std::path::Path;

use hoststate_abi::pci_address::PciAddress;

use crate::error::Result;
use crate::formats::kernel_cmdline::Cmdline;
use crate::language::resource::Context;
use crate::machine::facts;
use crate::machine::iommu;
use crate::machine::module_switch::ModuleSwitch;

/// Why a device is in no group.
pub(super) enum NoGroup {
    /// The next boot turns the IOMMU on.
    UntilBoot,
    /// vfio works without one: it makes a group of its own when it takes the device.
    Unneeded,
    /// Nothing that is planned or done changes it; the text says what would.
    Forever(String),
}

/// What turns on the IOMMU of Intel CPUs; AMD's and Arm's are on unless told otherwise.
const INTEL: &str = "intel_iommu=on";

/// Finds out why a device is in no group.
///
/// A command line that turns the IOMMU on may be planned in the same run, or done and wait for a boot. Then the
/// binding waits for that boot too; it would be wrong to refuse the run that makes it possible.
pub(super) fn why_no_group(cx: Context<'_>, address: PciAddress) -> Result<NoGroup> {
    if facts::is_dom0(cx.host)? {
        return Ok(NoGroup::Forever(format!(
            "{address} is in no IOMMU group: this kernel runs under Xen, which keeps the IOMMU to itself. {}",
            iommu::DOM0.trim_end_matches('.')
        )));
    }
    if facts::iommu(cx.host)?.is_some_and(|it| it.active) {
        return Ok(NoGroup::Forever(format!(
            "{address} is in no IOMMU group although other devices are: the firmware (ACPI DMAR or IVRS) leaves it \
             out. Try another slot or a firmware update"
        )));
    }
    let future = cx.future()?;
    let without_iommu = ModuleSwitch::read(cx.host, &future, "vfio", "enable_unsafe_noiommu_mode")?;
    if without_iommu.is_on() {
        return Ok(NoGroup::Unneeded);
    }
    if without_iommu.when_loaded {
        return Ok(NoGroup::UntilBoot);
    }
    let running = cx.host.read_lossy(Path::new("/proc/cmdline"))?.unwrap_or_default();
    let running = Cmdline::parse(running.trim_end());
    if let Some(off) = iommu::turned_off_by(&running) {
        if iommu::turned_off_by(&future).is_none() {
            return Ok(NoGroup::UntilBoot);
        }
        let raw = off.raw();
        return Ok(NoGroup::Forever(format!(
            "the IOMMU is off: the kernel was booted with {raw}. Declare kernel_cmdline {{ absent = {{ \"{raw}\" }} }}"
        )));
    }
    let is_intel = facts::cpu_vendor(cx.host)?.as_deref() == Some("GenuineIntel");
    if is_intel && !iommu::turned_on(&running) {
        if iommu::turned_on(&future) {
            return Ok(NoGroup::UntilBoot);
        }
        if iommu::is_machine_without(cx.host)? {
            return Ok(NoGroup::Forever(
                "this virtual machine has no IOMMU, neither a DMAR nor an IVRS table, and vfio-pci needs one. Give the \
                 machine a virtual IOMMU, or let vfio work without: modprobe_options { module = \"vfio\", options = { \
                 enable_unsafe_noiommu_mode = 1 } }, where the device reaches all memory"
                    .to_owned(),
            ));
        }
        return Ok(NoGroup::Forever(format!(
            "the IOMMU is off, and vfio-pci needs it. Declare kernel_cmdline {{ present = {{ \"{INTEL}\" }} }}, \
             or iommu {{}}"
        )));
    }
    // With the parameter on the command line, what remains is beyond it.
    let why = iommu::why_off(cx.host, &running)?.map(|it| format!("{}. {}", it.reason, it.mend));
    let why = why.unwrap_or_else(|| "this tree does not show why".to_owned());
    Ok(NoGroup::Forever(format!("the IOMMU is off: {}", why.trim_end_matches('.'))))
}
