//! The image as its generator makes it anew: what it holds now, with the modprobe.d and the lists of the root.

use std::path::Path;

use hoststate_abi::host_view::HostView;

use super::kmod::Kernel;
use super::stages::CONF_MODULES;
use crate::error::Result;
use crate::formats::modprobe_conf::{DIRECTORIES, ModuleName};
use crate::formats::module_list::{ListKind, ModuleList};
use crate::machine::image_contents::Contents;
use crate::machine::modprobe_d;
use crate::mechanism::distro::Initramfs;

/// Where dracut writes `force_drivers` down for the image.
const FORCED: &str = "etc/cmdline.d/20-force_drivers.conf";

/// Below /etc: what is read anew wherever it lies, and what packages have as well.
const MODPROBE: &str = "modprobe.d";
const RULES: &str = "udev/rules.d";

/// Adds what modules of the image want to be loaded before or after them: both generators ask kmod for that
/// (hook-functions of initramfs-tools by `modprobe --show-depends`, dracut-install by itself).
fn with_softdeps(host: &HostView, kernel: &Kernel, image: &mut Contents) -> Result<()> {
    let policy = modprobe_d::view(host)?;
    let mut new: Vec<ModuleName> = image.modules.iter().cloned().collect();
    while let Some(module) = new.pop() {
        let Some(softdep) = policy.softdep(&module) else { continue };
        for named in softdep.value.pre.iter().chain(&softdep.value.post) {
            let Some(named) = ModuleName::parse(named).ok() else { continue };
            if !kernel.files.contains(&named) {
                continue;
            }
            for module in kernel.needs(&named).chain([named.clone()]) {
                if image.modules.insert(module.clone()) {
                    new.push(module);
                }
            }
        }
    }
    Ok(())
}

/// Returns what the image holds when it was made anew.
///
/// # Errors
/// When a file of the root cannot be read.
pub(super) fn contents(
    host: &HostView,
    generator: &dyn Initramfs,
    kernel: &Kernel,
    old: &Contents,
) -> Result<Contents> {
    let mut new = Contents { modules: old.modules.clone(), files: old.files.clone() };
    new.files.retain(|path, _| !path.contains("modprobe.d/"));
    for directory in DIRECTORIES.map(Path::new).into_iter().filter(|it| !it.starts_with("/etc")) {
        for name in host.list(directory)?.into_iter().filter(|it| it.ends_with(".conf")) {
            new.take(host, &directory.join(name))?;
        }
    }
    own_scripts(host, generator, &mut new)?;
    own_files(host, generator, &mut new)?;
    let listed = generator.listed(host)?;
    let names = listed.iter().filter_map(|it| it.split_whitespace().next());
    // dracut takes the modules of the lists that it copies.
    let lists = new.files.keys().filter(|it| it.starts_with("etc/modules-load.d/"));
    let lists: Vec<ModuleList> =
        lists.map(|it| ModuleList::parse(ListKind::ModulesLoad, new.text(it))).collect();
    let of_lists = lists.iter().flat_map(ModuleList::modules);
    for module in names.clone().chain(of_lists).filter_map(|it| ModuleName::parse(it).ok()) {
        if kernel.files.contains(&module) {
            new.modules.extend(kernel.needs(&module));
            new.modules.insert(module);
        }
    }
    with_softdeps(host, kernel, &mut new)?;
    if generator.name() == "dracut" {
        let forced = names.collect::<Vec<_>>().join(",");
        new.files.retain(|path, text| {
            let is_own = |it: &str| path.starts_with("etc/cmdline.d/") && it.contains("rd.driver.pre=");
            !text.as_deref().is_some_and(is_own)
        });
        if !forced.is_empty() {
            new.files.insert(FORCED.to_owned(), Some(format!("rd.driver.pre={forced}\n")));
        }
    } else {
        new.files.insert(CONF_MODULES.to_owned(), Some(listed.join("\n") + "\n"));
    }
    Ok(new)
}

/// Puts what the generator copies from /etc in the place of what the image has of it.
fn own_files(host: &HostView, generator: &dyn Initramfs, new: &mut Contents) -> Result<()> {
    for copied in generator.copied(host)? {
        let path = Path::new(&copied);
        if !host.is_dir(path)? {
            new.take(host, path)?;
            continue;
        }
        let Some(inside) = path.strip_prefix("/etc").ok().and_then(Path::to_str) else { continue };
        // Rules of a name that a package has as well are taken by that name, and are in the image already.
        let of_packages =
            if inside == RULES { host.list(&Path::new("/usr/lib").join(inside))? } else { Vec::new() };
        new.files.retain(|path, _| {
            let name = path.split_once(&format!("{inside}/")).map(|it| it.1);
            inside == MODPROBE || name.is_none_or(|it| of_packages.iter().any(|known| known == it))
        });
        for name in host.list(path)?.into_iter().filter(|it| !of_packages.contains(it)) {
            new.take(host, &path.join(name))?;
        }
    }
    Ok(())
}

impl Contents {
    /// Takes a file of the host under its own path.
    fn take(&mut self, host: &HostView, path: &Path) -> Result<()> {
        if host.exists(path)? && !host.is_dir(path)? {
            let text = host.read_lossy(path)?;
            self.files.insert(path.display().to_string().trim_start_matches('/').to_owned(), text);
        }
        Ok(())
    }
}

/// Adds the scripts of this host that the generator puts into the image: those of initramfs-tools below /etc, and what
/// modules of dracut consist of, under the path that they have here.
fn own_scripts(host: &HostView, generator: &dyn Initramfs, new: &mut Contents) -> Result<()> {
    let top = match generator.name() {
        "dracut" => Path::new("/usr/lib/dracut/modules.d"),
        _ => Path::new("/etc/initramfs-tools/scripts"),
    };
    for part in host.list(top)? {
        let directory = top.join(&part);
        if !host.is_dir(&directory)? {
            continue;
        }
        for name in host.list(&directory)? {
            new.take(host, &directory.join(&name))?;
        }
    }
    Ok(())
}
