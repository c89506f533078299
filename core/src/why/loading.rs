//! The links from modules to the bind: which modules claim the device, what loads them first, and who would bind it.

use std::path::Path;

use hoststate_abi::setting::State;

use super::{Case, Link, Standing, evidence_of, grouped};
use crate::distro::ImageContent;
use crate::error::{Error, Result};
use crate::formats::modprobe_conf::ModuleName;
use crate::formats::module_index::{ModulesBuiltin, ModulesDep};
use crate::formats::module_list::{ListKind, ModuleList};
use crate::kernels;
use crate::modprobe_d;
use crate::pci_bus;

/// Directories of lists that systemd loads in the root file system.
const LISTS: [&str; 4] = [
    "/etc/modules-load.d",
    "/run/modules-load.d",
    "/usr/local/lib/modules-load.d",
    "/usr/lib/modules-load.d",
];

/// How a kernel has a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Presence {
    BuiltIn,
    Module,
    Missing,
    Unknown,
}

impl Presence {
    fn shown(self) -> &'static str {
        match self {
            Self::BuiltIn => "built into",
            Self::Module => "a module of",
            Self::Missing => "missing in",
            Self::Unknown => "not told by the indexes of",
        }
    }
}

/// The kernel whose modules count now: the running one, else the newest.
fn kernel(case: &Case<'_>) -> Result<Option<String>> {
    Ok(kernels::running(case.host)?.or(kernels::installed(case.host)?.0.last().cloned()))
}

fn presence(case: &Case<'_>, release: &str, module: &ModuleName) -> Result<Presence> {
    let directory = kernels::modules_directory(release);
    let builtin = case.host.parsed(&directory.join("modules.builtin"), ModulesBuiltin::parse)?;
    if builtin.is_some_and(|it| it.contains(module)) {
        return Ok(Presence::BuiltIn);
    }
    Ok(match case.host.parsed(&directory.join("modules.dep"), str::to_owned)? {
        None => Presence::Unknown,
        Some(text) if ModulesDep::parse(&text).contains(module) => Presence::Module,
        Some(_) => Presence::Missing,
    })
}

fn named(name: &str) -> Result<ModuleName> {
    ModuleName::parse(name).map_err(|err| Error::Invalid { what: err.to_string(), hint: None })
}

/// Which modules claim the device, and how the kernels have them and the wanted driver.
pub(super) fn modules(case: &Case<'_>) -> Result<Vec<Link>> {
    let mut links = Vec::new();
    if let Some(release) = kernel(case)? {
        let claiming = pci_bus::modules(case.host, &release, case.device)?;
        let mut evidence = Vec::new();
        for module in &claiming {
            evidence.push(format!("{module} is {} {release}", presence(case, &release, module)?.shown()));
        }
        let names: Vec<&str> = claiming.iter().map(ModuleName::as_str).collect();
        let finding = match names.is_empty() {
            true => format!("no module of {release} claims it"),
            false => format!("{} claim{} it", names.join(", "), if names.len() == 1 { "s" } else { "" }),
        };
        links.push(Link::new("modules", Standing::Fact, finding, evidence));
    }
    let Some(wanted) = case.wanted.as_deref() else { return Ok(links) };
    let module = named(wanted)?;
    let mut found = Vec::new();
    for release in &kernels::installed(case.host)?.0 {
        found.push((presence(case, release, &module)?, release.clone()));
    }
    let has = |presence: Presence| found.iter().any(|it| it.0 == presence);
    let (standing, finding) = if found.is_empty() {
        (Standing::Unknown, format!("no kernel is installed that could have {wanted}"))
    } else if has(Presence::Missing) && !has(Presence::Module) && !has(Presence::BuiltIn) {
        (Standing::Blocks, format!("no installed kernel has {wanted}; install one that has it"))
    } else if has(Presence::Missing) {
        (Standing::Fact, format!("not every installed kernel has {wanted}"))
    } else {
        (Standing::Ok, format!("the installed kernels have {wanted}"))
    };
    let evidence = grouped(found.into_iter().map(|it| (format!("{wanted} is {}", it.0.shown()), it.1)));
    links.push(Link::new("wanted driver", standing, finding, evidence));
    Ok(links)
}

