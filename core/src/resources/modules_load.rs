//! `modules_load`: modules loaded at boot.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use hoststate_abi::about::About;
use hoststate_abi::host_view::HostView;
use hoststate_abi::host_view::predicted::Prediction;
use hoststate_abi::lines::LineEdit;
use hoststate_abi::setting::{Disruption, Place, Remedy, Setting, State};
use hoststate_abi::step::Step;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::formats::modprobe_conf::ModuleName;
use crate::formats::module_index::{ModulesBuiltin, ModulesDep};
use crate::formats::module_list::{ListKind, ModuleList};
use crate::language::contradiction::{Claim, Governed};
use crate::language::item::one_by_one;
use crate::language::resource::{Context, Resource, ResourceType};
use crate::machine::kernels;
use crate::machine::modprobe_d;
use crate::machine::module_names::{COMPARED, ModuleNames};
use crate::mechanism::distro::{Distro, Family};
use crate::resources::leftover;
use crate::resources::modprobe_file::{self, ConfFile};
use crate::resources::modprobe_removal;

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

    /// What is loaded stays until the host boots: others may use it by now.
    fn absent(&self, cx: Context<'_>) -> Result<Vec<Setting>> {
        refuse_without_systemd(cx.distro)?;
        let own = self.path();
        let mut lists = lists(cx.host)?;
        let mut settings = Vec::new();
        let mut files = BTreeSet::from([own.clone()]);
        for module in &self.modules {
            let mut steps = Vec::new();
            let mut by = None;
            for (path, list) in lists.iter_mut().filter(|it| it.1.contains(module)) {
                if path.starts_with(DIRECTORIES[0]) {
                    list.remove(module);
                    steps.push(leftover::step(path, &own, list.to_string()));
                    files.insert(path.clone());
                } else {
                    by = Some(Place { file: path.clone(), line: None });
                }
            }
            let actual = Some("loaded at boot".to_owned());
            let state = match by {
                Some(by) => State::Blocked {
                    actual,
                    desired: None,
                    reason: format!(
                        "{} is not below {}, and lists it; put an empty file of its name there",
                        by.file.display(),
                        DIRECTORIES[0]
                    ),
                    by: Some(by),
                },
                None if steps.is_empty() => State::Converged,
                None => State::Drifted { actual, desired: None, remedy: Remedy::Steps(steps) },
            };
            settings.push(Setting::persistent(format!("modules-load {module}"), state));
        }
        modprobe_removal::copies_of(cx, files, &mut settings)?;
        Ok(settings)
    }
}

impl Resource for ModulesLoad {
    fn items(&self, desired: &Map<String, Value>) -> Vec<Map<String, Value>> {
        one_by_one(desired, "modules")
    }

    fn claims(&self) -> Vec<Claim> {
        self.modules.iter().map(|it| Claim::including(Governed::ModulesLoad, it.as_str())).collect()
    }

    fn inspect(&self, cx: Context<'_>) -> Result<Vec<Setting>> {
        refuse_without_systemd(cx.distro)?;
        let mut settings = self.files(cx.host)?;
        let running = Running::read(cx.host)?;
        // Whoever names many generates the list.
        let is_written = self.modules.len() <= COMPARED;
        let names = if is_written { ModuleNames::read(cx.host)? } else { None };
        for module in &self.modules {
            if let Some(running) = &*running {
                settings.push(running.setting(cx.host, module, names.as_ref())?);
            }
        }
        Ok(settings)
    }
}

impl ModulesLoad {
    /// Returns the file for its lines.
    fn path(&self) -> PathBuf {
        let name = self.file.clone().map_or_else(|| "hoststate.conf".to_owned(), String::from);
        Path::new(DIRECTORIES[0]).join(name)
    }

