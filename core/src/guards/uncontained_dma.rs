//! `uncontained-dma`: a device goes to guests or programs while nothing keeps it from the memory of the host.

use crate::error::Result;
use crate::guards::rebinding;
use crate::language::resource::Context;
use crate::machine::facts;
use crate::machine::module_switch::ModuleSwitch;
use crate::machine::pci_bus;
use crate::plan::scene::{Hazard, Scene, Severity};

const NAME: &str = "uncontained-dma";

/// Finds devices that the plan gives to vfio-pci on a host without an IOMMU, where vfio was told to work all the same.
///
/// # Errors
/// When the host cannot be read.
pub fn hazards(scene: Scene<'_>) -> Result<Vec<Hazard>> {
    let mut hazards = Vec::new();
    if facts::iommu(scene.before)?.is_none_or(|it| it.active) {
        return Ok(hazards);
    }
    let rebindings = rebinding::rebindings(scene)?;
    let is_vfio =
        |it: &Option<String>| it.as_deref().is_some_and(|it| it.replace('_', "-").contains("vfio-pci"));
    let mut taken = rebindings.all.iter().filter(|it| it.is_planned() && is_vfio(&it.to)).peekable();
    if taken.peek().is_none() {
        return Ok(hazards);
    }
    let future = Context::new(scene.after, scene.distro).future()?;
    if !ModuleSwitch::read(scene.after, &future, "vfio", "enable_unsafe_noiommu_mode")?.when_loaded_or_on() {
        return Ok(hazards);
    }
    for it in taken {
        let address = it.device.address;
        let driver = it.to.as_deref().unwrap_or_default();
        let message = format!(
            "{address} goes to {driver} without an IOMMU: whoever has it can read and write all memory of this host"
        );
        let group = pci_bus::directory(address).join("iommu_group");
        let hazard = Hazard::new(NAME, Severity::Warn, &[&address.to_string()], message).on(address);
        hazards.push(hazard.shown_by([
            format!("{} is absent", group.display()),
            "vfio has enable_unsafe_noiommu_mode".to_owned(),
        ]));
    }
    Ok(hazards)
}
