//! The composites that hoststate ships: their fields, and the Lua they are made of.

use hoststate_core::formats::modprobe_conf::ModuleName;
use hoststate_core::language::fields::Fields;
use hoststate_core::language::selector::DeviceSelector;
use hoststate_core::machine::pci_bus::DriverName;
use hoststate_core::resources::modprobe_file::ConfFile;
use schemars::JsonSchema;
use serde::Deserialize;

/// A composite: a function of playbooks and a type of JSON declarations that is made of others.
#[derive(Debug)]
pub struct Composite {
    /// Name in playbooks.
    pub name: &'static str,
    /// What it takes.
    pub fields: Fields,
    /// A Lua chunk that returns its function.
    pub(crate) text: &'static str,
}

/// All of them.
pub const COMPOSITES: [Composite; 3] = [
    Composite {
        name: "gpu_passthrough",
        fields: Fields::of::<GpuPassthrough>(),
        text: include_str!("../prelude/gpu_passthrough.lua"),
    },
    Composite { name: "iommu", fields: Fields::of::<Iommu>(), text: include_str!("../prelude/iommu.lua") },
    Composite {
        name: "sriov_nic",
        fields: Fields::of::<SriovNic>(),
        text: include_str!("../prelude/sriov_nic.lua"),
    },
];

/// Returns the composite of that name.
pub fn composite(name: &str) -> Option<&'static Composite> {
    COMPOSITES.iter().find(|it| it.name == name)
}

/// Gives a graphics card, with everything that goes with it, to vfio-pci.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "the Lua reads the fields, these are what it may be given")]
struct GpuPassthrough {
    /// The graphics card: an address such as `0000:01:00.0`, or a description of exactly one device.
    device: DeviceSelector,
    /// Modules that vfio-pci must come before; by default those that match the devices.
    drivers: Option<Vec<ModuleName>>,
    /// Whether the other members of its IOMMU group go along. Default: true.
    whole_group: Option<bool>,
    /// File in `/etc/modprobe.d`; default `01-vfio-pci.conf`.
    file: Option<ConfFile>,
}

/// Switches the IOMMU on, by the kernel parameters of this CPU.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "the Lua reads the fields, these are what it may be given")]
struct Iommu {
    /// `true`: devices of the host bypass it; `false`: they do not; absent: as it is.
    passthrough: Option<bool>,
    /// The CPU's vendor, for a tree without /proc: `GenuineIntel` or `AuthenticAMD`.
    #[schemars(extend("examples" = ["GenuineIntel"]))]
    vendor: Option<String>,
}

/// Gives a network card virtual functions, and gives them a driver.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "the Lua reads the fields, these are what it may be given")]
struct SriovNic {
    /// The physical function: an address such as `0000:3b:00.0`, or a description of exactly one device.
    device: DeviceSelector,
    /// Number of virtual functions. At most the device's `sriov_totalvfs`.
    #[schemars(extend("examples" = [4]))]
    numvfs: u16,
    /// The driver of the virtual functions; by default the host's own.
    driver: Option<DriverName>,
}
