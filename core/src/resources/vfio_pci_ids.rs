//! `vfio_pci_ids`: PCI ids that vfio-pci claims at boot.

use hoststate_abi::about::About;
use hoststate_abi::activation::Activation;
use hoststate_abi::host_view::HostView;
use hoststate_abi::setting::{Disruption, Remedy, Setting, State};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::formats::kernel_cmdline::{Cmdline, CmdlineEdit, Parameter};
use crate::formats::modprobe_conf::{ModuleName, Origin, Winner};
use crate::formats::module_index::{ModulesBuiltin, ModulesDep};
use crate::formats::pci::{PciIdPattern, parse_id_list};
use crate::language::contradiction::{Claim, Governed};
use crate::language::item::one_by_one;
use crate::language::resource::{Context, Resource, ResourceType};
use crate::machine::kernels;
use crate::machine::modprobe_d;
use crate::machine::pci_bus;
use crate::machine::pci_bus::denylist::{self, Denial};
use crate::mechanism::distro::cmdline::running;
use crate::resources::modprobe_file::{self, ConfFile};

mod absent;

/// The driver, as its own messages and the wikis spell it.
const DRIVER: &str = "vfio-pci";

/// The parameter of a built-in or modular vfio-pci on the command line.
const WORD: &str = "vfio-pci.ids";

/// vfio-pci's buffer for the parameter, its final NUL included (drivers/vfio/pci/vfio_pci.c).
const BUFFER: usize = 1024;

/// PCI ids that vfio-pci claims at boot, beside those it claims already.
///
/// Where vfio-pci is a module they go into an `options` line of modprobe.d. Where it is built into an installed
/// kernel nothing reads such a line, and where the command line of the next boot has ids they replace those of every
/// file: there they go onto the command line. An id matches every device that has it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VfioPciIds {
    /// Ids, `vendor:device[:subvendor[:subdevice[:class[:mask]]]]`, hexadecimal.
    ids: Vec<PciIdPattern>,
    /// File in `/etc/modprobe.d` for the line; default `zz-hoststate.conf`, which sorts after all others.
    file: Option<ConfFile>,
}

impl ResourceType for VfioPciIds {
    const NAME: &'static str = "vfio_pci_ids";

    fn default_name(&self) -> String {
        joined(&self.ids)
    }

    fn validate(&self) -> Result<()> {
        if self.ids.is_empty() {
            return Err(Error::invalid("`ids` is empty", "Name at least one id, e.g. \"10de:0ffc\"."));
        }
        Ok(())
    }

    fn absent(&self, cx: Context<'_>) -> Result<Vec<Setting>> {
        self.gone(cx)
    }

    fn absent_cmdline(&self, cx: Context<'_>) -> Result<Option<CmdlineEdit>> {
        self.removal(cx)
    }
}

impl Resource for VfioPciIds {
    fn items(&self, desired: &Map<String, Value>) -> Vec<Map<String, Value>> {
        one_by_one(desired, "ids")
    }

    fn claims(&self) -> Vec<Claim> {
        let ids = self.ids.iter().map(|it| Claim::including(Governed::VfioPciIds, it.to_string()));
        ids.chain([Claim::iommu_for_vfio()]).collect()
    }

    fn ids(&self) -> &[PciIdPattern] {
        &self.ids
    }

    fn inspect(&self, cx: Context<'_>) -> Result<Vec<Setting>> {
        let module = driver()?;
        let Kernels { builtin, modular, without } = Kernels::read(cx.host, &module)?;
        if builtin.is_empty() && modular.is_empty() && !without.is_empty() {
            return Ok(vec![self.without_driver(&without)]);
        }
        let winner = effective(cx, &module)?;
        // The command line beats every file, for a module as well.
        let mut settings = if !builtin.is_empty() || is_of_command_line(winner.as_ref()) {
            self.parameters(cx)?
        } else {
            self.options(cx, &module, winner)?
        };
        settings.extend(self.drivers(cx)?);
        Ok(settings)
    }

