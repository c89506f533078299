//! The stages of the boot as the host's files give them: the kernel, its image in the order of its generator, the root.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use hoststate_abi::host_view::HostView;

use super::kmod::{Kernel, Place};
use super::play::{Function, Player, Rule};
use super::{Certainty, Fate, Stage, rebuilt};
use crate::error::Result;
use crate::formats::kernel_cmdline::{Cmdline, Parameter};
use crate::formats::modprobe_conf::{ModprobeView, ModuleName};
use crate::formats::module_index::{ModulesDep, module_of_path};
use crate::formats::module_list::{ListKind, ModuleList};
use crate::formats::udev_rules::rule::{self, UdevRule};
use crate::machine::image_contents::{self, Contents};
use crate::machine::kernels::{self, modules_directory};
use crate::machine::modprobe_d;
use crate::machine::module_lookup;
use crate::machine::pci_bus::driver_name::is_for_guests;
use crate::machine::pci_bus::{self, PciDevice};
use crate::mechanism::distro::{Distro, Initramfs};
use crate::next_boot::{Menu, iommu};

/// Where rules that no package changes by itself are.
const RULES: [&str; 2] = ["/etc/udev/rules.d", "/run/udev/rules.d"];

/// The list of initramfs-tools in its image (scripts/functions, `load_modules`).
pub(super) const CONF_MODULES: &str = "conf/modules";

/// What comes behind other drivers in the kernel (drivers/Makefile, Makefile): vfio stands before these.
const BEHIND_VFIO: [&str; 6] =
    ["drivers/usb/", "drivers/input/", "drivers/rtc/", "drivers/mmc/", "drivers/platform/", "sound/"];

/// A name to load, its arguments, and what asks for it.
type List = Vec<(String, Option<String>, String)>;

/// A rules file by its path, as it is to be named.
type Rules = Vec<(String, Rc<Vec<UdevRule>>)>;

/// Returns what becomes of every PCI function when the entry of `menu` boots, with images as they are.
///
/// # Errors
/// As [`planned`].
pub fn of(host: &HostView, distro: &Distro, menu: &Menu) -> Result<Vec<Fate>> {
    planned(host, distro, menu, &[])
}

/// Returns what becomes of every PCI function when the entry of `menu` boots; the images of some kernels are made anew
/// before that.
///
/// # Errors
/// When the host cannot be read.
pub fn planned(host: &HostView, distro: &Distro, menu: &Menu, anew: &[&str]) -> Result<Vec<Fate>> {
    let devices = pci_bus::devices(host)?;
    if devices.is_empty() {
        return Ok(Vec::new());
    }
    let entry = menu.taken();
    let running = host.attribute(Path::new("/proc/cmdline"))?.unwrap_or_default();
    let words = Cmdline::parse(entry.map_or(running.as_str(), |it| it.cmdline.as_str()));
    let of_entry = entry.and_then(|it| it.kernel.clone());
    let release = match of_entry {
        Some(release) => Some(release),
        None => kernels::running(host)?.or(kernels::installed(host)?.0.last().cloned()),
    };
    let Some(release) = release else {
        return Ok(devices.iter().map(|it| Fate::unknown(it, "no kernel is known")).collect());
    };
    let Some((kernel, ranks)) = kernel(host, &release)? else {
        let why = format!("{} has no modules.dep", modules_directory(&release).display());
        return Ok(devices.iter().map(|it| Fate::unknown(it, &why)).collect());
    };
    let names = names(host)?;
    let functions = functions(host, &kernel, &release, &devices, &names)?;
    let iommu = iommu::of(host, Some(&release), &words)?;
    let mut player = Player::new(&functions, &words, &iommu, &names);
    player.built_in(&kernel, &|it| ranks.get(it).copied().unwrap_or_default());
    let image = distro.initramfs.image(host, &release)?;
    let contents = image_contents::read(host, &image)?;
    let is_menu_unread = entry.is_none() && menu.is_withheld;
    let mut unread = is_menu_unread.then(|| menu.choice.because.clone());
    match &contents {
        Some(Ok(old)) if anew.contains(&release.as_str()) => {
            let contents = rebuilt::contents(host, &*distro.initramfs, &kernel, old)?;
            in_image(&mut player, &kernel, &words, &*distro.initramfs, &image, &contents);
        }
        Some(Ok(contents)) => {
            in_image(&mut player, &kernel, &words, &*distro.initramfs, &image, contents);
        }
        Some(Err(why)) => unread = Some(format!("{} cannot be read: {why}", image.display())),
        None => {}
    }
    let policy = modprobe_d::read_for(host, Some(&release), &words)?;
    let place = Place {
        kernel: &kernel,
        policy: &policy,
        aliases: policy.aliases(),
        holds: None,
        words: &words,
        kept_back: Vec::new(),
        name: "",
    };
    let rules = rules_of_root(host)?;
    player.udev(&place, Stage::RootUdev, &|it| matching(&rules, it), &modules_load(host)?);
    let mut fates = player.fates();
    if let Some(why) = unread {
        for (fate, function) in fates.iter_mut().zip(&functions) {
            // Where one driver alone claims a function it does not matter who loads it.
            let is_alone = function.modules.len() <= 1 && fate.next == fate.now;
            if !is_alone {
                fate.certainty = Certainty::Unknown { reason: why.clone() };
            }
        }
    }
    Ok(fates)
}

