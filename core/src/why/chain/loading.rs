//! The links from modules to the bind: which modules claim the device, what loads them first, and who would bind it.

use std::path::Path;

use super::policy::Policy;
use super::{Case, Link, Standing, evidence_of, grouped};
use crate::error::{Error, Result};
use crate::formats::modprobe_conf::{ModprobeView, ModuleName, Origin, Softdep, Winner, loads_nothing};
use crate::machine::image_contents;
use crate::machine::kernels;
use crate::machine::modprobe_d;
use crate::machine::module_lookup::{self, Presence, presence};
use crate::machine::pci_bus;

/// The kernel whose modules count now: the running one, else the newest.
fn kernel(case: &Case<'_>) -> Result<Option<String>> {
    Ok(kernels::running(case.host)?.or(kernels::installed(case.host)?.0.last().cloned()))
}

fn shown(presence: &Presence) -> &'static str {
    match presence {
        Presence::BuiltIn => "built into",
        Presence::File(_) => "a module of",
        Presence::Missing => "missing in",
        Presence::Unknown => "not told by the indexes of",
    }
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
            evidence
                .push(format!("{module} is {} {release}", shown(&presence(case.host, &release, module)?)));
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
        found.push((presence(case.host, release, &module)?, release.clone()));
    }
    let is_missing = |it: &(Presence, String)| it.0 == Presence::Missing;
    let (standing, finding) = if found.is_empty() {
        (Standing::Unknown, format!("no kernel is installed that could have {wanted}"))
    } else if found.iter().all(is_missing) {
        (Standing::Blocks, format!("no installed kernel has {wanted}; install one that has it"))
    } else if found.iter().any(is_missing) {
        (Standing::Fact, format!("not every installed kernel has {wanted}"))
    } else {
        (Standing::Ok, format!("the installed kernels have {wanted}"))
    };
    let evidence = grouped(found.into_iter().map(|it| (format!("{wanted} is {}", shown(&it.0)), it.1)));
    links.push(Link::new("wanted driver", standing, finding, evidence));
    Ok(links)
}

/// When a rival is loaded, beside the wanted driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// After the wanted driver, which it drags along or which is there before udev.
    Later,
    /// Not at all.
    Never,
    Sooner,
    Unknown,
}

/// What loads first: the wanted driver or one that claims the device by its ids.
pub(super) fn first(case: &Case<'_>) -> Result<Option<Link>> {
    let (Some(wanted), Some(release)) = (case.wanted.as_deref(), case.kernel.as_deref()) else {
        return Ok(None);
    };
    let module = named(wanted)?;
    let rivals: Vec<&ModuleName> = case.rivals.iter().filter(|it| **it != module).collect();
    if rivals.is_empty() {
        return Ok(None);
    }
    let mut evidence = early(case, &module);
    let is_early = !evidence.is_empty();
    let mut turns = Vec::new();
    for rival in &rivals {
        turns.push((turn(case, release, rival, &module, is_early)?, rival.as_str()));
    }
    let of = |turn: Turn| turns.iter().filter(move |it| it.0.turn == turn).map(|it| it.1);
    let names = |turn: Turn| of(turn).collect::<Vec<_>>().join(", ");
    let has = |turn: Turn| of(turn).next().is_some();
    let loads = is_early || has(Turn::Later) || case.rivals.contains(&module);
    let lists = if loads { Vec::new() } else { lists(case, &module)? };
    let by_address = case.claim.as_ref().is_some_and(|it| !it.is_by_id());
    let claimed = case.claim.is_some() || case.claim_of_root.is_some();
    let first = if has(Turn::Sooner) { names(Turn::Sooner) } else { names(Turn::Unknown) };
    let (standing, finding) = if by_address && !first.is_empty() {
        (Standing::Ok, format!("{first} may load first, and the device is taken back by its address"))
    } else if !first.is_empty() && !claimed {
        (Standing::Fact, format!("{first} may load before {wanted}"))
    } else if has(Turn::Sooner) {
        let mend = turns.iter().find_map(|it| it.0.mend.clone()).unwrap_or_else(|| {
            let rival = of(Turn::Sooner).next().unwrap_or_default();
            format!(
                "declare driver_binding, or modprobe_softdep {{ module = \"{rival}\", pre = {{ \"{wanted}\" }} }}"
            )
        });
        let why = format!("{wanted} takes no device that has a driver");
        (Standing::Blocks, format!("{first} loads before {wanted}, and {why}; {mend}"))
    } else if has(Turn::Unknown) {
        (Standing::Unknown, format!("whether {first} loads before {wanted} is not known"))
    } else if loads || by_address || !lists.is_empty() {
        let all = rivals.iter().map(|it| it.as_str()).collect::<Vec<_>>().join(", ");
        (Standing::Ok, format!("{wanted} is loaded before {all}"))
    } else {
        let mend = format!("declare modules_load {{ modules = {{ \"{wanted}\" }} }}");
        let standing = if claimed { Standing::Blocks } else { Standing::Fact };
        (standing, format!("{} is held back, and nothing loads {wanted}; {mend}", names(Turn::Never)))
    };
    evidence.extend(turns.into_iter().map(|it| it.0.shown));
    evidence.extend(lists.iter().map(|it| format!("{it} loads {wanted}")));
    Ok(Some(Link::new("loaded first", standing, finding, evidence)))
}

