//! What claims the devices at boot, by the files of one view: ids, udev rules, hidden addresses, kept back drivers.

use std::collections::BTreeMap;
use std::path::Path;

use hoststate_abi::host_view::HostView;
use hoststate_abi::pci_address::PciAddress;

use super::{Cause, Kind};
use crate::error::{Error, Result};
use crate::formats::kernel_cmdline::Cmdline;
use crate::formats::modprobe_conf::{ModprobeView, ModuleName, Origin, params};
use crate::formats::pci::{PciIdPattern, parse_id_list};
use crate::formats::udev_rules::rule::{self, UdevRule};
use crate::guards::boot_parameters::BootParameters;
use crate::machine::modprobe_d;
use crate::machine::pci_bus::rule_index::{self, RuleIndex};
use crate::machine::pci_bus::rule_values;
use crate::machine::pci_bus::{self, PciDevice};

/// Drivers that take an `ids` parameter and keep what they claim (drivers/vfio/pci/vfio_pci.c,
/// drivers/pci/pci-stub.c).
pub const BY_ID: [&str; 2] = ["vfio-pci", "pci-stub"];

/// Where the plan's own rules are; those of packages do not change with it.
const RULES: &str = "/etc/udev/rules.d";

/// What claims a device at boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The driver; `None` when its own driver is kept back and no other comes.
    pub to: Option<String>,
    /// What claims it.
    pub causes: Vec<Cause>,
}

impl Claim {
    /// Returns whether it finds the device by an id.
    pub fn is_by_id(&self) -> bool {
        self.causes.iter().any(|it| matches!(it.kind, Kind::Id(_)))
    }
}

struct Override {
    rule: UdevRule,
    driver: String,
    place: String,
}

struct IdList {
    driver: &'static str,
    patterns: Vec<PciIdPattern>,
    place: String,
}

/// Returns the claims on the devices.
pub(super) fn all<'a>(
    host: &HostView,
    devices: &[PciDevice],
    parameters: &Cmdline,
    policy: &dyn Fn(&ModuleName) -> &'a ModprobeView,
) -> Result<BTreeMap<PciAddress, Claim>> {
    let overrides = overrides(host)?;
    let mut lists = Vec::new();
    for driver in BY_ID {
        let module = module(driver)?;
        lists.extend(id_list(driver, &module, policy(&module), parameters));
    }
    let hidden = BootParameters::last(parameters, "xen-pciback.hide").unwrap_or_default();
    let mut kept_back: BTreeMap<&str, Option<String>> = BTreeMap::new();
    let mut claims = BTreeMap::new();
    for device in devices {
        // vfio-pci takes no bridges, and nobody else should.
        if device.is_bridge() {
            continue;
        }
        let by_address = overrides
            .of(device)
            .rev()
            .find(|it| it.rule.may_match(|key, name| rule_values::of(device, key, name)));
        let claim = if let Some(found) = by_address {
            // Only the named driver may match then, whatever ids others have (drivers/pci/pci-driver.c).
            let evidence = format!("{} gives {} to {}", found.place, device.address, found.driver);
            Claim { to: Some(found.driver.clone()), causes: vec![Cause { kind: Kind::Address, evidence }] }
        } else if hidden.contains(&format!("({})", device.address)) {
            let evidence = format!("the kernel command line has xen-pciback.hide={hidden}");
            Claim { to: Some("pciback".to_owned()), causes: vec![Cause { kind: Kind::Address, evidence }] }
        } else if let Some((list, pattern)) = lists
            .iter()
            .find_map(|list| Some((list, list.patterns.iter().find(|it| it.matches(&device.id))?)))
        {
            let evidence = format!("{} gives {pattern} to {}", list.place, list.driver);
            let causes = vec![Cause { kind: Kind::Id(*pattern), evidence }];
            Claim { to: Some(list.driver.to_owned()), causes }
        } else {
            let Some(driver) = device.driver.as_deref() else { continue };
            if !kept_back.contains_key(driver) {
                kept_back.insert(driver, keeps_back(host, driver, policy, parameters)?);
            }
            let Some(Some(evidence)) = kept_back.get(driver) else { continue };
            let causes = vec![Cause { kind: Kind::Driver, evidence: evidence.clone() }];
            Claim { to: None, causes }
        };
        claims.insert(device.address, claim);
    }
    Ok(claims)
}