    fn cmdline(&self, cx: Context<'_>) -> Result<Option<CmdlineEdit>> {
        let module = driver()?;
        let on_cmdline = is_of_command_line(effective(cx, &module)?.as_ref());
        let is_builtin = !Kernels::read(cx.host, &module)?.builtin.is_empty();
        if is_builtin || on_cmdline { Ok(Some(self.edit(cx)?)) } else { Ok(None) }
    }
}

impl VfioPciIds {
    /// Refuses ids that nothing would read: Linux has vfio-pci since 3.6, and some distributions pack it apart.
    fn without_driver(&self, releases: &[String]) -> Setting {
        let state = State::Blocked {
            actual: None,
            desired: Some(joined(&self.ids)),
            by: None,
            reason: format!(
                "no installed kernel has {DRIVER}, neither built in nor as a module ({}); install a kernel of 3.6 \
                 or later with all its modules",
                releases.join(", ")
            ),
        };
        Setting::persistent(format!("options {DRIVER} ids"), state)
    }

    /// Returns the list that holds what `found` holds, then these ids; `None` when it has them all.
    fn missing_from(&self, found: &[PciIdPattern]) -> Result<Option<String>> {
        let mut all = found.to_vec();
        all.extend(self.ids.iter().filter(|it| !found.contains(it)));
        if all.len() == found.len() {
            return Ok(None);
        }
        let list = joined(&all);
        if list.len() >= BUFFER {
            let what =
                format!("vfio-pci takes at most {} bytes of ids, these are {}", BUFFER - 1, list.len());
            return Err(Error::invalid(what, "Use `driver_binding` for some of the devices."));
        }
        Ok(Some(list))
    }

    fn options(
        &self,
        cx: Context<'_>,
        module: &ModuleName,
        winner: Option<Winner<String>>,
    ) -> Result<Vec<Setting>> {
        let file = modprobe_file::options_file(self.file.as_ref());
        let actual = winner.as_ref().map(|it| it.value.clone());
        let found = actual.as_deref().map(|it| parse_id_list(it).patterns).unwrap_or_default();
        let (state, effective) = match (self.missing_from(&found)?, winner) {
            (None, Some(winner)) => (State::Converged, modprobe_d::place(&winner.origin).file),
            (Some(list), Some(winner))
                if modprobe_d::place(&winner.origin).file != file
                    && modprobe_d::comes_before(&file, &winner.origin) =>
            {
                let hint = "of several ids lists the last counts. Move its ids here and remove that line, or \
                            name its file in `file`.";
                (modprobe_file::outweighed(&winner.origin, actual, list, hint), file)
            }
            (list, _) => {
                let list = list.unwrap_or_else(|| joined(&self.ids));
                let wanted = (actual, list.clone());
                let state = modprobe_file::drifted(cx.host, &file, module, wanted, |conf| {
                    conf.set_option(module, "ids", &list)
                })?;
                (state, file)
            }
        };
        let mut settings = vec![Setting::persistent(format!("options {DRIVER} ids"), state)];
        let images = modprobe_file::image_settings(cx, &effective, &settings)?;
        settings.extend(images);
        Ok(settings)
    }

    fn edit(&self, cx: Context<'_>) -> Result<CmdlineEdit> {
        let found: Vec<PciIdPattern> = ids_of(&cx.distro.bootloader.future(cx.host)?);
        let list = self.missing_from(&found)?.unwrap_or_else(|| joined(&found));
        let parameter = Parameter::parse(&format!("{WORD}={list}"))
            .map_err(|err| Error::Invalid { what: err.to_string(), hint: None })?;
        Ok(CmdlineEdit { present: vec![parameter], ..CmdlineEdit::default() })
    }

    fn parameters(&self, cx: Context<'_>) -> Result<Vec<Setting>> {
        let edit = self.edit(cx)?;
        let mut settings = cx.distro.bootloader.cmdline(cx.host, &edit)?;
        if let Some(text) = cx.host.attribute(std::path::Path::new("/proc/cmdline"))? {
            settings.push(running(&Cmdline::parse(&text), &edit));
        }
        Ok(settings)
    }