/// What loads first: the wanted driver or one that claims the device by its ids.
pub(super) fn first(case: &Case<'_>) -> Result<Option<Link>> {
    let (Some(wanted), Some(release)) = (case.wanted.as_deref(), kernel(case)?) else { return Ok(None) };
    let module = named(wanted)?;
    let mut rivals = pci_bus::modules(case.host, &release, case.device)?;
    rivals.retain(|it| *it != module);
    if rivals.is_empty() {
        return Ok(None);
    }
    let is_builtin = presence(case, &release, &module)? == Presence::BuiltIn;
    let mut evidence = early(case, &release, &module, is_builtin)?;
    let loads_wanted = !evidence.is_empty();
    let by_address = case.claim.as_ref().is_some_and(|it| !it.is_by_id());
    let mut sooner = Vec::new();
    for rival in &rivals {
        let (is_late, shown) = order(case, &release, rival, &module, loads_wanted)?;
        evidence.push(shown);
        if !is_late {
            sooner.push(rival.to_string());
        }
    }
    let (standing, finding) = if sooner.is_empty() {
        (Standing::Ok, format!("{wanted} is there before {}", list(&rivals)))
    } else if by_address {
        (
            Standing::Ok,
            format!("{} may load first, and the device is taken back by its address", sooner.join(", ")),
        )
    } else if case.claim.is_none() {
        (Standing::Fact, format!("{} may load before {wanted}", sooner.join(", ")))
    } else {
        (
            Standing::Blocks,
            format!(
                "{} loads before {wanted}, and {wanted} takes no device that has a driver; declare driver_binding, or \
                 modprobe_softdep {{ module = \"{}\", pre = {{ \"{wanted}\" }} }}",
                sooner.join(", "),
                sooner[0]
            ),
        )
    };
    Ok(Some(Link::new("loaded first", standing, finding, evidence)))
}

fn list(modules: &[ModuleName]) -> String {
    modules.iter().map(ModuleName::as_str).collect::<Vec<_>>().join(", ")
}

/// What loads a module before udev looks at the devices.
fn early(case: &Case<'_>, release: &str, module: &ModuleName, is_builtin: bool) -> Result<Vec<String>> {
    if is_builtin {
        return Ok(vec![format!("{module} is built in")]);
    }
    let mut evidence = Vec::new();
    let image = case.distro.initramfs.image(release).display().to_string();
    let wanted = std::slice::from_ref(module);
    let settings = super::supported(case.distro.initramfs.early_modules(case.host, wanted))?;
    if settings.iter().flatten().any(|it| it.subject == image && it.state == State::Converged) {
        evidence.push(format!("{image} loads {module} before udev"));
    }
    let words = case.next.as_ref().map(|it| &it.0).or(case.booted.as_ref().map(|it| &it.cmdline));
    let pre = words.into_iter().flat_map(|it| it.words()).filter(|it| it.same_name("rd.driver.pre"));
    let named = pre.filter(|it| it.value().is_some_and(|it| it.split(',').any(|it| module.is_spelled(it))));
    evidence.extend(named.map(|it| format!("the kernel command line has {it}")));
    Ok(evidence)
}

/// Returns whether a rival is loaded only after the wanted module, and what shows it.
fn order(
    case: &Case<'_>,
    release: &str,
    rival: &ModuleName,
    wanted: &ModuleName,
    loads_wanted: bool,
) -> Result<(bool, String)> {
    if presence(case, release, rival)? == Presence::BuiltIn {
        return Ok((false, format!("{rival} is built into {release}: no line of modprobe.d delays it")));
    }
    let view = modprobe_d::view(case.host)?;
    if let Some(softdep) =
        view.softdep(rival).filter(|it| it.value.pre.iter().any(|it| wanted.is_spelled(it)))
    {
        let place = modprobe_d::place(&softdep.origin);
        return Ok((true, format!("{place}: softdep {rival} pre: {wanted}")));
    }
    if let Some(install) = view.install(rival) {
        return Ok((
            true,
            format!("{}: install {rival} {}", modprobe_d::place(&install.origin), install.value),
        ));
    }
    if loads_wanted {
        return Ok((true, format!("nothing loads {rival} before udev")));
    }
    let lists = lists(case, wanted)?;
    let inside = image_with(case, release, rival)?;
    Ok(match (inside, lists.first()) {
        (Some(image), _) => (false, format!("{image} holds {rival}, and does not load {wanted} before it")),
        (None, Some(list)) => (false, format!("{list} loads {wanted}, perhaps after udev loaded {rival}")),
        (None, None) => (false, format!("nothing loads {wanted}; udev loads {rival} by the device's ids")),
    })
}