    fn files(&self, host: &HostView) -> Result<Vec<Setting>> {
        let file = self.path();
        let listed = Listed::read(host)?;
        let mut added: Vec<&ModuleName> = Vec::new();
        let mut settings = Vec::new();
        for module in &self.modules {
            let (blacklisted, never) = {
                let view = modprobe_d::view(host)?;
                (view.blacklisted(module), view.never_loaded(module))
            };
            let state = if let Some(origin) = blacklisted {
                State::Blocked {
                    actual: None,
                    desired: Some("loaded at boot".to_owned()),
                    by: Some(modprobe_d::place(&origin)),
                    reason: "systemd-modules-load loads no module that is blacklisted".to_owned(),
                }
            } else if let Some(install) = never {
                modprobe_file::never_loaded(module, &install, "loaded at boot")
            } else if listed.modules.contains(module) {
                State::Converged
            } else {
                let line = (!added.contains(&module)).then(|| format!("{}\n", module.spelled()));
                added.push(module);
                let edits = line.map(LineEdit::append).into_iter().collect();
                State::Drifted {
                    actual: None,
                    desired: Some("loaded at boot".to_owned()),
                    remedy: Remedy::Steps(vec![Step::EditFile { path: file.clone(), edits }]),
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

/// Returns every list that is read, with its file.
fn lists(host: &HostView) -> Result<Vec<(PathBuf, ModuleList)>> {
    let mut seen: Vec<String> = Vec::new();
    let mut lists = Vec::new();
    for directory in DIRECTORIES {
        for name in host.list(Path::new(directory))? {
            if !name.ends_with(".conf") || seen.contains(&name) {
                continue;
            }
            let path = Path::new(directory).join(&name);
            let parse = |text: &str| ModuleList::parse(ListKind::ModulesLoad, text);
            if let Some(list) = host.parsed(&path, parse)? {
                lists.push((path, ModuleList::clone(&list)));
                seen.push(name);
            }
        }
    }
    Ok(lists)
}

/// The modules of every list that is read: of several files with one name the strongest directory's.
#[derive(Debug, Default)]
struct Listed {
    modules: HashSet<ModuleName>,
    /// The files, links resolved.
    files: HashSet<PathBuf>,
}

impl Listed {
    fn read(host: &HostView) -> Result<Rc<Self>> {
        host.derived(|host, old: Option<(Rc<Self>, &[Prediction])>| match old {
            Some((known, changed)) => match Rc::try_unwrap(known) {
                Ok(known) => known.with(host, changed),
                Err(_) => Self::of(host),
            },
            None => Self::of(host),
        })
    }

    fn of(host: &HostView) -> Result<Self> {
        let mut listed = Self::default();
        for (path, list) in lists(host)? {
            listed.add(&list);
            listed.files.insert(host.resolve(&path)?);
        }
        Ok(listed)
    }

    /// Goes on with what was predicted since: lines that are only added to a known file add modules.
    fn with(mut self, host: &HostView, changed: &[Prediction]) -> Result<Self> {
        for Prediction { path, edits } in changed {
            let is_added = |it: &LineEdit| it.line.is_none() && it.removed.is_empty();
            match edits {
                Some(edits) if self.files.contains(path) && edits.iter().all(is_added) => {
                    for edit in edits {
                        self.add(&ModuleList::parse(ListKind::ModulesLoad, &edit.inserted));
                    }
                }
                _ if path.extension().is_some_and(|it| it == "conf")
                    && DIRECTORIES.iter().any(|it| path.starts_with(it)) =>
                {
                    return Self::of(host);
                }
                _ => {}
            }
        }
        Ok(self)
    }

    fn add(&mut self, list: &ModuleList) {
        self.modules.extend(list.modules().into_iter().filter_map(|it| ModuleName::parse(it).ok()));
    }
}

/// The modules of the running kernel.
struct Running {
    release: String,
    loaded: Vec<String>,
    builtin: Option<Rc<ModulesBuiltin>>,
}

impl Running {
    /// Returns `None` for a tree without `/proc` or `/sys`. No declaration changes what is there.
    fn read(host: &HostView) -> Result<Rc<Option<Self>>> {
        host.derived_once(Self::of)
    }

    fn of(host: &HostView) -> Result<Option<Self>> {
        let loaded = host.list(Path::new("/sys/module"))?;
        let Some(release) = kernels::running(host)?.filter(|_| !loaded.is_empty()) else { return Ok(None) };
        let directory = kernels::modules_directory(&release);
        // A kernel that is not installed here is not this tree's: a container, or a chroot with the machine's /proc.
        if !host.is_dir(&directory)? {
            return Ok(None);
        }
        let builtin = host.parsed(&directory.join("modules.builtin"), ModulesBuiltin::parse)?;
        Ok(Some(Self { release, loaded, builtin }))
    }

    fn setting(&self, host: &HostView, module: &ModuleName, names: Option<&ModuleNames>) -> Result<Setting> {
        let desired = Some("loaded".to_owned());
        let is_builtin = self.builtin.as_ref().is_some_and(|it| it.contains(module));
        let index = kernels::modules_directory(&self.release).join("modules.dep");
        let state = if is_builtin || self.loaded.iter().any(|it| module.is_spelled(it)) {
            State::Converged
        } else if host.parsed(&index, ModulesDep::parse)?.is_some_and(|it| !it.contains(module)) {
            State::Blocked {
                actual: None,
                desired,
                by: Some(Place { file: index, line: None }),
                reason: format!(
                    "the running kernel {} has no module {module}{}",
                    self.release,
                    names
                        .and_then(|it| it.advice(module.spelled()))
                        .map_or_else(String::new, |it| format!("; {it}"))
                ),
            }
        } else if let Some(install) = modprobe_d::view(host)?.never_loaded(module) {
            modprobe_file::never_loaded(module, &install, "loaded")
        } else {
            let modprobe = Step::Run { argv: vec!["modprobe".to_owned(), module.spelled().to_owned()] };
            State::Drifted { actual: None, desired, remedy: Remedy::Steps(vec![modprobe]) }
        };
        Ok(Setting::runtime(
            About::Attribute(PathBuf::from(format!("/sys/module/{}", module.as_str()))),
            Disruption::None,
            state,
        ))
    }
}
