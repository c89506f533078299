//! What an installed kernel has of a module: built in, a file, its parameters.

use std::path::PathBuf;

use hoststate_abi::host_view::HostView;

use crate::error::Result;
use crate::formats::modprobe_conf::ModuleName;
use crate::formats::module_file::ModuleInfo;
use crate::formats::module_index::{ModuleFiles, ModulesBuiltin};
use crate::kernels::modules_directory;

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
    let files = host.parsed(&directory.join("modules.dep"), ModuleFiles::parse)?;
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
