//! What a host has of a module: built into a kernel, a file, its parameters, a list that loads it.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use hoststate_abi::host_view::HostView;

use crate::error::Result;
use crate::formats::modprobe_conf::ModuleName;
use crate::formats::module_file::ModuleInfo;
use crate::formats::module_index::{ModulesBuiltin, ModulesDep};
use crate::formats::module_list::{ListKind, ModuleList};
use crate::machine::kernels::modules_directory;

/// Directories of lists that systemd loads, and the initramfs generators copy; the first counts most.
pub const LISTS: [&str; 4] = [
    "/etc/modules-load.d",
    "/run/modules-load.d",
    "/usr/local/lib/modules-load.d",
    "/usr/lib/modules-load.d",
];

/// How a kernel has a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presence {
    /// It is part of the kernel; no line of modprobe.d reaches it.
    BuiltIn,
    /// It has this file, by `modules.dep`.
    File(PathBuf),
    /// Neither.
    Missing,
    /// The kernel has no `modules.dep`.
    Unknown,
}

/// Returns how a kernel has a module.
///
/// # Errors
/// When an index exists and cannot be read.
pub fn presence(host: &HostView, release: &str, module: &ModuleName) -> Result<Presence> {
    let directory = modules_directory(release);
    let builtin = host.parsed(&directory.join("modules.builtin"), ModulesBuiltin::parse)?;
    if builtin.is_some_and(|it| it.contains(module)) {
        return Ok(Presence::BuiltIn);
    }
    let files = host.parsed(&directory.join("modules.dep"), ModulesDep::parse)?;
    Ok(match files.as_ref().map(|it| it.path(module)) {
        None => Presence::Unknown,
        Some(None) => Presence::Missing,
        Some(Some(path)) => Presence::File(directory.join(path)),
    })
}

/// Returns what a module of a kernel says about itself; `None` where its file cannot be understood or is not there.
///
/// # Errors
/// When the file exists and cannot be read.
pub fn info(host: &HostView, release: &str, module: &ModuleName) -> Result<Option<ModuleInfo>> {
    Ok(match presence(host, release, module)? {
        Presence::BuiltIn => {
            let path = modules_directory(release).join("modules.builtin.modinfo");
            let bytes = host.read_bytes(&path)?;
            bytes.map(|it| ModuleInfo::parse_builtin(&it, module.as_str()))
        }
        Presence::File(path) => host.read_bytes(&path)?.and_then(|it| ModuleInfo::parse(&it)),
        Presence::Missing | Presence::Unknown => None,
    })
}

/// Returns the lists in the root file system that load a module.
///
/// # Errors
/// When a list or directory exists and cannot be read.
pub fn lists(host: &HostView, module: &ModuleName) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for directory in LISTS.map(Path::new) {
        for name in host.names(directory)?.into_iter().filter(|it| it.as_bytes().ends_with(b".conf")) {
            let path = directory.join(name);
            if is_listed(host, &path, module)? {
                found.push(path);
            }
        }
    }
    Ok(found)
}

/// Returns whether a list names a module; one that is not there names none.
///
/// # Errors
/// When it exists and cannot be read.
pub fn is_listed(host: &HostView, list: &Path, module: &ModuleName) -> Result<bool> {
    let list = host.parsed(list, |text| ModuleList::parse(ListKind::ModulesLoad, text))?;
    Ok(list.is_some_and(|it| it.contains(module)))
}
