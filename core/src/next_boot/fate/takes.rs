//! Whether a driver takes a function: by its ids or the ones it is given, by an override, and if the boot lets it.

use super::inserts::Insert;
use super::play::{Function, Player};
use crate::formats::modprobe_conf::ModuleName;
use crate::formats::pci::parse_id_list;
use crate::machine::pci_bus::{DriverName, denylist};
use crate::next_boot::iommu::Iommu;

/// Modules that take what their parameter `ids` names, and nothing else (drivers/vfio/pci, drivers/pci/pci-stub.c).
pub(super) const BY_ID: [&str; 2] = ["vfio_pci", "pci_stub"];

/// Modules that register no driver when the kernel was given `nomodeset`, for they ask before
/// (drivers/gpu/drm, `drm_module_pci_driver_if_modeset` and `drm_firmware_drivers_only`).
const MODESETTING: [&str; 18] = [
    "nouveau",
    "i915",
    "xe",
    "amdgpu",
    "radeon",
    "ast",
    "mgag200",
    "qxl",
    "bochs",
    "bochs_drm",
    "cirrus",
    "cirrus_qemu",
    "vmwgfx",
    "vboxvideo",
    "virtio_gpu",
    "hibmc_drm",
    "gma500_gfx",
    "loongson",
];

/// Whether a driver takes a function.
pub(super) enum Takes {
    Yes(Vec<String>),
    No(Option<String>),
    Unknown(String),
}

impl Player<'_> {
    /// Returns whether a driver takes a function.
    pub(super) fn takes(&self, insert: &Insert, function: &Function<'_>) -> Takes {
        if !self.concerns(&insert.module, function) {
            return Takes::No(None);
        }
        let device = function.device;
        let module = insert.module.as_str();
        let driver = self.driver_of(&insert.module, function);
        let is_vfio = module.contains("vfio_pci");
        let because = match self.overrides.get(&device.address) {
            Some((named, place)) if *named == driver => {
                vec![format!("{place} gives {} to {driver}", device.address)]
            }
            Some(_) => return Takes::No(None),
            None if function.coming.is_some_and(|it| it.needs_override) => return Takes::No(None),
            None if BY_ID.contains(&module) => {
                let Some((ids, place)) = &insert.ids else { return Takes::No(None) };
                let patterns = parse_id_list(ids).patterns;
                let Some(pattern) = patterns.iter().find(|it| it.matches(&device.id)) else {
                    return Takes::No(None);
                };
                vec![format!("{place} gives {pattern} to {driver}")]
            }
            None if !function.modules.contains(&insert.module) => return Takes::No(None),
            None => vec![format!("{module} claims its ids")],
        };
        if MODESETTING.contains(&module) && self.parameters.parameters().any(|it| it.raw() == "nomodeset") {
            return Takes::No(Some("the kernel command line: nomodeset".to_owned()));
        }
        if !is_vfio {
            return Takes::Yes(because);
        }
        if function.is_bridge {
            return Takes::No(Some(format!("{driver} does not take bridges")));
        }
        if module == "vfio_pci" && !insert.switches.takes_denied && denylist::denies(device, self.release) {
            let id = format!("{:04x}:{:04x}", device.id.vendor, device.id.device);
            return Takes::No(Some(format!(
                "{id} is on the denylist of {driver}, which disable_denylist=1 lifts"
            )));
        }
        match self.iommu {
            Iommu::On => Takes::Yes(because),
            Iommu::Off(_) | Iommu::Unknown(_) if self.is_unsafe(insert) => Takes::Yes(because),
            Iommu::Off(why) => Takes::No(Some(format!("{driver} takes nothing without an IOMMU: {why}"))),
            Iommu::Unknown(why) => Takes::Unknown(why.clone()),
        }
    }

    /// Returns whether a module can be one for a function at all.
    fn concerns(&self, module: &ModuleName, function: &Function<'_>) -> bool {
        BY_ID.contains(&module.as_str())
            || function.modules.contains(module)
            || self.overrides.contains_key(&function.device.address)
    }

    /// Returns whether vfio was loaded to work without an IOMMU: what counts is the option it had then, which is that of
    /// whoever needs it where that loads it.
    fn is_unsafe(&self, insert: &Insert) -> bool {
        let vfio = self.loaded.iter().find(|it| it.module.as_str() == "vfio");
        vfio.unwrap_or(insert).switches.without_iommu
    }

    /// The driver of a module that has a function: of several the one that it has or is given to, else the one with the
    /// module's name (`nvidia` registers `nvidia` and `nvidia-nvswitch`).
    pub(super) fn driver_of(&self, module: &ModuleName, function: &Function<'_>) -> String {
        let Some(names) = self.names.get(module) else { return presumed(module) };
        let given = self.overrides.get(&function.device.address).map(|it| it.0.as_str());
        let own = [given, function.device.driver.as_deref()].into_iter().flatten();
        let own = own.filter_map(|own| names.iter().find(|it| *it == own)).next();
        let named_so = || names.iter().find(|it| module.is_spelled(it));
        own.or_else(named_so).or(names.first()).cloned().unwrap_or_else(|| presumed(module))
    }

    /// Returns whether a module's driver, or one of several, has a name.
    pub(super) fn registers(&self, module: &ModuleName, driver: &str) -> bool {
        match self.names.get(module) {
            Some(names) => names.iter().any(|it| it == driver),
            None => presumed(module) == driver,
        }
    }
}

/// The name that the driver of a module registers, as far as its file tells.
fn presumed(module: &ModuleName) -> String {
    match DriverName::try_from(module.as_str().to_owned()) {
        Ok(name) => name.spelled_by_kernel(&[]).to_owned(),
        Err(_) => module.as_str().to_owned(),
    }
}
