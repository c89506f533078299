//! `modules_load`: modules loaded at boot.

use std::path::{Path, PathBuf};

use hoststate_abi::host_view::HostView;
use hoststate_abi::setting::{Disruption, Place, Remedy, Setting, State};
use hoststate_abi::step::Step;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::error::{Error, Result};
use crate::formats::modprobe_conf::ModuleName;
use crate::formats::module_index::{ModulesBuiltin, ModulesDep};
use crate::formats::module_list::{ListKind, ModuleList};
use crate::language::resource::{Context, Resource, ResourceType};
use crate::machine::kernels;
use crate::machine::modprobe_d;
use crate::mechanism::distro::{Distro, Family};
use crate::resources::modprobe_file::ConfFile;

/// Where systemd-modules-load looks, the strongest first (modules-load.d(5)).
const DIRECTORIES: [&str; 5] = [
    "/etc/modules-load.d",
    "/run/modules-load.d",
    "/usr/local/lib/modules-load.d",
    "/usr/lib/modules-load.d",
    "/lib/modules-load.d",
];

/// Modules loaded at boot by systemd-modules-load, and loaded now.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModulesLoad {
    /// The modules, loaded in this order.
    modules: Vec<ModuleName>,
    /// File in `/etc/modules-load.d` for the lines; default `hoststate.conf`.
    file: Option<ConfFile>,
}

impl ResourceType for ModulesLoad {
    const NAME: &'static str = "modules_load";

    fn default_name(&self) -> String {
        self.modules.iter().map(ModuleName::to_string).collect::<Vec<_>>().join(" ")
    }

    fn validate(&self) -> Result<()> {
        if self.modules.is_empty() {
            return Err(Error::invalid("`modules` is empty", "Name at least one module."));
        }
        Ok(())
    }
}

impl Resource for ModulesLoad {
    fn inspect(&self, cx: Context<'_>) -> Result<Vec<Setting>> {
        refuse_without_systemd(cx.distro)?;
        let mut settings = self.files(cx.host)?;
        let running = Running::read(cx.host)?;
        for module in &self.modules {
            settings.extend(running.as_ref().map(|it| it.setting(module)));
        }
        Ok(settings)
    }
}

impl ModulesLoad {
    fn files(&self, host: &HostView) -> Result<Vec<Setting>> {
        let name = self.file.clone().map_or_else(|| "hoststate.conf".to_owned(), String::from);
        let file = Path::new(DIRECTORIES[0]).join(name);
        let listed = listed(host)?;
        let mut text = None;
        let mut settings = Vec::new();
        for module in &self.modules {
            let blacklisted = modprobe_d::view(host)?.blacklisted(module);
            let state = if let Some(origin) = blacklisted {
                State::Blocked {
                    actual: None,
                    desired: Some("loaded at boot".to_owned()),
                    by: Some(modprobe_d::place(&origin)),
                    reason: "systemd-modules-load loads no module that is blacklisted".to_owned(),
                }
            } else if listed.iter().any(|it| module.is_spelled(it)) {
                State::Converged
            } else {
                let mut list = match text.take() {
                    Some(list) => list,
                    None => ModuleList::parse(ListKind::ModulesLoad, &host.read(&file)?.unwrap_or_default()),
                };
                list.add(module);
                let write = Step::WriteFile { path: file.clone(), text: list.to_string() };
                text = Some(list);
                State::Drifted {
                    actual: None,
                    desired: Some("loaded at boot".to_owned()),
                    remedy: Remedy::Steps(vec![write]),
                }
            };
            settings.push(Setting::persistent(format!("modules-load {module}"), state));
        }
        Ok(settings)
    }
}

/// CentOS 6 starts with Upstart, which has no modules-load.d.
fn refuse_without_systemd(distro: &Distro) -> Result<()> {
    let major = distro.version.split('.').next().and_then(|it| it.parse::<u32>().ok());
    match (distro.family, major) {
        (Family::Redhat, Some(..=6)) => Err(Error::Unsupported {
            what: format!("{} {} does not read modules-load.d", distro.id, distro.version),
            hint: "Put an executable file NAME.modules with `modprobe MODULE` into /etc/sysconfig/modules."
                .to_owned(),
        }),
        _ => Ok(()),
    }
}

/// Returns the modules of every list that is read: of several files with one name the strongest directory's.
fn listed(host: &HostView) -> Result<Vec<String>> {
    let mut seen: Vec<String> = Vec::new();
    let mut modules = Vec::new();
    for directory in DIRECTORIES {
        for name in host.list(Path::new(directory))? {
            if !name.ends_with(".conf") || seen.contains(&name) {
                continue;
            }
            let path = Path::new(directory).join(&name);
            let parse = |text: &str| ModuleList::parse(ListKind::ModulesLoad, text);
            if let Some(list) = host.parsed(&path, parse)? {
                modules.extend(list.modules().into_iter().map(str::to_owned));
                seen.push(name);
            }
        }
    }
    Ok(modules)
}

/// The modules of the running kernel.
struct Running {
    release: String,
    loaded: Vec<String>,
    builtin: Option<std::rc::Rc<ModulesBuiltin>>,
    index: Option<String>,
}

impl Running {
    /// Returns `None` for a tree without `/proc` or `/sys`.
    fn read(host: &HostView) -> Result<Option<Self>> {
        let loaded = host.list(Path::new("/sys/module"))?;
        let Some(release) = kernels::running(host)?.filter(|_| !loaded.is_empty()) else { return Ok(None) };
        let directory = kernels::modules_directory(&release);
        // A kernel that is not installed here is not this tree's: a container, or a chroot with the machine's /proc.
        if !host.is_dir(&directory)? {
            return Ok(None);
        }
        let builtin = host.parsed(&directory.join("modules.builtin"), ModulesBuiltin::parse)?;
        let index = host.read_lossy(&PathBuf::from(&directory).join("modules.dep"))?;
        Ok(Some(Self { release, loaded, builtin, index }))
    }

    fn setting(&self, module: &ModuleName) -> Setting {
        let desired = Some("loaded".to_owned());
        let is_builtin = self.builtin.as_ref().is_some_and(|it| it.contains(module));
        let state = if is_builtin || self.loaded.iter().any(|it| module.is_spelled(it)) {
            State::Converged
        } else if self.index.as_ref().is_some_and(|it| !ModulesDep::parse(it).contains(module)) {
            State::Blocked {
                actual: None,
                desired,
                by: Some(Place {
                    file: kernels::modules_directory(&self.release).join("modules.dep"),
                    line: None,
                }),
                reason: format!("the running kernel {} has no module {module}", self.release),
            }
        } else {
            let modprobe = Step::Run { argv: vec!["modprobe".to_owned(), module.spelled().to_owned()] };
            State::Drifted { actual: None, desired, remedy: Remedy::Steps(vec![modprobe]) }
        };
        Setting::runtime(format!("/sys/module/{}", module.as_str()), Disruption::None, state)
    }
}