/// Lists that load a module in the root file system.
fn lists(case: &Case<'_>, module: &ModuleName) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for directory in LISTS {
        for name in case.host.list(Path::new(directory))?.into_iter().filter(|it| it.ends_with(".conf")) {
            let path = Path::new(directory).join(name);
            let text = case.host.parsed(&path, str::to_owned)?;
            if text.is_some_and(|it| ModuleList::parse(ListKind::ModulesLoad, &it).contains(module)) {
                found.push(path.display().to_string());
            }
        }
    }
    Ok(found)
}

/// Returns the image of a kernel if it holds a module's file.
fn image_with(case: &Case<'_>, release: &str, module: &ModuleName) -> Result<Option<String>> {
    let wanted = ImageContent { files: Vec::new(), modules: vec![module.clone()] };
    let settings = super::supported(case.distro.initramfs.contents(case.host, &wanted))?.unwrap_or_default();
    let image = case.distro.initramfs.image(release).display().to_string();
    let holds = settings.iter().any(|it| it.subject == image && it.state == State::Converged);
    Ok(holds.then_some(image))
}

/// Who would bind the device at the next boot.
pub(super) fn claim(case: &Case<'_>) -> Result<Link> {
    let mut evidence: Vec<String> = case.claim.iter().flat_map(evidence_of).collect();
    for name in [format!("pci-{}", case.device.address), case.device.address.to_string()] {
        let path = Path::new("/etc/driverctl.d").join(name);
        if let Some(driver) = case.host.attribute(&path)? {
            evidence.push(format!("{}: {driver}", path.display()));
        }
    }
    let to = case.claim.as_ref().map(|it| it.to.as_deref());
    let (standing, finding) = match (to, case.wanted.as_deref()) {
        (Some(Some(driver)), Some(wanted)) if driver == wanted => {
            (Standing::Ok, format!("the next boot gives it to {driver}"))
        }
        (Some(Some(driver)), Some(wanted)) => {
            (Standing::Blocks, format!("the next boot gives it to {driver}, not to {wanted}"))
        }
        (Some(Some(driver)), None) => (Standing::Fact, format!("the next boot gives it to {driver}")),
        (Some(None), Some(_)) => {
            (Standing::Fact, "its own driver is kept back, and no other is named".to_owned())
        }
        (Some(None), None) => (Standing::Fact, "its own driver is kept back".to_owned()),
        (None, Some(wanted)) if case.device.driver.as_deref() != Some(wanted) => {
            (Standing::Fact, format!("no id, udev rule or driverctl names {wanted} for it"))
        }
        (None, _) => (Standing::Fact, "whichever module claims it by its ids".to_owned()),
    };
    Ok(Link::new("bound by", standing, finding, evidence))
}

/// Says where the driver of the device came from, if nothing named it for this device.
pub(super) fn origin(case: &Case<'_>, driver: &str) -> Result<String> {
    let link = case.host.link_target(&Path::new("/sys/bus/pci/drivers").join(driver).join("module"))?;
    let module = link.as_deref().and_then(Path::file_name).and_then(|it| it.to_str()).unwrap_or(driver);
    let module = match named(module) {
        Ok(module) => module,
        Err(_) => return Ok(format!("{driver} claims its ids")),
    };
    if let Some(release) = kernel(case)? {
        if presence(case, &release, &module)? == Presence::BuiltIn {
            return Ok(format!("{module} is built into {release} and binds before any module"));
        }
        if let Some(image) = image_with(case, &release, &module)? {
            return Ok(format!("{image} holds {module}, which claims its ids and was loaded first"));
        }
    }
    Ok(format!("{module} claims its ids and was loaded first"))
}
