//! `dead-line`: a line that the plan adds to modprobe.d cannot work on an installed kernel, or on any.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use hoststate_abi::host_view::HostView;
use hoststate_abi::setting::State;

use crate::error::Result;
use crate::formats::kernel_cmdline::Cmdline;
use crate::formats::modprobe_conf::{
    DIRECTORIES, Directive, KERNEL_SOFTDEP, ModprobeConf, ModuleName, Softdep, params,
};
use crate::guards::boot_parameters;
use crate::machine::kernels;
use crate::machine::module_lookup::{self, Presence};
use crate::machine::module_names::{COMPARED, ModuleNames};
use crate::plan::scene::{Hazard, Scene, Severity};

const NAME: &str = "dead-line";

const VFIO: &str = "vfio-pci";

/// A line that the plan adds.
struct Line {
    file: PathBuf,
    number: usize,
    directive: Directive,
}

/// Why a line does nothing on a kernel.
enum Reason {
    /// The kernel has no such module.
    Missing(ModuleName),
    /// Another, with what shows it; `RELEASE` stands for the kernel.
    Other(String, String),
}

/// How many modules and places of one hazard are named.
const SHOWN: usize = 8;

/// Finds lines without effect among those that the plan adds.
///
/// # Errors
/// When the host cannot be read.
pub fn hazards(scene: Scene<'_>) -> Result<Vec<Hazard>> {
    let host = scene.after;
    let mut hazards = Vec::new();
    let mut missing: BTreeMap<ModuleName, (Vec<String>, Vec<String>)> = BTreeMap::new();
    let lines = added(scene)?;
    for line in &lines {
        let place = format!("{}:{}", line.file.display(), line.number);
        let mut reasons: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
        for release in &kernels::installed(host)?.0 {
            for reason in on_kernel(scene, release, line)? {
                match reason {
                    Reason::Missing(module) => {
                        let (releases, places) = missing.entry(module).or_default();
                        for (list, it) in [(releases, release), (places, &place)] {
                            if list.last() != Some(it) {
                                list.push(it.clone());
                            }
                        }
                    }
                    Reason::Other(why, evidence) => {
                        reasons.entry((why, evidence)).or_default().push(release.clone());
                    }
                }
            }
        }
        for ((why, evidence), releases) in reasons {
            let evidence = evidence.replace("RELEASE", &releases[0]);
            let releases = releases.join(", ");
            let message = format!("{place} cannot work on kernel {releases}: {why}");
            let hazard = Hazard::new(NAME, Severity::Warn, &[&why, &releases], message);
            hazards.push(hazard.shown_by([evidence]));
        }
        hazards.extend(nothing_loads(scene, line)?);
    }
    let names = ModuleNames::read(host)?;
    hazards.extend(of_missing(missing, names.as_ref()));
    hazards.extend(misspelt_blacklist(&lines, names.as_ref()));
    Ok(hazards)
}

/// Returns one hazard for all modules that the same kernels lack: a generated playbook may name thousands.
fn of_missing(
    missing: BTreeMap<ModuleName, (Vec<String>, Vec<String>)>,
    names: Option<&ModuleNames>,
) -> Vec<Hazard> {
    let mut by_kernels: BTreeMap<Vec<String>, (Vec<String>, Vec<String>)> = BTreeMap::new();
    for (module, (mut releases, places)) in missing {
        releases.dedup();
        let (modules, all_places) = by_kernels.entry(releases).or_default();
        modules.push(module.to_string());
        all_places.extend(places);
    }
    let hazard = |(releases, (modules, places)): (Vec<String>, (Vec<String>, Vec<String>))| {
        let kernels = releases.join(", ");
        let all = modules.join(", ");
        let message = format!(
            "kernel {kernels} has no module {}, neither as a file nor built in: lines about {} do nothing there",
            shortened(&modules),
            if modules.len() == 1 { "it" } else { "them" }
        );
        let index = format!("/lib/modules/{}/modules.dep names none of them", releases[0]);
        let advice =
            modules.iter().take(SHOWN).filter_map(|it| Some(format!("{it}: {}", names?.advice(it)?)));
        let evidence = [format!("the plan adds {}", shortened(&places)), index].into_iter().chain(advice);
        Hazard::new(NAME, Severity::Warn, &["missing", &all, &kernels], message).shown_by(evidence)
    };
    by_kernels.into_iter().map(hazard).collect()
}

/// A blacklist may name modules that are not installed, and a misspelt one keeps nothing away. Whoever names many of
/// them generates the list.
fn misspelt_blacklist(lines: &[Line], names: Option<&ModuleNames>) -> Vec<Hazard> {
    let Some(names) = names else { return Vec::new() };
    let misspelt = |line: &Line| {
        let module = match &line.directive {
            Directive::Blacklist { module } | Directive::Install { module, .. } => module,
            _ => return None,
        };
        let is_there = ModuleName::parse(module).is_ok_and(|it| names.has(&it));
        let near = names.near(module).filter(|_| !is_there)?;
        let place = format!("the plan adds {}:{}", line.file.display(), line.number);
        let message = format!(
            "no installed kernel has a module {module}, so its blacklist line keeps nothing away; did you \
             mean {near}?"
        );
        Some(Hazard::new(NAME, Severity::Warn, &["blacklist", module], message).shown_by([place]))
    };
    let blacklists = lines
        .iter()
        .filter(|it| matches!(it.directive, Directive::Blacklist { .. } | Directive::Install { .. }));
    blacklists.take(COMPARED).filter_map(misspelt).collect()
}