/// Plays what the image does, in the order of the generator that made it.
fn in_image(
    player: &mut Player<'_>,
    kernel: &Kernel,
    words: &Cmdline,
    generator: &dyn Initramfs,
    image: &Path,
    contents: &Contents,
) {
    let name = image.display().to_string();
    let policy: ModprobeView = contents.modprobe(words);
    let is_dracut = generator.name() == "dracut";
    let own = if is_dracut { "rd.driver.blacklist" } else { "blacklist" };
    let place = Place {
        kernel,
        policy: &policy,
        aliases: policy.aliases(),
        holds: Some(&contents.modules),
        words,
        kept_back: values(words, own)
            .into_iter()
            .map(|(value, word)| (value, word.raw().to_owned()))
            .collect(),
        name: &name,
    };
    let rules = rules_of_image(contents, &name);
    let rules = |device: &PciDevice| matching(&rules, device);
    if is_dracut {
        let mut early: List = named(words, "rd.driver.pre", "the kernel command line");
        for path in contents.files.keys().filter(|it| it.starts_with("etc/cmdline.d/")) {
            let line = Cmdline::parse(contents.text(path));
            early.extend(named(&line, "rd.driver.pre", &format!("/{path} in {name}")));
        }
        player.list(&place, Stage::ImageList, &early);
        let mut beside = Vec::new();
        for path in contents.files.keys().filter(|it| it.starts_with("etc/modules-load.d/")) {
            let list = ModuleList::parse(ListKind::ModulesLoad, contents.text(path));
            let because = format!("/{path} in {name}");
            beside.extend(list.modules().iter().map(|it| ((*it).to_owned(), None, because.clone())));
        }
        player.udev(&place, Stage::ImageUdev, &rules, &beside);
        player.list(&place, Stage::ImageList, &named(words, "rd.driver.post", "the kernel command line"));
        return;
    }
    player.udev(&place, Stage::ImageUdev, &rules, &[]);
    let because = format!("/{CONF_MODULES} in {name}");
    let list = ModuleList::parse(ListKind::InitramfsTools, contents.text(CONF_MODULES));
    let entry = |(module, arguments): (&str, Option<&str>)| {
        (module.to_owned(), arguments.map(str::to_owned), because.clone())
    };
    player.list(&place, Stage::ImageList, &list.entries().into_iter().map(entry).collect::<List>());
}

/// The parts of all values of the words of a name.
fn values<'a>(words: &'a Cmdline, name: &str) -> Vec<(String, &'a Parameter)> {
    let words = words.parameters().filter(|it| it.same_name(name));
    words
        .flat_map(|it| {
            it.value().into_iter().flat_map(|it| it.split(',')).map(move |part| (part.to_owned(), it))
        })
        .collect()
}

fn named(words: &Cmdline, name: &str, place: &str) -> List {
    values(words, name)
        .into_iter()
        .map(|(value, word)| (value, None, format!("{place}: {}", word.raw())))
        .collect()
}

/// Reads what a kernel has; the ranks are the order in which built-in drivers come. `None` without `modules.dep`.
fn kernel(host: &HostView, release: &str) -> Result<Option<(Kernel, BTreeMap<ModuleName, usize>)>> {
    let directory = modules_directory(release);
    let Some(text) = host.read_lossy(&directory.join("modules.dep"))? else { return Ok(None) };
    let mut kernel = Kernel::default();
    let files = ModulesDep::parse(&text);
    for module in text.lines().filter_map(|it| module_of_path(it.split_once(':')?.0)) {
        let needs = files.dependencies(&module).into_iter().rev().filter_map(module_of_path).collect();
        kernel.needs.insert(module, needs);
    }
    let builtin = host.read_lossy(&directory.join("modules.builtin"))?.unwrap_or_default();
    let mut ranks = BTreeMap::new();
    for path in builtin.lines() {
        let Some(module) = module_of_path(path.trim()) else { continue };
        let is_behind = BEHIND_VFIO.iter().any(|it| path.contains(&format!("kernel/{it}")));
        let is_vfio = path.contains("drivers/vfio/");
        ranks.insert(module.clone(), usize::from(is_vfio) + 2 * usize::from(is_behind));
        kernel.builtin.insert(module);
    }
    Ok(Some((kernel, ranks)))
}

/// The names that drivers registered, by their modules.
fn names(host: &HostView) -> Result<BTreeMap<ModuleName, String>> {
    let mut names = BTreeMap::new();
    let drivers = Path::new("/sys/bus/pci/drivers");
    for name in host.list(drivers)? {
        let link = host.link_target(&drivers.join(&name).join("module"))?;
        let module = link.as_deref().and_then(Path::file_name).and_then(|it| it.to_str());
        if let Some(module) = module.and_then(|it| ModuleName::parse(it).ok()) {
            names.insert(module, name);
        }
    }
    Ok(names)
}