/// What loads a module before udev looks at the devices.
fn early(case: &Case<'_>, module: &ModuleName) -> Vec<String> {
    if case.policy.is_builtin(module) {
        return vec![format!("{module} is built in")];
    }
    let image = case.policy.image();
    let loads = case.policy.loads_early(module);
    loads.then(|| format!("{image} loads {module} before udev")).into_iter().collect()
}

/// When a rival is loaded, and what shows it.
struct Shown {
    turn: Turn,
    shown: String,
    /// What to do, where another declaration is not it.
    mend: Option<String>,
}

fn turn(
    case: &Case<'_>,
    release: &str,
    rival: &ModuleName,
    wanted: &ModuleName,
    is_early: bool,
) -> Result<Shown> {
    let known = |turn, shown| Ok(Shown { turn, shown, mend: None });
    let policy = &case.policy;
    if policy.is_builtin(rival) {
        let shown = format!("{rival} is built into {release}: no line of modprobe.d delays it");
        return known(Turn::Sooner, shown);
    }
    let (image, inside) = (policy.image(), policy.holds(rival));
    if let (Some(why), false) = (policy.unreadable(), is_early) {
        return known(Turn::Unknown, format!("{image}, which may hold {rival}, cannot be read: {why}"));
    }
    // What loads a module of the image is kmod in there, with what is in there.
    if let Some((turn, shown)) = by_policy(policy, policy.of_driver(rival), rival, wanted) {
        let has_wanted = !inside || policy.holds(wanted) || policy.is_builtin(wanted);
        if turn == Turn::Later && !has_wanted {
            let shown = format!("{shown}, and {image} lacks {wanted}");
            let mend = format!("declare initramfs_modules {{ modules = {{ \"{wanted}\" }} }}");
            return Ok(Shown { turn: Turn::Sooner, shown, mend: Some(mend) });
        }
        return known(turn, shown);
    }
    if is_early && policy.loads_early(rival) {
        return known(Turn::Unknown, format!("{image} loads {rival} before udev, too"));
    }
    if is_early {
        return known(Turn::Later, format!("nothing loads {rival} before udev"));
    }
    if let (true, Some((_, shown))) = (inside, by_policy(policy, policy.of_root(rival), rival, wanted)) {
        let shown = format!("{image} holds {rival}, and lacks what the root file system has: {shown}");
        return Ok(Shown { turn: Turn::Sooner, shown, mend: Some(policy.mend()) });
    }
    let lists = lists(case, wanted)?;
    known(
        Turn::Sooner,
        match (inside, lists.first()) {
            (true, _) => format!("{image} holds {rival}, and does not load {wanted} before it"),
            (false, Some(list)) => format!("{list} loads {wanted}, perhaps after udev loaded {rival}"),
            (false, None) => format!("nothing loads {wanted}; udev loads {rival} by the device's ids"),
        },
    )
}

