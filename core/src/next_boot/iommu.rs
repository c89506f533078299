//! Whether the IOMMU will be on at the next boot.

use std::path::Path;

use hoststate_abi::host_view::HostView;

use crate::error::Result;
use crate::formats::kernel_cmdline::Cmdline;
use crate::machine::{facts, iommu};

/// Whether devices will be in groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Iommu {
    /// They will.
    On,
    /// They will not, and why.
    Off(String),
    /// It cannot be told, and why.
    Unknown(String),
}

/// What turns it on for Intel; AMD's and Arm's are on unless told otherwise (drivers/iommu).
const INTEL: &str = "intel_iommu";

/// Returns whether the IOMMU is on at a boot of `kernel` with these parameters.
///
/// # Errors
/// When `/proc`, `/sys` or the configuration of the kernel cannot be read.
pub fn of(host: &HostView, kernel: Option<&str>, parameters: &Cmdline) -> Result<Iommu> {
    let turned_on_again = |at: usize| {
        // Each sets the same variable, so the last one counts (intel_iommu_setup in drivers/iommu/intel/iommu.c).
        let mut later = parameters.parameters().skip(at + 1).filter(|it| it.same_name(INTEL));
        later.any(|it| it.value().is_some_and(|it| it.split(',').any(|it| it == "on")))
    };
    let mut off = parameters.parameters().enumerate().filter(|(_, it)| iommu::turns_off(it));
    if let Some((_, parameter)) = off.find(|(at, it)| !it.same_name(INTEL) || !turned_on_again(*at)) {
        return Ok(Iommu::Off(format!("the kernel command line: {}", parameter.raw())));
    }
    let is_intel = facts::cpu_vendor(host)?.as_deref() == Some("GenuineIntel");
    let turns_on = |parameters: &Cmdline| {
        let mut named = parameters.parameters().filter(|it| it.same_name(INTEL));
        named.any(|it| it.value().is_some_and(|it| it.split(',').any(|it| it == "on")))
    };
    let running = host.read_lossy(Path::new("/proc/cmdline"))?.unwrap_or_default();
    let running = Cmdline::parse(running.trim_end());
    let by_default = match kernel {
        Some(release) => iommu::is_on_by_default(host, release)?,
        None => None,
    };
    let is_on = facts::iommu(host)?.map(|it| it.active);
    if is_on == Some(true) {
        let was_asked = turns_on(&running);
        return Ok(match (is_intel && was_asked && !turns_on(parameters), by_default) {
            (false, _) | (true, Some(true)) => Iommu::On,
            (true, Some(false)) => Iommu::Off(format!("the next boot has no {INTEL}=on")),
            (true, None) => Iommu::Unknown(format!(
                "the next boot has no {INTEL}=on, and its kernel's configuration cannot be read"
            )),
        });
    }
    if let Some(off) = iommu::why_never(host)? {
        return Ok(Iommu::Off(off.reason));
    }
    if is_intel && !turns_on(parameters) {
        return Ok(match by_default {
            Some(true) => Iommu::On,
            _ => Iommu::Off(format!("the next boot has no {INTEL}=on")),
        });
    }
    // It is off although the running kernel was asked for it as the next one is.
    let was_asked = turns_on(&running) || !is_intel;
    if is_on == Some(false) && was_asked && !running.parameters().any(iommu::turns_off) {
        return Ok(match iommu::why_off(host, &running)? {
            Some(off) => Iommu::Off(off.reason),
            None => Iommu::On,
        });
    }
    Ok(Iommu::On)
}

#[cfg(test)]
mod tests {
    use hoststate_testkit::tree::Tree;

    use super::*;

    #[test]
    fn the_last_of_intel_iommu_counts() {
        let tree = Tree::new(&[("/proc/cpuinfo", "vendor_id\t: GenuineIntel\n")]);
        let on = |words: &str| of(&tree.view(), None, &Cmdline::parse(words)).unwrap() == Iommu::On;
        assert!(on("intel_iommu=off intel_iommu=on"));
        assert!(!on("intel_iommu=on intel_iommu=off"));
        assert!(!on("iommu=off intel_iommu=on"), "another switch stays");
    }
}