fn overrides(host: &HostView) -> Result<RuleIndex<Override>> {
    let mut overrides = Vec::new();
    for name in host.list(Path::new(RULES))?.into_iter().filter(|it| it.ends_with(".rules")) {
        let path = Path::new(RULES).join(name);
        for it in host.parsed(&path, rule::parse)?.iter().flat_map(|it| it.iter()) {
            if let Some(driver) = it.assigned("driver_override").filter(|it| !it.trim().is_empty()) {
                let place = format!("{}:{}", path.display(), it.line);
                overrides.push(Override { driver: driver.to_owned(), rule: it.clone(), place });
            }
        }
    }
    Ok(RuleIndex::new(overrides, |it| rule_index::exact_name(&it.rule)))
}

/// Returns the one list of ids that a driver will have: the last parameter of the command line, else the last option of
/// the files.
fn id_list(
    driver: &'static str,
    module: &ModuleName,
    modprobe: &ModprobeView,
    parameters: &Cmdline,
) -> Option<IdList> {
    let list = |text: &str, place: String| {
        let patterns = parse_id_list(text).patterns;
        Some(IdList { driver, patterns, place })
    };
    if let Some(value) = BootParameters::last(parameters, &format!("{driver}.ids")) {
        return list(value, "the kernel command line".to_owned());
    }
    for line in modprobe.options(module).into_iter().rev() {
        // The parameters of the running kernel are not those of the next boot.
        let Origin::File { path, line: number } = &line.origin else { continue };
        let ids = params(&line.value).into_iter().rev().find(|(name, _)| *name == "ids");
        if let Some((_, Some(value))) = ids {
            return list(value, format!("{}:{number}", path.display()));
        }
    }
    None
}

/// Returns what keeps a driver's module from being loaded. A driver built into the kernel cannot be kept back.
fn keeps_back<'a>(
    host: &HostView,
    driver: &str,
    policy: &dyn Fn(&ModuleName) -> &'a ModprobeView,
    parameters: &Cmdline,
) -> Result<Option<String>> {
    let link = host.link_target(&Path::new("/sys/bus/pci/drivers").join(driver).join("module"))?;
    let Some(name) = link.as_deref().and_then(Path::file_name).and_then(|it| it.to_str()) else {
        return Ok(None);
    };
    if !host.exists(&Path::new("/sys/module").join(name).join("initstate"))? {
        return Ok(None);
    }
    let module = module(name)?;
    for parameter in ["module_blacklist", "modprobe.blacklist"] {
        let mut values =
            parameters.parameters().filter(|it| it.same_name(parameter)).filter_map(|it| it.value());
        // The kernel and kmod compare these names as they are.
        if values.any(|it| it.split(',').any(|it| it == name)) {
            return Ok(Some(format!("the kernel command line has {parameter}= with {name}")));
        }
    }
    let modprobe = policy(&module);
    if let Some(Origin::File { path, line }) = modprobe.blacklisted(&module) {
        return Ok(Some(format!("{}:{line} blacklists {name}", path.display())));
    }
    let install = modprobe.never_loaded(&module);
    Ok(install.map(|it| format!("{} installs {name} by {:?}", modprobe_d::place(&it.origin), it.value)))
}

fn module(name: &str) -> Result<ModuleName> {
    ModuleName::parse(name).map_err(|err| Error::Invalid { what: err.to_string(), hint: None })
}

/// Returns where the attributes of a device lie, for evidence.
pub(super) fn attribute(address: PciAddress, name: &str) -> String {
    pci_bus::directory(address).join(name).display().to_string()
}