    /// Compares the drivers of the devices that have these ids; vfio-pci takes them when the host boots.
    fn drivers(&self, cx: Context<'_>) -> Result<Vec<Setting>> {
        let host = cx.host;
        let mut claimed = Vec::new();
        for (address, id) in pci_bus::ids(host)? {
            if self.ids.iter().any(|it| it.matches(&id)) {
                claimed.extend(pci_bus::device(host, address)?);
            }
        }
        // vfio-pci refuses bridges, whatever their id (drivers/vfio/pci/vfio_pci_core.c).
        let mut settings = Vec::new();
        for device in claimed.iter().filter(|it| !it.is_bridge()) {
            let is_bound = device.driver.as_deref() == Some(DRIVER);
            let state = if is_bound {
                State::Converged
            } else if denylist::denial(host, &|| cx.future(), device)? == Denial::Refused {
                let (actual, desired) = (device.driver.clone(), Some(DRIVER.to_owned()));
                State::Blocked { actual, desired, by: None, reason: denylist::refusal(device) }
            } else {
                State::Drifted {
                    actual: device.driver.clone(),
                    desired: Some(DRIVER.to_owned()),
                    remedy: Remedy::Activation(Activation::Reboot),
                }
            };
            settings.push(Setting::runtime(About::DriverAtBoot(device.address), Disruption::Reboot, state));
        }
        Ok(settings)
    }
}

fn joined(ids: &[PciIdPattern]) -> String {
    ids.iter().map(PciIdPattern::to_string).collect::<Vec<_>>().join(",")
}

/// Returns the ids of the last `vfio-pci.ids=` parameter: the parameter is one string, the last one wins.
fn ids_of(cmdline: &Cmdline) -> Vec<PciIdPattern> {
    let last = cmdline.parameters().filter(|it| it.same_name(WORD)).last();
    last.and_then(Parameter::value).map(|it| parse_id_list(it).patterns).unwrap_or_default()
}

/// Returns the list that counts from the next boot on: kmod gives the options of the command line last, and it is the
/// command line to come that decides. Where nobody can tell that, it is the running kernel's.
fn effective(cx: Context<'_>, module: &ModuleName) -> Result<Option<Winner<String>>> {
    match cx.distro.bootloader.future(cx.host) {
        Ok(line) => {
            let newest = kernels::installed(cx.host)?.0.last().cloned();
            let policy = modprobe_d::read_for(cx.host, newest.as_deref(), &line)?;
            Ok(policy.effective_option(module, "ids"))
        }
        Err(Error::Unsupported { .. }) => Ok(modprobe_d::view(cx.host)?.effective_option(module, "ids")),
        Err(err) => Err(err),
    }
}

fn is_of_command_line(winner: Option<&Winner<String>>) -> bool {
    winner.is_some_and(|it| matches!(it.origin, Origin::CommandLine { .. }))
}

fn driver() -> Result<ModuleName> {
    ModuleName::parse(DRIVER).map_err(|err| Error::Invalid { what: err.to_string(), hint: None })
}

/// The installed kernels by how they have vfio-pci; one without a list of its modules counts as having the module.
#[derive(Default)]
struct Kernels {
    builtin: Vec<String>,
    modular: Vec<String>,
    without: Vec<String>,
}

impl Kernels {
    fn read(host: &HostView, module: &ModuleName) -> Result<Self> {
        let mut kernels = Self::default();
        for release in &kernels::installed(host)?.0 {
            let directory = kernels::modules_directory(release);
            let builtin = host.parsed(&directory.join("modules.builtin"), ModulesBuiltin::parse)?;
            let files = host.parsed(&directory.join("modules.dep"), ModulesDep::parse)?;
            let kind = if builtin.is_some_and(|it| it.contains(module)) {
                &mut kernels.builtin
            } else if files.is_none_or(|it| it.contains(module)) {
                &mut kernels.modular
            } else {
                &mut kernels.without
            };
            kind.push(release.clone());
        }
        Ok(kernels)
    }
}
