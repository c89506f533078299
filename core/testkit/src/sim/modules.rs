//! Loading modules: softdeps first, the driver is registered, and vfio-pci takes the ids it is loaded with.

use std::path::Path;
use std::rc::Rc;

use hoststate_core::formats::initramfs;
use hoststate_core::formats::kernel_cmdline::Cmdline;
use hoststate_core::formats::modprobe_conf::{ModprobeConf, ModprobeView, ModuleName};
use hoststate_core::formats::module_index::module_of_path;
use hoststate_core::formats::module_list::{ListKind, ModuleList};
use hoststate_core::formats::pci::parse_id_list;
use hoststate_core::machine::modprobe_d;
use hoststate_core::machine::pci_bus::DriverName;

use super::{SimHost, kernel};

/// A loaded module's directory has this file; that of a built-in one has not.
const LOADED: &str = "initstate";

/// Loads a module as the host's own modprobe.d wants it.
pub(super) fn modprobe(host: &SimHost, module: &str) {
    let policy = modprobe_d::view(&host.tree.view()).expect("a readable modprobe.d");
    load(host, module, &policy);
}

/// Loads the driver of a device that appeared, unless it is blacklisted: udev asks by the device's ids.
pub(super) fn load_for_device(host: &SimHost, driver: &str) {
    let policy = modprobe_d::view(&host.tree.view()).expect("a readable modprobe.d");
    let name = ModuleName::parse(driver).expect("the name of a module");
    if policy.blacklisted(&name).is_none() {
        load(host, driver, &policy);
    }
}

/// What the initramfs of a kernel loads before its udev starts, by the modprobe.d inside the image.
pub(super) fn load_from_image(host: &SimHost, release: &str, cmdline: &str) {
    let names = [format!("/boot/initrd.img-{release}"), format!("/boot/initramfs-{release}.img")];
    let read = |it: &String| host.tree.view().read_bytes(Path::new(it)).expect("a readable image");
    let Some(bytes) = names.iter().find_map(read) else { return };
    let image = initramfs::list_with(bytes.as_slice(), |_| true).expect("an image that was made here");
    let text = |path: &str| String::from_utf8_lossy(image.read(path).unwrap_or_default()).into_owned();
    let files = image.entries.iter().filter_map(|it| {
        let name = it.path.strip_prefix("etc/modprobe.d/")?;
        Some((0, name.to_owned(), Rc::new(ModprobeConf::parse(&text(&it.path)))))
    });
    let cmdline = Cmdline::parse(cmdline);
    let policy =
        ModprobeView::new(files.collect()).with_command_line(cmdline.parameters().map(|it| it.raw()));
    for module in ModuleList::parse(ListKind::InitramfsTools, &text("conf/modules")).modules() {
        load(host, module, &policy);
    }
    for entry in image.entries.iter().filter(|it| it.path.starts_with("etc/cmdline.d/")) {
        for parameter in
            Cmdline::parse(&text(&entry.path)).parameters().filter(|it| it.name() == "rd.driver.pre")
        {
            parameter.value().into_iter().flat_map(|it| it.split(',')).for_each(|it| load(host, it, &policy));
        }
    }
    // Then the image's udev sees the devices, and finds the modules that are inside.
    let inside: Vec<ModuleName> = image.entries.iter().filter_map(|it| module_of_path(&it.path)).collect();
    for device in kernel::all(host).iter().filter(|it| it.driver.is_none()) {
        let driver = kernel::native(host, device).and_then(|it| ModuleName::parse(&it).ok());
        if let Some(driver) = driver.filter(|it| inside.contains(it) && policy.blacklisted(it).is_none()) {
            load_from(host, driver.as_str(), &policy, &mut Vec::new(), &|it| inside.contains(it));
        }
    }
}

/// What systemd-modules-load loads.
pub(super) fn load_listed(host: &SimHost) {
    let directory = Path::new("/etc/modules-load.d");
    for name in host.tree.view().list(directory).expect("a readable directory") {
        let text = host.tree.read(directory.join(name)).unwrap_or_default();
        for module in ModuleList::parse(ListKind::ModulesLoad, &text).modules() {
            modprobe(host, module);
        }
    }
}

/// A boot unloads everything.
pub(super) fn forget(host: &SimHost) {
    host.claimed.borrow_mut().clear();
    let directory = Path::new("/sys/module");
    let view = host.tree.view();
    for name in view.list(directory).expect("a readable directory") {
        let module = directory.join(name);
        if view.exists(&module.join(LOADED)).expect("a searchable directory") {
            host.tree.remove(module);
        }
    }
}

fn load(host: &SimHost, module: &str, policy: &ModprobeView) {
    load_from(host, module, policy, &mut Vec::new(), &|_| true);
}

/// Loads a module that is there, after what its softdep names; `under_way` ends circles of softdeps, as kmod does.
fn load_from(
    host: &SimHost,
    module: &str,
    policy: &ModprobeView,
    under_way: &mut Vec<ModuleName>,
    is_there: &dyn Fn(&ModuleName) -> bool,
) {
    // What cannot be a name is no module, and modprobe finds none.
    let Ok(name) = ModuleName::parse(module) else { return };
    let Ok(driver) = DriverName::try_from(module.to_owned()) else { return };
    if under_way.contains(&name) || !is_there(&name) {
        return;
    }
    under_way.push(name.clone());
    if let Some(softdep) = policy.softdep(&name) {
        softdep.value.pre.iter().for_each(|it| load_from(host, it, policy, under_way, is_there));
    }
    if policy.never_loaded(&name).is_some() {
        return;
    }
    let known = host.native.iter().map(|(_, driver)| driver.clone()).collect::<Vec<_>>();
    let driver = driver.spelled_by_kernel(&known);
    let view = host.tree.view();
    if view.exists(Path::new("/sys/module")).expect("a searchable directory") {
        host.tree.write(format!("/sys/module/{}/{LOADED}", name.as_str()), "live\n");
    }
    let is_registered = Path::new("/sys/bus/pci/drivers").join(driver).join("bind");
    if view.exists(&is_registered).expect("a searchable directory") {
        return;
    }
    if name.is_spelled("vfio_pci") {
        let ids = policy.effective_option(&name, "ids").map(|it| parse_id_list(&it.value).patterns);
        *host.claimed.borrow_mut() = ids.unwrap_or_default();
    }
    kernel::register(host, driver);
}
