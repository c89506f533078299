//! Declared drivers that no installed kernel has.

use std::collections::BTreeSet;

use hoststate_abi::host_view::HostView;

use crate::error::Result;
use crate::formats::modprobe_conf::ModuleName;
use crate::language::declaration::ResourceId;
use crate::language::registry::Declared;
use crate::machine::module_names::ModuleNames;
use crate::machine::pci_bus::{self, DriverName};
use crate::plan::planned::Conflict;
use crate::planner::contradicted::conflict;

/// Drivers of the kernel that are named otherwise than the modules they are in, and which these are. Those of QuickAssist
/// are `4xxx` in `qat_4xxx`, and so on.
const OF_OTHER_NAME: [(&str, &str); 4] = [
    ("xhci_hcd", "xhci_pci"),
    ("i801_smbus", "i2c_i801"),
    ("pciback", "xen_pciback"),
    ("cirrus-qemu", "cirrus"),
];

/// In the kernel itself, which lists modules only.
const PORTS: &str = "pcieport";

/// Come from elsewhere, and may be installed later.
const FROM_ELSEWHERE: [&str; 4] = ["nvidia", "nvidia_drm", "nvidia_modeset", "nvidia_uvm"];

/// What is wrong with the drivers of a playbook.
#[derive(Default)]
pub(crate) struct Unknown {
    /// One conflict for each driver and line.
    pub(crate) conflicts: Vec<Conflict>,
    /// The declarations that cannot be.
    pub(crate) resources: BTreeSet<ResourceId>,
}

/// Finds the drivers that no installed kernel has. Nothing is said where a kernel does not tell what it has.
///
/// # Errors
/// When the host cannot be read.
pub(crate) fn find(declared: &[Declared], host: &HostView) -> Result<Unknown> {
    let mut unknown = Unknown::default();
    if declared.iter().all(|it| named(it).is_none()) {
        return Ok(unknown);
    }
    let Some(names) = ModuleNames::read(host)? else { return Ok(unknown) };
    let registered = pci_bus::drivers(host)?;
    let mut told = BTreeSet::new();
    for it in declared {
        let Some(driver) = named(it) else { continue };
        if is_known(driver, &names, &registered) {
            continue;
        }
        unknown.resources.insert(it.id.clone());
        if !told.insert((driver, it.declaration.playbook.clone())) {
            continue;
        }
        let near = names.near(driver).and_then(|it| DriverName::try_from(it.to_owned()).ok());
        let advice = near.map_or_else(String::new, |near| {
            format!("; did you mean {}?", near.spelled_by_kernel(&registered))
        });
        let kernels = names.kernels.join(", ");
        let reason = format!("no installed kernel has a driver {driver} ({kernels}){advice}");
        let (about, wanted) = (format!("driver {driver}").into(), Some(driver.to_owned()));
        unknown.conflicts.push(conflict(it, None, about, (None, wanted), reason));
    }
    Ok(unknown)
}

/// Returns the driver that a declaration is about: the one of a device, or one that `gpu_passthrough` was given.
fn named(declared: &Declared) -> Option<&str> {
    if let Some(driver) = declared.resource.driver() {
        return Some(driver.as_str());
    }
    let declaration = &declared.declaration;
    let is_of_card =
        declaration.kind == "modprobe_softdep" && declaration.composite.as_deref() == Some("gpu_passthrough");
    let module = declaration.desired.get("module").filter(|_| is_of_card)?.as_str()?;
    (!FROM_ELSEWHERE.contains(&module)).then_some(module)
}

fn is_known(driver: &str, names: &ModuleNames, registered: &[String]) -> bool {
    let same = |one: &str| one.replace('-', "_") == driver.replace('-', "_");
    let has = |module: &str| ModuleName::parse(module).is_ok_and(|it| names.has(&it));
    let module = OF_OTHER_NAME.iter().find(|(it, _)| same(it)).map(|(_, module)| *module);
    same(PORTS)
        || registered.iter().any(|it| same(it))
        || has(driver)
        || module.is_some_and(has)
        || has(&format!("qat_{driver}"))
}