/// What the lines for a rival make of it.
fn by_policy(
    policy: &Policy,
    view: &ModprobeView,
    rival: &ModuleName,
    wanted: &ModuleName,
) -> Option<(Turn, String)> {
    let in_image = std::ptr::eq(view, policy.of_driver(rival));
    let place = |origin: &Origin| match in_image {
        true => policy.place(rival, origin),
        false => modprobe_d::place(origin).to_string(),
    };
    // udev asks kmod to heed the blacklist.
    if let Some(origin) = view.blacklisted(rival) {
        return Some((Turn::Never, format!("{}: blacklist {rival}", place(&origin))));
    }
    // A softdep is loaded even where a command is run instead of the module.
    let names_wanted = |it: &Winner<Softdep>| it.value.pre.iter().any(|it| wanted.is_spelled(it));
    if let Some(softdep) = view.softdep(rival).filter(names_wanted) {
        return Some((Turn::Later, format!("{}: softdep {rival} pre: {wanted}", place(&softdep.origin))));
    }
    let install = view.install(rival)?;
    let shown = format!("{}: install {rival} {}", place(&install.origin), install.value);
    Some(match loads_nothing(&install.value) {
        true => (Turn::Never, shown),
        false => (Turn::Unknown, format!("{shown}, which may load what it likes")),
    })
}

/// Lists that load a module in the root file system.
fn lists(case: &Case<'_>, module: &ModuleName) -> Result<Vec<String>> {
    let lists = module_lookup::lists(case.host, module)?;
    Ok(lists.iter().map(|it| it.display().to_string()).collect())
}

/// Who would bind the device at the next boot.
pub(super) fn claim(case: &Case<'_>) -> Result<Link> {
    let mut evidence: Vec<String> = case.claim.iter().flat_map(evidence_of).collect();
    let mut by_driverctl = false;
    for name in [format!("pci-{}", case.device.address), case.device.address.to_string()] {
        let path = Path::new("/etc/driverctl.d").join(name);
        if let Some(driver) = case.host.attribute(&path)? {
            by_driverctl |= case.wanted.as_deref() == Some(driver.trim());
            evidence.push(format!("{}: {driver}", path.display()));
        }
    }
    if let (None, Some(claim)) = (&case.claim, &case.claim_of_root)
        && claim.to.is_some()
        && claim.to == case.wanted
    {
        evidence.extend(evidence_of(claim));
        let (driver, image) = (claim.to.as_deref().unwrap_or_default(), case.policy.image());
        let finding = match case.policy.is_builtin(&named(driver)?) {
            true => format!(
                "{driver} is built in, and no line of modprobe.d reaches it; {driver}.ids= on the kernel command line does"
            ),
            false => format!("{image} loads {driver} without these ids; {}", case.policy.mend()),
        };
        return Ok(Link::new("bound by", Standing::Blocks, finding, evidence));
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
            (Standing::Fact, "its own driver is held back, and no other is named".to_owned())
        }
        (Some(None), None) => (Standing::Fact, "its own driver is kept back".to_owned()),
        (None, Some(wanted)) if by_driverctl => {
            (Standing::Fact, format!("driverctl's file names {wanted} for it"))
        }
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
        if presence(case.host, &release, &module)? == Presence::BuiltIn {
            return Ok(format!("{module} is built into {release} and binds before any module"));
        }
        let image = case.distro.initramfs.image(case.host, &release)?;
        let contents = image_contents::read(case.host, &image)?;
        if matches!(&contents, Some(Ok(it)) if it.modules.contains(&module)) {
            let image = image.display();
            return Ok(format!("{image} holds {module}, which claims its ids and was loaded first"));
        }
    }
    Ok(format!("{module} claims its ids and was loaded first"))
}
