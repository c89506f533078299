//! `xen-dom0`: under Xen neither vfio-pci nor parameters of the IOMMU do in dom0 what they do without it.

use crate::error::Result;
use crate::formats::kernel_cmdline::{Cmdline, Parameter};
use crate::guards::boot_parameters;
use crate::machine::{facts, iommu};
use crate::plan::scene::{Hazard, Scene, Severity};

const NAME: &str = "xen-dom0";

/// Kernel parameters that want an IOMMU or vfio-pci; each `vfio…` counts as well.
const PARAMETERS: [&str; 4] = ["intel_iommu", "amd_iommu", "iommu", "iommu.passthrough"];

/// Finds what a plan wants of vfio-pci or the IOMMU, or waits for, on a host that runs as the dom0 of Xen.
///
/// # Errors
/// When the host cannot be read.
pub fn hazards(scene: Scene<'_>) -> Result<Vec<Hazard>> {
    if facts::proc_is_foreign(scene.before)? || !facts::is_dom0(scene.before)? {
        return Ok(Vec::new());
    }
    let mut evidence = Vec::new();
    for parameter in &boot_parameters::read(scene)?.added {
        if PARAMETERS.iter().any(|it| parameter.same_name(it)) || parameter.name().starts_with("vfio") {
            evidence.push(format!("the plan adds {parameter}"));
        }
    }
    for file in scene.changed_files()? {
        let before = scene.before.read_lossy(&file)?.unwrap_or_default();
        let after = scene.after.read_lossy(&file)?.unwrap_or_default();
        let is_new = |it: &&str| names_vfio(it) && !before.lines().any(|old| old == *it);
        evidence.extend(after.lines().find(is_new).map(|it| format!("{}: {}", file.display(), it.trim())));
    }
    for (path, value) in scene.attributes().filter(|it| names_vfio(it.1)) {
        evidence.push(format!("{} gets {value}", path.display()));
    }
    // What the plan brings about tells more than what it waits for.
    let is_told = !evidence.is_empty();
    let waiting = scene.changes.iter().filter(|it| it.waits_for_reboot() && !is_told);
    for it in waiting.filter_map(|it| it.desired.as_deref().map(|desired| (&it.about, desired))) {
        let wants =
            |word: &Parameter| PARAMETERS.iter().any(|it| word.same_name(it)) || names_vfio(word.raw());
        if Cmdline::parse(it.1).parameters().any(wants) {
            evidence.push(format!("{}: {} waits for a reboot", it.0, it.1));
        }
    }
    if evidence.is_empty() {
        return Ok(Vec::new());
    }
    evidence.push("/proc/xen/capabilities has control_d".to_owned());
    let message = format!(
        "this host is the dom0 of Xen, where vfio-pci takes no device and Xen keeps the IOMMU to itself. {}",
        iommu::DOM0.trim_end_matches('.')
    );
    Ok(vec![Hazard::new(NAME, Severity::Refuse, &["vfio"], message).shown_by(evidence)])
}

fn names_vfio(text: &str) -> bool {
    !text.trim_start().starts_with('#') && (text.contains("vfio-pci") || text.contains("vfio_pci"))
}