fn shortened(names: &[String]) -> String {
    match names.len().saturating_sub(SHOWN) {
        0 => names.join(", "),
        rest => format!("{} and {rest} more", names[..SHOWN].join(", ")),
    }
}

/// Returns the lines of modprobe.d that the plan adds, in order.
fn added(scene: Scene<'_>) -> Result<Vec<Line>> {
    let mut lines = Vec::new();
    for file in scene.changed_files()? {
        if !file.parent().is_some_and(|it| DIRECTORIES.iter().any(|directory| it == Path::new(directory))) {
            continue;
        }
        let said = |host: &HostView| -> Result<Vec<(usize, Directive)>> {
            Ok(host.parsed(&file, ModprobeConf::parse)?.map(|it| it.directives()).unwrap_or_default())
        };
        let before = said(scene.before)?;
        // Files of generated playbooks have thousands of lines.
        let mut known: HashMap<&str, Vec<&Directive>> = HashMap::new();
        for (_, it) in &before {
            known.entry(module_of(it)).or_default().push(it);
        }
        let is_new = |it: &(usize, Directive)| {
            !known.get(module_of(&it.1)).is_some_and(|old| old.iter().any(|old| same(old, &it.1)))
        };
        let new = said(scene.after)?.into_iter().filter(is_new);
        lines.extend(new.map(|(number, directive)| Line { file: file.clone(), number, directive }));
    }
    Ok(lines)
}

/// Returns the module of a line that may be dead, and nothing for others.
fn module_of(directive: &Directive) -> &str {
    match directive {
        Directive::Softdep { module, .. }
        | Directive::Options { module, .. }
        | Directive::Blacklist { module }
        | Directive::Install { module, .. } => module,
        _ => "",
    }
}

/// Returns whether two lines say the same, wherever they stand.
fn same(one: &Directive, other: &Directive) -> bool {
    match (one, other) {
        (
            Directive::Softdep { module, softdep },
            Directive::Softdep { module: other, softdep: other_softdep },
        ) => module == other && softdep.pre == other_softdep.pre && softdep.post == other_softdep.post,
        _ => one == other,
    }
}

/// Returns why a line does nothing on a kernel.
fn on_kernel(scene: Scene<'_>, release: &str, line: &Line) -> Result<Vec<Reason>> {
    let host = scene.after;
    let found = |module: &str| -> Result<Option<(ModuleName, Presence)>> {
        let Ok(module) = ModuleName::parse(module) else { return Ok(None) };
        let presence = module_lookup::presence(host, release, &module)?;
        Ok(Some((module, presence)))
    };
    let index = |name: &str| format!("/lib/modules/RELEASE/{name}");
    let mut reasons = Vec::new();
    match &line.directive {
        Directive::Softdep { module, softdep } => {
            match found(module)? {
                Some((_, Presence::BuiltIn)) => {
                    let why = format!(
                        "{module} is built in and binds before any module is loaded; declare driver_binding for the \
                         device"
                    );
                    reasons.push(Reason::Other(why, format!("{} names {module}", index("modules.builtin"))));
                }
                Some((module, Presence::Missing)) => reasons.push(Reason::Missing(module)),
                Some((module, Presence::File(_))) => {
                    reasons.extend(of_another_kernel(host, release, line, &module)?);
                }
                Some((_, Presence::Unknown)) | None => {}
            }
            for before in softdep.pre.iter().chain(&softdep.post) {
                if let Some((module, Presence::Missing)) = found(before)? {
                    reasons.push(Reason::Missing(module));
                }
            }
        }
        Directive::Options { module, text } => match found(module)? {
            Some((name, Presence::BuiltIn)) => {
                // Where vfio-pci is built in, its ids are on the command line as well.
                let has_parameters =
                    boot_parameters::read(scene)?.after.parameters().any(|it| it.same_name("vfio-pci.ids"));
                if !(name.is_spelled(VFIO) && has_parameters) {
                    let parameters: Vec<String> = params(text)
                        .into_iter()
                        .map(|(parameter, value)| match value {
                            Some(value) => format!("\"{module}.{parameter}={value}\""),
                            None => format!("\"{module}.{parameter}\""),
                        })
                        .collect();
                    let why = format!(
                        "{module} is built in, and reads only the kernel command line: declare \
                         kernel_cmdline {{ present = {{ {} }} }}",
                        parameters.join(", ")
                    );
                    reasons.push(Reason::Other(why, format!("{} names {module}", index("modules.builtin"))));
                }
            }
            Some((name, Presence::Missing)) => reasons.push(Reason::Missing(name)),
            Some((name, Presence::File(path))) => {
                if let Some(info) = module_lookup::info(host, release, &name)? {
                    let unknown = params(text).into_iter().map(|it| it.0).filter(|it| !info.takes(it));
                    for parameter in unknown {
                        let has = match info.parameters.is_empty() {
                            true => "it has none".to_owned(),
                            false => format!("it has {}", info.parameters.join(", ")),
                        };
                        let why = format!("{module} has no parameter {parameter}; {has}");
                        let path = path.display().to_string().replace(release, "RELEASE");
                        reasons.push(Reason::Other(why, format!("`modinfo {path}` does not show it")));
                    }
                }
            }
            Some((_, Presence::Unknown)) | None => {}
        },
        _ => {}
    }
    Ok(reasons)
}

