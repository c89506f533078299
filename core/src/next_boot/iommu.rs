//! Whether the IOMMU will be on at the next boot.

use std::path::Path;

use hoststate_abi::host_view::HostView;

use crate::error::Result;
use crate::formats::kernel_cmdline::Cmdline;
use crate::machine::iommu::INTEL;
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

/// Returns whether the IOMMU is on at a boot of `kernel` with these parameters.
///
/// # Errors
/// When `/proc`, `/sys` or the configuration of the kernel cannot be read.
pub fn of(host: &HostView, kernel: Option<&str>, parameters: &Cmdline) -> Result<Iommu> {
    if let Some(parameter) = iommu::turned_off_by(parameters) {
        return Ok(Iommu::Off(format!("the kernel command line: {}", parameter.raw())));
    }
    let is_intel = facts::cpu_vendor(host)?.as_deref() == Some("GenuineIntel");
    let turns_on = |parameters: &Cmdline| parameters.parameters().any(iommu::turns_intel_on);
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
    if is_on == Some(false) && was_asked && iommu::turned_off_by(&running).is_none() {
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
