//! A host's modprobe.d as a whole: what kmod makes of it, and changing one line in one file of it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use hoststate_abi::host_view::HostView;
use hoststate_abi::host_view::predicted::Prediction;
use hoststate_abi::setting::Place;

use crate::error::Result;
use crate::formats::fnmatch;
use crate::formats::kernel_cmdline::Cmdline;
use crate::formats::modprobe_conf::{DIRECTORIES, ModprobeConf, ModprobeView, ModuleName, Origin, Winner};
use crate::machine::kernels;

/// Returns what all files of modprobe.d, the softdeps of the newest kernel and the running kernel's command line
/// mean together.
///
/// # Errors
/// When a file or directory exists and cannot be read.
pub fn view(host: &HostView) -> Result<Rc<ModprobeView>> {
    host.derived(|host, old| {
        let Some((view, changed)) = old else { return read(host) };
        let Ok(mut view) = Rc::try_unwrap(view) else { return read(host) };
        let links = links(host)?;
        let mut read_again: Vec<&Path> = Vec::new();
        for Prediction { path, edits } in changed.iter() {
            // What is read is the file after all its edits.
            if read_again.contains(&path.as_path()) {
                continue;
            }
            let names: Vec<PathBuf> = links.names_of(path).into_iter().filter(|it| view.reads(it)).collect();
            if edits.as_ref().is_some_and(|it| names.iter().all(|name| view.edit(name, it))) {
                continue;
            }
            read_again.push(path);
            for name in names {
                match host.parsed(&name, ModprobeConf::parse)? {
                    Some(conf) => view.replace(&name, conf),
                    None => view.remove(&name),
                }
            }
        }
        Ok(view)
    })
}

/// By which names kmod reads files that links lead to: predictions have resolved paths.
struct Links {
    /// Resolved, and as kmod names it.
    directories: Vec<(PathBuf, &'static str)>,
    /// Resolved, and as kmod names it.
    files: Vec<(PathBuf, PathBuf)>,
}

impl Links {
    fn names_of(&self, path: &Path) -> Vec<PathBuf> {
        let mut names = vec![path.to_owned()];
        names.extend(self.files.iter().filter(|it| it.0 == path).map(|it| it.1.clone()));
        let directory = self.directories.iter().find(|it| path.parent() == Some(&it.0));
        names.extend(directory.map(|it| Path::new(it.1).join(name(path))));
        names
    }
}

fn links(host: &HostView) -> Result<Rc<Links>> {
    host.derived(|host, old| {
        if let Some(links) = old.and_then(|(links, _)| Rc::try_unwrap(links).ok()) {
            return Ok(links);
        }
        let mut links = Links { directories: Vec::new(), files: Vec::new() };
        for directory in DIRECTORIES {
            let resolved = host.resolve(Path::new(directory))?;
            for name in host.names(&resolved)? {
                let (file, named) = (resolved.join(&name), Path::new(directory).join(&name));
                if host.link_target(&file)?.is_some() {
                    links.files.push((host.resolve(&file)?, named));
                }
            }
            // Where `/lib` is a link, `/usr/lib` is in the list as well.
            if !DIRECTORIES.iter().any(|it| Path::new(it) == resolved) {
                links.directories.push((resolved, directory));
            }
        }
        Ok(links)
    })
}

/// Returns the same as [`view`] as a value of one's own, to see what changes would make of it.
///
/// # Errors
/// When a file or directory exists and cannot be read.
pub fn read(host: &HostView) -> Result<ModprobeView> {
    let cmdline = host.attribute(Path::new("/proc/cmdline"))?.unwrap_or_default();
    let newest = kernels::installed(host)?.0.last().cloned();
    read_for(host, newest.as_deref(), &Cmdline::parse(&cmdline))
}

/// Returns what all files of modprobe.d, the softdeps of one kernel and these parameters mean together.
///
/// # Errors
/// When a file or directory exists and cannot be read.
pub fn read_for(host: &HostView, kernel: Option<&str>, parameters: &Cmdline) -> Result<ModprobeView> {
    let mut files = Vec::new();
    for (rank, directory) in DIRECTORIES.iter().enumerate() {
        for name in host.names(Path::new(directory))? {
            if let Some(conf) = host.parsed(&Path::new(directory).join(&name), ModprobeConf::parse)? {
                files.push((rank, name, conf));
            }
        }
    }
    let mut view = ModprobeView::new(files);
    if let Some(release) = kernel {
        let path = kernels::modules_directory(release).join("modules.softdep");
        if let Some(conf) = host.parsed(&path, ModprobeConf::parse)? {
            view = view.with_kernel_softdep(&path, conf);
        }
    }
    Ok(view.with_command_line(parameters.parameters().chain(parameters.init_parameters()).map(|it| it.raw())))
}

/// Returns the modules that `alias` lines name for a modalias: what udev loads for such a device, in the place of what the
/// index names (libkmod/libkmod-module.c, `kmod_module_new_from_lookup`).
///
/// # Errors
/// When a file or directory exists and cannot be read.
pub fn aliased(host: &HostView, modalias: &str) -> Result<Vec<ModuleName>> {
    let folded = modalias.replace('-', "_");
    let mut modules = Vec::new();
    for Winner { value: (pattern, module), .. } in view(host)?.aliases() {
        if fnmatch::matches(&pattern, &folded)
            && let Ok(module) = ModuleName::parse(&module)
            && module.as_str() != "off"
            && !modules.contains(&module)
        {
            modules.push(module);
        }
    }
    Ok(modules)
}

/// Returns whether a line in `file` takes effect before one at `origin`: files are read in bytewise order of their
/// names, the command line last.
pub fn comes_before(file: &Path, origin: &Origin) -> bool {
    match origin {
        Origin::File { path, .. } => name(file) < name(path),
        Origin::CommandLine { .. } => true,
    }
}

fn name(path: &Path) -> &OsStr {
    path.file_name().unwrap_or_default()
}

/// Returns the place of a winning line.
pub fn place(origin: &Origin) -> Place {
    match origin {
        Origin::File { path, line } => Place { file: path.to_path_buf(), line: Some(*line) },
        Origin::CommandLine { .. } => Place { file: PathBuf::from("/proc/cmdline"), line: None },
    }
}