/// The settings are compared with the newest kernel's softdeps; those of another may have a line that comes first.
fn of_another_kernel(
    host: &HostView,
    release: &str,
    line: &Line,
    module: &ModuleName,
) -> Result<Option<Reason>> {
    let comes_first = line.file.file_name().is_some_and(|it| it < KERNEL_SOFTDEP);
    let path = kernels::modules_directory(release).join(KERNEL_SOFTDEP);
    if comes_first {
        return Ok(None);
    }
    let Some(conf) = host.parsed(&path, ModprobeConf::parse)? else { return Ok(None) };
    let Some(Softdep { line, .. }) = conf.softdep(module) else { return Ok(None) };
    let why = format!("of several softdep lines for {module} the first counts, and that is the kernel's own");
    Ok(Some(Reason::Other(why, format!("/lib/modules/RELEASE/{KERNEL_SOFTDEP}:{line}"))))
}

/// Ids make nothing load vfio-pci: it claims no device by itself.
fn nothing_loads(scene: Scene<'_>, line: &Line) -> Result<Option<Hazard>> {
    let Directive::Options { module, text } = &line.directive else { return Ok(None) };
    let Ok(vfio) = ModuleName::parse(VFIO) else { return Ok(None) };
    let gives_ids = params(text).iter().any(|it| it.0 == "ids");
    let releases = &kernels::installed(scene.after)?.0;
    if !vfio.is_spelled(module) || !gives_ids || releases.is_empty() {
        return Ok(None);
    }
    if loads(scene, &vfio)? {
        return Ok(None);
    }
    let message = format!(
        "nothing loads {VFIO}, so nothing reads the ids in {}:{}. Declare modprobe_softdep for the devices' own \
         drivers, modules_load or initramfs_modules {{ modules = {{ \"{VFIO}\" }} }}, or driver_binding",
        line.file.display(),
        line.number
    );
    let evidence = "no softdep, module list, udev rule or kernel parameter names vfio-pci".to_owned();
    Ok(Some(Hazard::new(NAME, Severity::Warn, &["nothing loads", VFIO], message).shown_by([evidence])))
}

fn loads(scene: Scene<'_>, module: &ModuleName) -> Result<bool> {
    let host = scene.after;
    let is_named = |it: &String| module.is_spelled(it);
    for directory in DIRECTORIES {
        for name in host.names(Path::new(directory))? {
            let conf = host.parsed(&Path::new(directory).join(name), ModprobeConf::parse)?;
            let directives = conf.map(|it| it.directives()).unwrap_or_default();
            let drags = |it: &(usize, Directive)| match &it.1 {
                Directive::Softdep { softdep, .. } => softdep.pre.iter().chain(&softdep.post).any(is_named),
                Directive::Install { command, .. } => {
                    command.contains(VFIO) || command.contains(module.as_str())
                }
                _ => false,
            };
            if directives.iter().any(drags) {
                return Ok(true);
            }
        }
    }
    let is_listed = module_lookup::is_listed(host, Path::new("/etc/modules"), module)?;
    if is_listed || !module_lookup::lists(host, module)?.is_empty() {
        return Ok(true);
    }
    for directory in ["/etc/udev/rules.d", "/usr/lib/udev/rules.d", "/lib/udev/rules.d"] {
        for name in host.names(Path::new(directory))? {
            let text = host.parsed(&Path::new(directory).join(name), str::to_owned)?;
            if text.is_some_and(|it| it.contains(VFIO) || it.contains(module.as_str())) {
                return Ok(true);
            }
        }
    }
    let parameters: &Cmdline = &boot_parameters::read(scene)?.after;
    if parameters.parameters().any(|it| {
        it.same_name("rd.driver.pre")
            && it.value().is_some_and(|it| it.split(',').any(|it| module.is_spelled(it)))
    }) {
        return Ok(true);
    }
    // The first setting is the generator's list of modules.
    let early = scene.distro.initramfs.early_modules(host, std::slice::from_ref(module));
    Ok(early.is_ok_and(|it| it.first().is_some_and(|it| it.state == State::Converged)))
}
