//! The name of a PCI driver, as `/sys/bus/pci/drivers` spells it.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// No driver of Linux has a longer one; `driver_override` takes a page.
const LONGEST: usize = 64;

/// Names that drivers register, which must be known before their modules are loaded. Four are spelled with a dash
/// (drivers/vfio/pci/vfio_pci.c, drivers/pci/pci-stub.c, pci-pf-stub.c, drivers/virtio/virtio_pci_common.c); the variants of vfio-pci
/// have that of their module (`KBUILD_MODNAME`), which has underscores whatever the name of its file has.
const KNOWN: [&str; 11] = [
    "vfio-pci",
    "pci-stub",
    "pci-pf-stub",
    "virtio-pci",
    "hisi_acc_vfio_pci",
    "mlx5_vfio_pci",
    "nvgrace_gpu_vfio_pci",
    "pds_vfio_pci",
    "qat_vfio_pci",
    "virtio_vfio_pci",
    "xe_vfio_pci",
];

/// The name of a PCI driver.
///
/// Invariant: 1 to 64 of `A-Z a-z 0-9 _ . + -`, so it can stand in a udev rule and a shell command as it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct DriverName(String);

impl DriverName {
    /// Returns the name as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether `other` names the same driver, `-` and `_` taken for one.
    pub fn is_spelled(&self, other: &str) -> bool {
        fold(&self.0) == fold(other)
    }

    /// Returns the name as the kernel spells it: that of a registered driver, or of a known one, or as written.
    ///
    /// A module's name has underscores where its driver may have dashes, and `driver_override` compares exactly.
    pub fn spelled_by_kernel<'a>(&'a self, registered: &'a [String]) -> &'a str {
        let known = registered.iter().map(String::as_str).chain(KNOWN).find(|it| self.is_spelled(it));
        known.unwrap_or(&self.0)
    }

    /// Returns whether the driver gives devices to guests and does not work without an IOMMU group.
    pub fn needs_iommu_group(&self) -> bool {
        fold(&self.0).contains("vfio_pci")
    }
}

fn fold(name: &str) -> String {
    name.replace('-', "_")
}

impl fmt::Display for DriverName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for DriverName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let allowed = |it: u8| it.is_ascii_alphanumeric() || b"_.+-".contains(&it);
        if text.is_empty() || text.len() > LONGEST || !text.bytes().all(allowed) || text.starts_with('.') {
            return Err(format!("{text:?} is not the name of a driver, such as \"vfio-pci\""));
        }
        Ok(Self(text))
    }
}

impl From<DriverName> for String {
    fn from(name: DriverName) -> Self {
        name.0
    }
}

impl JsonSchema for DriverName {
    fn schema_name() -> Cow<'static, str> {
        "DriverName".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "examples": ["vfio-pci"], "pattern": "^[A-Za-z0-9_+-][A-Za-z0-9_.+-]{0,63}$" })
    }
}

/// Returns whether a driver keeps devices for guests or programs and does nothing for the host itself.
pub fn is_for_guests(driver: &str) -> bool {
    let folded = driver.replace('-', "_");
    folded.contains("vfio")
        || matches!(folded.as_str(), "pci_stub" | "pciback" | "uio_pci_generic" | "igb_uio")
}

/// Returns whether a device that is bound to a driver has no network interface on the host, whatever card it is.
pub fn takes_interface(driver: &str) -> bool {
    is_for_guests(driver) || matches!(fold(driver).as_str(), "pci_pf_stub" | "xen_pciback")
}

#[cfg(test)]
mod tests {
    use super::DriverName;

    #[test]
    fn a_driver_is_spelled_as_the_kernel_spells_it() {
        let registered = ["snd_hda_intel".to_owned(), "ne2k-pci".to_owned()];
        let spelled = |name: &str| {
            let name = DriverName::try_from(name.to_owned()).unwrap();
            name.spelled_by_kernel(&registered).to_owned()
        };
        assert_eq!(spelled("vfio_pci"), "vfio-pci");
        assert_eq!(spelled("nvgrace_gpu_vfio_pci"), "nvgrace_gpu_vfio_pci");
        assert_eq!(spelled("mlx5-vfio-pci"), "mlx5_vfio_pci");
        assert_eq!(spelled("snd-hda-intel"), "snd_hda_intel");
        assert_eq!(spelled("ne2k_pci"), "ne2k-pci");
        assert_eq!(spelled("uio_pci_generic"), "uio_pci_generic");
    }

    #[test]
    fn what_could_end_a_rule_or_a_command_is_no_driver_name() {
        for name in ["", "..", "a b", "a\"b", "$(x)", "a/b", "a\nb", &"x".repeat(65)] {
            assert!(DriverName::try_from(name.to_owned()).is_err(), "{name:?}");
        }
    }
}
