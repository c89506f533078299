//! The facts a playbook may see, as a trait: what `host` and the composites ask for.

use hoststate_core::error::{Error, Result};
use hoststate_core::language::selector::DeviceSelector;
use hoststate_core::language::selector::decode::meant;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Facts about a host. Each is asked for when a playbook first touches it, and not again.
pub trait Facts {
    /// Returns whether there is a host; `hoststate check` has none, and then every fact is absent.
    fn available(&self) -> bool {
        true
    }

    /// Returns the distribution; `None` when it cannot be told.
    ///
    /// # Errors
    /// When a file of the host cannot be read.
    fn distro(&self) -> Result<Option<DistroFacts>>;

    /// Returns the release of the running kernel; `None` for a tree without `/proc`.
    ///
    /// # Errors
    /// When a file of the host cannot be read.
    fn kernel_release(&self) -> Result<Option<String>>;

    /// Returns who made the CPU, in the kernel's words: `GenuineIntel`, `AuthenticAMD`; `None` without
    /// `/proc/cpuinfo`.
    ///
    /// # Errors
    /// When a file of the host cannot be read.
    fn cpu_vendor(&self) -> Result<Option<String>>;

    /// Returns the PCI devices, sorted by address; none for a tree without `/sys`.
    ///
    /// # Errors
    /// When a file of the host cannot be read.
    fn devices(&self) -> Result<Vec<Device>>;

    /// Returns the modules that `alias` lines of modprobe.d name for the device at `address`, then those that match it and
    /// exist for the running kernel, in the order of depmod's index, with underscores.
    ///
    /// # Errors
    /// When a file of the host cannot be read.
    fn modules(&self, address: &str) -> Result<Vec<String>>;

    /// Returns the addresses of the devices a selector matches, sorted. Its keys are those of `device = { … }`.
    ///
    /// # Errors
    /// When the selector has an unknown key or a wrong value.
    fn find(&self, selector: &Map<String, Value>) -> Result<Vec<String>>;

    /// Returns the addresses of those that will be in the group of the device at `address`, itself included; `None` while
    /// there are groups, and where they cannot be foretold.
    ///
    /// # Errors
    /// When a file of the host cannot be read.
    fn foretold_group(&self, _address: &str) -> Result<Option<Vec<String>>> {
        Ok(None)
    }

    /// Returns why the group that the device at `address` will be in cannot be foretold: a clause; `None` where it can, and
    /// for devices of no host.
    ///
    /// # Errors
    /// When a file of the host cannot be read.
    fn why_not_foretold(&self, _address: &str) -> Result<Option<String>> {
        Ok(None)
    }

    /// Returns why a selector matches no device, with those that come near; `None` where that is not known.
    fn nothing_found(&self, _selector: &Map<String, Value>) -> Option<String> {
        None
    }
}

/// Reads a selector.
///
/// # Errors
/// When it has an unknown key or a wrong value.
pub(crate) fn selector(fields: &Map<String, Value>) -> Result<DeviceSelector> {
    let fields = Value::Object(fields.clone());
    DeviceSelector::deserialize(&fields).map_err(|err| {
        let hint = match meant(&fields) {
            Some(meant) => format!("Did you mean {meant}?"),
            None => "A selector has the fields of `device`.".to_owned(),
        };
        Error::invalid(format!("host.pci:find: {err}"), hint)
    })
}

/// Returns the schema of a device.
pub(crate) fn device_schema() -> Value {
    schemars::schema_for!(Device).to_value()
}

/// A distribution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DistroFacts {
    /// `ID` of os-release.
    pub id: String,
    /// `VERSION_ID` of os-release; empty where a release has none.
    pub version: String,
    /// `debian` or `redhat`.
    pub family: String,
}

/// A PCI device of the host. Read-only; as a value of a field it is its address.
// The table of a playbook, the editor's definitions and the manual are made of this struct.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Device {
    /// Address, `DDDD:BB:DD.F`.
    pub address: String,
    /// Vendor id, four hexadecimal digits.
    pub vendor: String,
    /// Device id, four hexadecimal digits.
    pub device: String,
    /// Vendor id of the card's maker, four hexadecimal digits.
    pub subsystem_vendor: String,
    /// Device id by the card's maker, four hexadecimal digits.
    pub subsystem_device: String,
    /// Class, six hexadecimal digits: `030000` is a VGA controller.
    pub class: String,
    /// Name of the class, e.g. `display`.
    pub class_name: String,
    /// The driver it is bound to; absent when there is none.
    pub driver: Option<String>,
    /// Modules of the running kernel that match it.
    // Looked for when a playbook asks: [`Facts::modules`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub modules: Vec<String>,
    /// Number of its IOMMU group; absent while no IOMMU is in use.
    pub iommu_group: Option<u32>,
    /// Addresses of the devices that will be in its IOMMU group, itself included; absent while there are groups, and
    /// where they cannot be foretold.
    // Looked for when a playbook asks: [`Facts::foretold_group`].
    pub foretold_group: Option<Vec<String>>,
    /// Whether the firmware used it as the display; absent for devices that are no display.
    pub boot_vga: Option<bool>,
    /// Virtual functions it can have; absent for devices that can have none.
    pub sriov_totalvfs: Option<u32>,
    /// Virtual functions it has; absent for devices that can have none.
    pub sriov_numvfs: Option<u32>,
    /// Distance of the first virtual function's routing id from its own.
    pub sriov_offset: Option<u32>,
    /// Distance of one virtual function's routing id from the next.
    pub sriov_stride: Option<u32>,
    /// Its first network interface.
    pub interface: Option<String>,
    /// Its network interfaces, sorted.
    pub interfaces: Vec<String>,
    /// Hardware address of the first network interface.
    pub mac: Option<String>,
    /// For a virtual function: the address of its physical function.
    pub physfn: Option<String>,
    /// For a physical function: the addresses of its virtual functions, by their number.
    pub virtfns: Vec<String>,
}

/// No host at all: what `hoststate check` evaluates a playbook with.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoHost;

impl Facts for NoHost {
    fn available(&self) -> bool {
        false
    }

    fn distro(&self) -> Result<Option<DistroFacts>> {
        Ok(None)
    }

    fn kernel_release(&self) -> Result<Option<String>> {
        Ok(None)
    }

    fn cpu_vendor(&self) -> Result<Option<String>> {
        Ok(None)
    }

    fn devices(&self) -> Result<Vec<Device>> {
        Ok(Vec::new())
    }

    fn modules(&self, _address: &str) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    fn find(&self, fields: &Map<String, Value>) -> Result<Vec<String>> {
        selector(fields).map(|_| Vec::new())
    }
}
