//! What a playbook says and most likely does not mean.

use crate::language::declaration::Origin;
use crate::language::registry::Declared;
use crate::plan::scene::{Hazard, Severity};

/// Something that is right and looks wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubt {
    /// Name of the warning.
    pub name: &'static str,
    /// What looks wrong.
    pub what: String,
    /// How to write what was most likely meant, as a sentence.
    pub hint: String,
    /// The line; absent where no line is to blame.
    pub origin: Option<Origin>,
}

impl Doubt {
    /// Returns it as a warning of a plan.
    pub fn hazard(&self) -> Hazard {
        let at = self.origin.as_ref().map(|it| format!("at {it}"));
        let message = format!("{}. {}", self.what, self.hint.trim_end_matches('.'));
        Hazard::new(self.name, Severity::Warn, &[&self.what], message).shown_by(at)
    }
}

/// Name of the warning about a playbook without declarations.
pub const NOTHING_DECLARED: &str = "nothing-declared";

/// Name of the warning about a kernel parameter that is near a known one.
pub const MISSPELT_PARAMETER: &str = "misspelt-parameter";

/// The kernel parameters that playbooks of this kind are about, and those that are so near to them that they would be
/// taken for a misspelt one (Documentation/admin-guide/kernel-parameters.txt).
const PARAMETERS: [&str; 38] = [
    "amd_iommu",
    "amd_iommu_dump",
    "amd_iommu_intr",
    "default_hugepagesz",
    "hugepages",
    "hugepagesz",
    "initcall_blacklist",
    "intel_iommu",
    "intremap",
    "iommu",
    "iommu.forcedac",
    "iommu.passthrough",
    "iommu.strict",
    "irqaffinity",
    "isolcpus",
    "kvm.ignore_msrs",
    "kvm.report_ignored_msrs",
    "kvm_amd.nested",
    "kvm_intel.nested",
    "mitigations",
    "modprobe.blacklist",
    "module_blacklist",
    "nohz_full",
    "nomodeset",
    "nouveau.modeset",
    "pcie_acs_override",
    "pcie_aspm",
    "pcie_port_pm",
    "pcie_ports",
    "rcu_nocbs",
    "rcu_nocb_poll",
    "rd.driver.blacklist",
    "rd.driver.post",
    "rd.driver.pre",
    "transparent_hugepage",
    "vfio_iommu_type1.allow_unsafe_interrupts",
    "vfio_pci.disable_vga",
    "vfio_pci.ids",
];

/// Finds what looks wrong in a playbook.
pub fn find(declared: &[Declared]) -> Vec<Doubt> {
    let mut found: Vec<Doubt> = declared.iter().flat_map(parameters).collect();
    if declared.is_empty() {
        found.push(Doubt {
            name: NOTHING_DECLARED,
            what: "the playbook declares nothing".to_owned(),
            hint: "A declaration calls a function, such as `kernel_cmdline { present = { \"iommu=pt\" } }`."
                .to_owned(),
            origin: None,
        });
    }
    found
}

fn parameters(declared: &Declared) -> impl Iterator<Item = Doubt> + '_ {
    declared.resource.parameters().into_iter().filter_map(|parameter| {
        let (what, meant) = misspelt(parameter.raw())?;
        Some(Doubt {
            name: MISSPELT_PARAMETER,
            what,
            hint: format!("Did you mean `{meant}`?"),
            origin: declared.declaration.playbook.clone(),
        })
    })
}

/// Returns what looks wrong about a kernel parameter, and what was most likely meant.
fn misspelt(parameter: &str) -> Option<(String, String)> {
    let plain = parameter.trim_start_matches('-');
    if plain != parameter && !plain.is_empty() {
        return Some((format!("the kernel parameter `{parameter}` begins with a dash"), plain.to_owned()));
    }
    let (name, rest) = parameter.split_at(parameter.find('=').unwrap_or(parameter.len()));
    let folded = name.replace('-', "_");
    if PARAMETERS.contains(&folded.as_str()) {
        return None;
    }
    let near = PARAMETERS.iter().find(|it| is_near(&folded, it))?;
    Some((format!("the kernel does not know a parameter `{name}`"), format!("{near}{rest}")))
}

/// Names that differ by more than these slips are other names; short ones are near to everything.
fn is_near(name: &str, known: &str) -> bool {
    let slips = match known.len() {
        0..8 => 1,
        _ => 2,
    };
    let is_as_long = name.len().abs_diff(known.len()) <= slips;
    known.len() >= 5 && is_as_long && strsim::damerau_levenshtein(name, known) <= slips
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::misspelt;

    #[test]
    fn a_parameter_near_a_known_one_is_doubted_and_others_are_not() {
        let parameters = [
            "intel_iomu=on",
            "--intel_iommu=on",
            "iommu.passtrough=1",
            "vfio-pci.id=10de:0ffc",
            "modules_blacklist=nouveau",
            "iomu=pt",
            "intel_iommu=on",
            "iommu.passthrough=1",
            "vfio-pci.ids=10de:0ffc",
            "rd.driver.post=nvidia",
            "intel_pstate=disable",
            "noapic",
            "root=/dev/sda1",
            "ro",
            "hugepages=4",
            "acme=1",
        ];
        let all: String = parameters.iter().map(|it| format!("{it}: {:?}\n", misspelt(it))).collect();
        expect![[r#"
            intel_iomu=on: Some(("the kernel does not know a parameter `intel_iomu`", "intel_iommu=on"))
            --intel_iommu=on: Some(("the kernel parameter `--intel_iommu=on` begins with a dash", "intel_iommu=on"))
            iommu.passtrough=1: Some(("the kernel does not know a parameter `iommu.passtrough`", "iommu.passthrough=1"))
            vfio-pci.id=10de:0ffc: Some(("the kernel does not know a parameter `vfio-pci.id`", "vfio_pci.ids=10de:0ffc"))
            modules_blacklist=nouveau: Some(("the kernel does not know a parameter `modules_blacklist`", "module_blacklist=nouveau"))
            iomu=pt: Some(("the kernel does not know a parameter `iomu`", "iommu=pt"))
            intel_iommu=on: None
            iommu.passthrough=1: None
            vfio-pci.ids=10de:0ffc: None
            rd.driver.post=nvidia: None
            intel_pstate=disable: None
            noapic: None
            root=/dev/sda1: None
            ro: None
            hugepages=4: None
            acme=1: None
        "#]].assert_eq(&all);
    }
}