/// The functions with the modules that claim them. Where no index names the driver that a function has, that is one.
fn functions<'a>(
    host: &HostView,
    kernel: &Kernel,
    release: &str,
    devices: &'a [PciDevice],
    names: &BTreeMap<ModuleName, String>,
) -> Result<Vec<Function<'a>>> {
    let mut functions = Vec::new();
    for device in devices {
        let mut modules = pci_bus::modules(host, release, device)?;
        let of_driver = names.iter().find(|it| Some(it.1) == device.driver.as_ref()).map(|it| it.0.clone());
        if let Some(module) = of_driver.filter(|it| modules.is_empty() && !it.as_str().contains("vfio")) {
            modules.push(module);
        }
        // A tree may have no index; then the module of that name is its driver's.
        if let Some(driver) = device.driver.as_deref().filter(|it| modules.is_empty() && !is_for_guests(it)) {
            modules.extend(kernel.needs.keys().find(|it| it.is_spelled(driver)).cloned());
        }
        let built_in = match device.driver.as_deref().filter(|it| !is_for_guests(it)) {
            Some(driver) if !names.values().any(|it| it == driver) => {
                let is_known = host.is_dir(&Path::new("/sys/bus/pci/drivers").join(driver))?;
                let is_own = modules.iter().any(|it| it.is_spelled(driver));
                (modules.is_empty() || is_known && !is_own).then(|| driver.to_owned())
            }
            _ => None,
        };
        functions.push(Function { device, modules, built_in });
    }
    Ok(functions)
}

/// The files of directories in the order of their names; a file of an earlier directory hides its namesakes in later
/// ones (udev(7), modules-load.d(5)).
fn files(host: &HostView, directories: &[&str], ending: &str) -> Result<Vec<PathBuf>> {
    let mut files: BTreeMap<String, PathBuf> = BTreeMap::new();
    for directory in directories.iter().map(Path::new) {
        for name in host.list(directory)?.into_iter().filter(|it| it.ends_with(ending)) {
            files.entry(name).or_insert_with_key(|it| directory.join(it));
        }
    }
    Ok(files.into_values().collect())
}

fn rules_of_root(host: &HostView) -> Result<Rules> {
    let mut rules = Vec::new();
    for path in files(host, &RULES, ".rules")? {
        if let Some(parsed) = host.parsed(&path, rule::parse)? {
            rules.push((path.display().to_string(), parsed));
        }
    }
    Ok(rules)
}

fn rules_of_image(contents: &Contents, image: &str) -> Rules {
    let is_rule = |it: &&String| it.contains("udev/rules.d/") && it.ends_with(".rules");
    let files: BTreeSet<&String> = contents.files.keys().filter(is_rule).collect();
    files
        .into_iter()
        .map(|it| (format!("/{it} in {image}"), Rc::new(rule::parse(contents.text(it)))))
        .collect()
}

/// Returns what rules say about a function.
fn matching(rules: &Rules, device: &PciDevice) -> Vec<Rule> {
    let mut found = Vec::new();
    for (file, rules) in rules {
        for rule in rules.iter() {
            let runs: Vec<&str> =
                rule.pairs.iter().filter(|it| it.key == "RUN").map(|it| it.value.as_str()).collect();
            let driver = rule.assigned("driver_override").map(str::trim).filter(|it| !it.is_empty());
            let removes = rule.assigned("remove").is_some_and(|it| it.trim() == "1");
            let moves = |it: &&str| {
                ["unbind", "driver_override", "new_id", "/bind"].iter().any(|word| it.contains(word))
            };
            let is_moving = runs.iter().any(moves);
            if driver.is_none() && !removes && !is_moving {
                continue;
            }
            if !rule.may_match(|key, name| pci_bus::rule_values::of(device, key, name)) {
                continue;
            }
            let loads =
                runs.iter().find_map(|it| it.strip_prefix("kmod load ")).map(|it| it.trim().to_owned());
            let probes = runs.iter().any(|it| it.contains("unbind") && it.contains("drivers_probe"));
            found.push(Rule {
                driver: driver.map(str::to_owned),
                loads,
                rebinds: probes,
                removes,
                unclear: is_moving && !probes,
                place: format!("{file}:{}", rule.line),
            });
        }
    }
    found
}

/// The lists of systemd-modules-load.
fn modules_load(host: &HostView) -> Result<List> {
    let mut list = Vec::new();
    for path in files(host, &module_lookup::LISTS, ".conf")? {
        let parsed = host.parsed(&path, |text| ModuleList::parse(ListKind::ModulesLoad, text))?;
        let because = path.display().to_string();
        for name in parsed.iter().flat_map(|it| it.modules()) {
            list.push((name.to_owned(), None, because.clone()));
        }
    }
    Ok(list)
}
