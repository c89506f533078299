//! The stages of the boot as the host's files give them: the kernel, its image in the order of its generator, the root.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::rc::Rc;

use hoststate_abi::host_view::HostView;
use hoststate_abi::pci_address::PciAddress;

use super::coming::{Coming, Source};
use super::kmod::{Kernel, Place};
use super::play::{Function, Player, Registered};
use super::rules::Rules;
use super::{Fate, Stage, coming, driverctl, rebuilt, rules, scripts, units};
use crate::error::{Error, Result};
use crate::formats::kernel_cmdline::{Cmdline, Parameter};
use crate::formats::modprobe_conf::{ModprobeView, ModuleName};
use crate::formats::module_index::{ModulesDep, module_of_path};
use crate::formats::module_list::{ListKind, ModuleList};
use crate::machine::image_contents::{self, Contents};
use crate::machine::kernels::{self, modules_directory};
use crate::machine::modprobe_d;
use crate::machine::module_lookup;
use crate::machine::pci_bus::driver_name::is_for_guests;
use crate::machine::pci_bus::{self, PciDevice};
use crate::mechanism::distro::{Distro, Initramfs};
use crate::next_boot::{Menu, iommu};

/// Base class of bridges (include/linux/pci_ids.h).
const BRIDGE: u32 = 0x06;

/// The list of initramfs-tools in its image (scripts/functions, `load_modules`).
pub(super) const CONF_MODULES: &str = "conf/modules";

/// What comes behind other drivers in the kernel (drivers/Makefile, Makefile): vfio stands before these.
const BEHIND_VFIO: [&str; 6] =
    ["drivers/usb/", "drivers/input/", "drivers/rtc/", "drivers/mmc/", "drivers/platform/", "sound/"];

/// A name to load, its arguments, and what asks for it.
type List = Vec<(String, Option<String>, String)>;

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
    let names = pci_bus::registered(host)?;
    let image = distro.initramfs.image(host, &release)?;
    let contents = image_contents::read(host, &image)?;
    let is_menu_unread = entry.is_none() && menu.is_withheld;
    let mut unread = is_menu_unread.then(|| menu.choice.because.clone());
    let contents: Option<Rc<Contents>> = match contents {
        Some(Ok(old)) if anew.contains(&release.as_str()) => {
            Some(Rc::new(rebuilt::contents(host, &*distro.initramfs, &kernel, &old)?))
        }
        Some(Ok(contents)) => Some(contents),
        Some(Err(why)) => {
            unread = Some(format!("{} cannot be read: {why}", image.display()));
            None
        }
        None => None,
    };
    let policy = modprobe_d::read_for(host, Some(&release), &words)?;
    let root = rules::of_root(host)?;
    let in_image = contents.as_ref().map(|it| InImage::of(it, &words, &image));
    let mut sources = vec![Source { rules: &root, policy: &policy, in_image: false }];
    sources.extend(in_image.iter().map(|it| Source { rules: &it.rules, policy: &it.policy, in_image: true }));
    let written = rules::tmpfiles(host)?;
    let coming = coming::find(host, &devices, &sources, &written)?;
    let made: BTreeSet<PciAddress> = coming.iter().map(|it| it.device.address).collect();
    let there = devices.iter().filter(|it| !made.contains(&it.address)).map(|it| (it, None));
    let all = there.chain(coming.iter().map(|it| (&it.device, Some(it))));
    let functions = functions(host, &kernel, &release, all, &names)?;
    let iommu = iommu::of(host, Some(&release), &words)?;
    let mut player = Player::new(&functions, &words, &iommu, &names, &release);
    player.built_in(&kernel, &|it| ranks.get(it).copied().unwrap_or_default());
    if let Some(it) = &in_image {
        it.play(&mut player, &kernel, &words, &*distro.initramfs);
    }
    let place = Place {
        kernel: &kernel,
        policy: &policy,
        aliases: policy.aliases(),
        holds: None,
        words: &words,
        kept_back: Vec::new(),
        name: "",
    };
    player.asked_by_id =
        policy.effective_option(&vfio()?, "ids").map(|it| (it.value, place.place(&it.origin)));
    player.udev(&place, Stage::RootUdev, &|it| rules::matching(&root, it), &modules_load(host)?);
    player.driverctl(&place, &driverctl::overrides(host)?);
    for bundle in units::scripts_of_root(host)? {
        let driver = bundle.iter().find_map(|it| scripts::driver(&it.0));
        for (text, place) in bundle {
            player.script(&text, &place, driver.as_deref());
        }
    }
    for it in written.iter().filter(|it| it.value == "1") {
        if let Some(address) = rules::owner(&it.target, "remove") {
            player.remove(address, format!("{} takes {address} off the bus", it.place));
        }
    }
    Ok(player.fates(unread.as_deref()))
}

