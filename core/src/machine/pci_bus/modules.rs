//! Which kernel modules claim a device.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::rc::Rc;

use hoststate_abi::host_view::HostView;
use hoststate_abi::host_view::predicted::Prediction;

use super::driver_name::is_for_guests;
use super::{DRIVERS, DriverName, PciDevice, devices, drivers};
use crate::error::Result;
use crate::formats::modprobe_conf::ModuleName;
use crate::formats::module_index::{ModulesAlias, ModulesBuiltin, ModulesDep};
use crate::machine::kernels::{self, modules_directory};
use crate::machine::modprobe_d;

/// The modules of one kernel, by modalias of the devices that are there.
type Claims = Rc<HashMap<String, Vec<ModuleName>>>;

/// The modules of the devices of a view, by kernel. An index of 40,000 aliases is read once, for all devices.
#[derive(Debug, Default)]
struct Claimed {
    by_kernel: RefCell<BTreeMap<String, Claims>>,
}

/// Returns the modules of a kernel whose aliases match a device, in the order of `modules.alias`, each once.
///
/// Modules that exist neither as a file nor in the kernel are left out. None for a kernel without indexes.
///
/// # Errors
/// When an index exists and cannot be read.
pub fn modules(host: &HostView, kernel_release: &str, device: &PciDevice) -> Result<Vec<ModuleName>> {
    let claimed = host.derived(|_, old: Option<(Rc<Claimed>, &[Prediction])>| -> Result<Claimed> {
        let directory = Path::new("/lib/modules");
        Ok(match old {
            // What a playbook writes is elsewhere.
            Some((old, written)) if !written.iter().any(|it| it.path.starts_with(directory)) => {
                Claimed { by_kernel: RefCell::new(old.by_kernel.borrow().clone()) }
            }
            _ => Claimed::default(),
        })
    })?;
    let known = claimed.by_kernel.borrow().get(kernel_release).cloned();
    // One that is still to come is asked about as well.
    let claims = match known.filter(|it| it.contains_key(&device.modalias)) {
        Some(claims) => claims,
        None => {
            let claims = Rc::new(claims(host, kernel_release, &device.modalias)?);
            claimed.by_kernel.borrow_mut().insert(kernel_release.to_owned(), Rc::clone(&claims));
            claims
        }
    };
    Ok(claims.get(&device.modalias).cloned().unwrap_or_default())
}

/// Returns the driver that a device has where nobody decides otherwise: that of the first module of the running kernel that
/// claims it, is not blacklisted and keeps it for the host. `None` where no module does.
///
/// # Errors
/// When the host cannot be read.
pub fn own_driver(host: &HostView, device: &PciDevice) -> Result<Option<String>> {
    let Some(release) = kernels::running(host)? else { return Ok(None) };
    let (drivers, registered) = (drivers(host)?, registered(host)?);
    let policy = modprobe_d::view(host)?;
    for module in modules(host, &release, device)? {
        let Ok(driver) = DriverName::try_from(module.to_string()) else { continue };
        if policy.blacklisted(&module).is_none() && !is_for_guests(driver.as_str()) {
            // A loaded module shows what it calls its driver: that of bochs is bochs-drm.
            let named = registered.get(&module).map(Vec::as_slice).unwrap_or_default();
            let named = named.iter().find(|it| driver.is_spelled(it)).or(named.first());
            return Ok(Some(named.cloned().unwrap_or_else(|| driver.spelled_by_kernel(&drivers).to_owned())));
        }
    }
    Ok(None)
}

/// Returns the names of the registered PCI drivers by their modules; most modules have one.
///
/// # Errors
/// When a link cannot be read.
pub fn registered(host: &HostView) -> Result<BTreeMap<ModuleName, Vec<String>>> {
    let mut registered: BTreeMap<ModuleName, Vec<String>> = BTreeMap::new();
    for name in drivers(host)? {
        let link = host.link_target(&Path::new(DRIVERS).join(&name).join("module"))?;
        let module = link.as_deref().and_then(Path::file_name).and_then(|it| it.to_str());
        if let Some(module) = module.and_then(|it| ModuleName::parse(it).ok()) {
            registered.entry(module).or_default().push(name);
        }
    }
    Ok(registered)
}

fn claims(host: &HostView, kernel_release: &str, asked: &str) -> Result<HashMap<String, Vec<ModuleName>>> {
    let directory = modules_directory(kernel_release);
    let text =
        |name: &str| -> Result<String> { Ok(host.read_lossy(&directory.join(name))?.unwrap_or_default()) };
    let alias = text("modules.alias")?;
    let files = host.parsed(&directory.join("modules.dep"), ModulesDep::parse)?.unwrap_or_default();
    let builtin = host.parsed(&directory.join("modules.builtin"), ModulesBuiltin::parse)?.unwrap_or_default();
    let builtin_aliases = builtin_aliases(host, &directory)?;
    let alias = ModulesAlias::parse(&alias);
    let builtin_aliases = ModulesAlias::parse(&builtin_aliases);
    let mut claims = HashMap::new();
    let devices = devices(host)?;
    for modalias in devices.iter().map(|it| it.modalias.as_str()).chain([asked]) {
        if claims.contains_key(modalias) {
            continue;
        }
        let mut modules = alias.resolve(modalias);
        for module in builtin_aliases.resolve(modalias) {
            if !modules.contains(&module) {
                modules.push(module);
            }
        }
        modules.retain(|it| files.contains(it) || builtin.contains(it));
        claims.insert(modalias.to_owned(), modules);
    }
    Ok(claims)
}

