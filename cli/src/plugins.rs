//! Where plugins are looked for, and the types that playbooks have with them.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use hoststate_core::language::registry::{Declared, Registry};
use hoststate_core::plugins::plugin::trust::{FILE_NAME, TrustList};
use hoststate_core::plugins::plugin::{self, TrustState, survey};
use hoststate_core::resources;

use crate::args::PluginOptions;
use crate::error::{Error, Result};

/// Where packages and the administrator put plugins.
const FOLDERS: [&str; 2] = ["/usr/lib/hoststate/plugins", "/etc/hoststate/plugins"];

/// What is trusted of them.
const LOCK: &str = "/etc/hoststate/plugins.lock";

/// A folder of plugins, and the file that says which of them are trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Folder {
    /// The folder.
    pub(crate) path: PathBuf,
    /// Its lock file.
    pub(crate) lock: PathBuf,
}

/// The folders of plugins. They are those of the machine, whatever `--root` is.
#[derive(Debug)]
pub(crate) struct Plugins {
    /// The folders.
    pub(crate) folders: Vec<Folder>,
    /// This program, which becomes plugins in children of its own.
    pub(crate) program: PathBuf,
    /// The types that are built in.
    pub(crate) base: Rc<Registry>,
}

impl Plugins {
    /// Returns the folders that are always there, and those that the options name.
    ///
    /// # Errors
    /// When a named folder is not there.
    pub(crate) fn new(options: &PluginOptions) -> Result<Self> {
        let lock = PathBuf::from(LOCK);
        let mut folders: Vec<Folder> =
            FOLDERS.iter().map(|it| Folder { path: PathBuf::from(it), lock: lock.clone() }).collect();
        for named in &options.plugin_dir {
            let path = canonical(named)
                .map_err(|err| Error::io(format!("--plugin-dir {}", named.display()), err))?;
            let lock = path.join(FILE_NAME);
            folders.push(Folder { path, lock });
        }
        Ok(Self { folders, program: this_program()?, base: Rc::new(built_in()) })
    }

    /// Returns the lock files with what they trust, each once.
    ///
    /// # Errors
    /// When someone else could change one.
    pub(crate) fn trusted(&self) -> Result<Vec<(PathBuf, TrustList)>> {
        let mut lists: Vec<(PathBuf, TrustList)> = Vec::new();
        for folder in &self.folders {
            if !lists.iter().any(|(lock, _)| *lock == folder.lock) {
                lists.push((folder.lock.clone(), TrustList::read(&folder.lock)?));
            }
        }
        Ok(lists)
    }

    /// Returns the types of playbooks: the built-in ones and those of trusted plugins. No plugin is read or started.
    ///
    /// # Errors
    /// When someone else could change a lock file, or two types have one name.
    pub(crate) fn registry(&self) -> Result<Registry> {
        let mut registry = Registry::clone(&self.base);
        for (lock, list) in self.trusted()? {
            let is_here = |file: &Path| {
                self.folders.iter().any(|it| it.lock == lock && file.parent() == Some(&it.path))
            };
            let list = list.only(is_here);
            registry.add(plugin::entries(list, &self.program, &self.base))?;
        }
        let folders = self.folders.clone();
        Ok(registry.beside(move || untrusted(&folders)))
    }
}

/// Returns the plugins in `folders` that are not trusted. What cannot be read is told by `plugin list`.
fn untrusted(folders: &[Folder]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in folders {
        let Ok(list) = TrustList::read(&folder.lock) else { continue };
        let surveyed = survey(&folder.path, &list).unwrap_or_default();
        let is_waiting = |it: &(PathBuf, TrustState)| matches!(it.1, TrustState::New | TrustState::Changed);
        found.extend(surveyed.into_iter().filter(is_waiting).map(|it| it.0));
    }
    // A folder may be named twice.
    found.sort();
    found.dedup();
    found
}

/// Returns the types that are built in.
pub(crate) fn built_in() -> Registry {
    Registry::new(resources::TABLE)
}

/// Refuses declarations that cannot be read again without their playbook, as a saved plan and a boot read them.
///
/// # Errors
/// When one is of a type that a file beside the playbook describes.
pub(crate) fn without_playbook(declared: &[Declared], registry: &Registry) -> Result<()> {
    let is_known = |it: &&Declared| registry.entries().iter().any(|entry| entry.name() == it.id.kind);
    match declared.iter().find(|it| !is_known(it)) {
        None => Ok(()),
        Some(declared) => Err(Error::input(
            format!("{} is of a type that only this playbook knows", declared.id),
            "Move the file that describes it to a folder of plugins and trust it there: `hoststate plugin trust FILE`.",
        )),
    }
}

/// Returns the path of this program, which becomes plugins in children of its own.
pub(crate) fn this_program() -> Result<PathBuf> {
    std::env::current_exe().map_err(|err| Error::io("the path of this program", err))
}

/// Returns where a path leads, links followed: each directory on that way is checked later.
pub(crate) fn canonical(path: &Path) -> std::io::Result<PathBuf> {
    std::fs::canonicalize(path)
}