fn vfio() -> Result<ModuleName> {
    ModuleName::parse("vfio_pci").map_err(|err| Error::Invalid { what: err.to_string(), hint: None })
}

/// What is read of the image.
struct InImage<'a> {
    contents: &'a Contents,
    policy: ModprobeView,
    rules: Rules,
    name: String,
}

impl<'a> InImage<'a> {
    fn of(contents: &'a Contents, words: &Cmdline, image: &Path) -> Self {
        let name = image.display().to_string();
        let (policy, rules) = (contents.modprobe(words), rules::of_image(contents, &name));
        Self { contents, policy, rules, name }
    }

    /// Plays what the image does, in the order of the generator that made it.
    fn play(&self, player: &mut Player<'_>, kernel: &Kernel, words: &Cmdline, generator: &dyn Initramfs) {
        let Self { contents, policy, name, .. } = self;
        let is_dracut = generator.name() == "dracut";
        // What dracut loads in the end it keeps from udev before.
        let own: &[&str] =
            if is_dracut { &["rd.driver.blacklist", "rd.driver.post"] } else { &["blacklist"] };
        let place = Place {
            kernel,
            policy,
            aliases: policy.aliases(),
            holds: Some(&contents.modules),
            words,
            kept_back: own
                .iter()
                .flat_map(|it| values(words, it))
                .map(|(value, word)| (value, word.raw().to_owned()))
                .collect(),
            name,
        };
        let rules = |device: &PciDevice| rules::matching(&self.rules, device);
        for (text, place) in scripts::of_image(contents, name) {
            player.script(text, &place, scripts::driver(text).as_deref());
        }
        if is_dracut {
            let mut early: List = named(words, "rd.driver.pre", "the kernel command line");
            for path in contents.files.keys().filter(|it| it.starts_with("etc/cmdline.d/")) {
                let line = Cmdline::parse(contents.text(path));
                early.extend(named(&line, "rd.driver.pre", &format!("/{path} in {name}")));
            }
            // `modprobe` without `-b` (dracut, modules.d/90kernel-modules/parse-kernel.sh, insmodpost.sh).
            player.list(&place, (Stage::ImageList, false), &early);
            let mut beside = Vec::new();
            for path in contents.files.keys().filter(|it| it.starts_with("etc/modules-load.d/")) {
                let list = ModuleList::parse(ListKind::ModulesLoad, contents.text(path));
                let because = format!("/{path} in {name}");
                beside.extend(list.modules().iter().map(|it| ((*it).to_owned(), None, because.clone())));
            }
            player.udev(&place, Stage::ImageUdev, &rules, &beside);
            let late = named(words, "rd.driver.post", "the kernel command line");
            player.list(&place, (Stage::ImageList, false), &late);
            return;
        }
        player.udev(&place, Stage::ImageUdev, &rules, &[]);
        let because = format!("/{CONF_MODULES} in {name}");
        let list = ModuleList::parse(ListKind::InitramfsTools, contents.text(CONF_MODULES));
        let entry = |(module, arguments): (&str, Option<&str>)| {
            (module.to_owned(), arguments.map(str::to_owned), because.clone())
        };
        let before = player.moment();
        player.list(
            &place,
            (Stage::ImageList, true),
            &list.entries().into_iter().map(entry).collect::<List>(),
        );
        // udev is still there.
        player.arrive(&place, Stage::ImageList, &rules, &before);
    }
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
    let Some(files) = host.parsed(&directory.join("modules.dep"), ModulesDep::parse)? else {
        return Ok(None);
    };
    let lacks_noiommu = kernels::has_option(host, release, "CONFIG_VFIO_NOIOMMU")? == Some(false);
    let mut kernel = Kernel { files, lacks_noiommu, ..Kernel::default() };
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

/// The functions with the modules that claim them. Where no index names the driver that a function has, that is one.
fn functions<'a>(
    host: &HostView,
    kernel: &Kernel,
    release: &str,
    devices: impl Iterator<Item = (&'a PciDevice, Option<&'a Coming>)>,
    names: &Registered,
) -> Result<Vec<Function<'a>>> {
    let mut functions = Vec::new();
    let loaded = host.read_lossy(Path::new("/proc/modules"))?;
    // What is no module of the kernel and was not loaded is part of it, though no index says so: pcieportdrv.
    let is_part = |module: &ModuleName| {
        let is_known = kernel.files.contains(module) || kernel.builtin.contains(module);
        let was_loaded =
            |it: &str| it.lines().any(|it| it.split(' ').next().is_some_and(|it| module.is_spelled(it)));
        !is_known && loaded.as_deref().is_some_and(|it| !was_loaded(it))
    };
    for (device, coming) in devices {
        let mut modules = pci_bus::modules(host, release, device)?;
        let has_it = |it: &&String| device.driver.as_ref() == Some(*it);
        let of_driver = names.iter().find(|it| it.1.iter().any(|it| has_it(&it))).map(|it| it.0.clone());
        let is_part = of_driver.as_ref().is_some_and(is_part);
        if let Some(module) =
            of_driver.filter(|it| modules.is_empty() && !is_part && !it.as_str().contains("vfio"))
        {
            modules.push(module);
        }
        // A tree may have no index; then the module of that name is its driver's.
        if let Some(driver) = device.driver.as_deref().filter(|it| modules.is_empty() && !is_for_guests(it)) {
            let module = ModuleName::parse(driver).ok();
            modules.extend(module.and_then(|it| kernel.files.path(&it).and_then(module_of_path)));
        }
        let built_in = match device.driver.as_deref().filter(|it| !is_for_guests(it)) {
            Some(driver) if is_part => Some(driver.to_owned()),
            Some(driver) if !names.values().flatten().any(|it| it == driver) => {
                let is_known = host.is_dir(&Path::new("/sys/bus/pci/drivers").join(driver))?;
                let is_own = modules.iter().any(|it| it.is_spelled(driver));
                (modules.is_empty() || is_known && !is_own).then(|| driver.to_owned())
            }
            _ => None,
        };
        // A host bridge and an NVSwitch are of the class of bridges, and none by their header.
        let is_bridge = device.id.class >> 16 == BRIDGE && device.has_bridge_header(host)?;
        functions.push(Function { device, modules, built_in, is_bridge, coming });
    }
    Ok(functions)
}

/// The lists of systemd-modules-load.
fn modules_load(host: &HostView) -> Result<List> {
    let mut list = Vec::new();
    for path in rules::files(host, &module_lookup::LISTS, ".conf")? {
        let parsed = host.parsed(&path, |text| ModuleList::parse(ListKind::ModulesLoad, text))?;
        let because = path.display().to_string();
        for name in parsed.iter().flat_map(|it| it.modules()) {
            list.push((name.to_owned(), None, because.clone()));
        }
    }
    Ok(list)
}