/// The aliases of modules linked into the kernel, from `modules.builtin.modinfo`, in the syntax of `modules.alias`.
///
/// The file holds `module.key=value` texts that end in NUL (scripts/Makefile.vmlinux; Linux 5.2 and later).
fn builtin_aliases(host: &HostView, directory: &Path) -> Result<String> {
    let bytes = host.read_bytes(&directory.join("modules.builtin.modinfo"))?.unwrap_or_default();
    let mut text = String::new();
    for entry in bytes.split(|it| *it == 0) {
        let entry = String::from_utf8_lossy(entry);
        let alias = entry.split_once(".alias=");
        if let Some((module, alias)) = alias.filter(|(_, alias)| alias.starts_with("pci:")) {
            text.push_str(&format!("alias {} {module}\n", alias.replace('-', "_")));
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use hoststate_testkit::pci::SysfsDevice;
    use hoststate_testkit::tree::Tree;

    use super::{modules, own_driver};
    use crate::machine::pci_bus::devices;

    fn check(release: &str, expect: Expect) {
        let tree = Tree::new(&[
            (
                "/lib/modules/6.8.0/modules.alias",
                "alias pci:v000010DEd*sv*sd*bc03sc00i00* nouveau\n\
                 alias pci:v000010DEd*sv*sd*bc03sc00i00* nvidia\n\
                 alias pci:v00008086d000010C9sv*sd*bc*sc*i* igb\n",
            ),
            ("/lib/modules/6.8.0/modules.dep", "kernel/nouveau.ko.zst: kernel/ttm.ko.zst\n"),
            ("/lib/modules/6.8.0/modules.builtin", "kernel/igb.ko\nkernel/nvme.ko\n"),
            (
                "/lib/modules/6.8.0/modules.builtin.modinfo",
                "nvme.license=GPL\0nvme.alias=pci:v*d*sv*sd*bc01sc08i02*\0",
            ),
        ]);
        SysfsDevice::new("0000:01:00.0", 0x10de, 0x0ffc, 0x03_0000).write(&tree);
        SysfsDevice::new("0000:02:00.0", 0x144d, 0xa808, 0x01_0802).write(&tree);
        SysfsDevice::igb("0000:3b:00.0").write(&tree);
        let view = tree.view();
        let mut text = String::new();
        for device in devices(&view).unwrap().iter() {
            let names: Vec<String> =
                modules(&view, release, device).unwrap().iter().map(ToString::to_string).collect();
            text.push_str(&format!("{}: {}\n", device.address, names.join(" ")));
        }
        expect.assert_eq(&text);
    }

    #[test]
    fn modules_that_exist_and_claim_the_device_are_found() {
        check(
            "6.8.0",
            expect![[r#"
            0000:01:00.0: nouveau
            0000:02:00.0: nvme
            0000:3b:00.0: igb
        "#]],
        );
    }

    #[test]
    fn the_own_driver_is_called_as_its_loaded_module_calls_it() {
        let tree = Tree::new(&[
            ("/proc/sys/kernel/osrelease", "6.8.0\n"),
            ("/lib/modules/6.8.0/modules.alias", "alias pci:v00001234d00001111sv*sd*bc*sc*i* bochs\n"),
            ("/lib/modules/6.8.0/modules.dep", "kernel/bochs.ko:\n"),
        ]);
        SysfsDevice::new("0000:01:00.0", 0x1234, 0x1111, 0x03_8000).write(&tree);
        let own = || {
            let view = tree.view();
            own_driver(&view, &devices(&view).unwrap()[0]).unwrap()
        };
        assert_eq!(own().as_deref(), Some("bochs"));
        for driver in ["bochs-drm", "bochs-other"] {
            tree.link(format!("/sys/bus/pci/drivers/{driver}/module"), "../../../../module/bochs");
        }
        assert_eq!(own().as_deref(), Some("bochs-drm"));
        tree.link("/sys/bus/pci/drivers/bochs/module", "../../../../module/bochs");
        assert_eq!(own().as_deref(), Some("bochs"));
    }

    #[test]
    fn a_kernel_without_indexes_has_no_modules() {
        check(
            "5.15.0",
            expect![[r#"
            0000:01:00.0: 
            0000:02:00.0: 
            0000:3b:00.0: 
        "#]],
        );
    }
}
