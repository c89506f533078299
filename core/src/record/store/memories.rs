//! Where the memories of owners are kept: beside the records, written like them, and never more than a memory.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::path::PathBuf;

use super::{NEW, RecordStore, format_of, private};
use crate::error::Result;
use crate::host::directory::{Directory, FileError};
use crate::record::owned::{Memory, OWNER_FORMAT};

/// The memories, in [`STATE_DIRECTORY`](crate::record::STATE_DIRECTORY).
pub(super) const OWNERS: &str = "owners";

/// A memory that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Illegible {
    /// The file, or the directory they are in.
    pub path: PathBuf,
    why: Why,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Why {
    Damaged(String),
    Newer(String),
    Denied,
}

impl Illegible {
    /// Returns whether it is only that whoever looks may not read it: it is for root.
    pub fn is_denied(&self) -> bool {
        self.why == Why::Denied
    }

    /// Returns whether a newer program wrote it, which will want it again.
    pub fn is_newer(&self) -> bool {
        matches!(self.why, Why::Newer(_))
    }

    /// Returns what can be done about it.
    pub fn hint(&self) -> String {
        match self.why {
            Why::Denied => "Run it as root.".to_owned(),
            Why::Newer(_) => "Use that version of hoststate.".to_owned(),
            Why::Damaged(_) => "The next converge of that owner begins a new one.".to_owned(),
        }
    }
}

impl fmt::Display for Illegible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "what earlier runs of an owner set is not known: {} ", self.path.display())?;
        match &self.why {
            Why::Denied => f.write_str("may not be read"),
            Why::Newer(format) => {
                write!(f, "was written by a newer hoststate (its format is {format:?})")
            }
            Why::Damaged(what) => write!(f, "is damaged ({what})"),
        }
    }
}

impl RecordStore {
    /// Returns what the runs of an owner set; `None` where nothing is remembered.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub fn memory(&self, owner: &str) -> Result<Option<Memory>, Illegible> {
        let name = Memory::file(owner);
        let opened = self.owners().map_err(|err| self.illegible(None, &err))?;
        opened.map_or(Ok(None), |it| self.read_memory(&it, &name))
    }

    /// Returns what the runs of the other owners set.
    ///
    /// # Errors
    /// Why one of them, or all, cannot be read.
    pub fn memories_beside(&self, owner: &str) -> Result<Vec<Memory>, Illegible> {
        let failed = |err: io::Error| self.illegible(None, &err);
        let Some(owners) = self.owners().map_err(failed)? else { return Ok(Vec::new()) };
        let own = Memory::file(owner);
        let mut names: Vec<OsString> = owners.names().map_err(failed)?.into_iter().map(Into::into).collect();
        names.retain(|it| *it != own && it != NEW && it.to_string_lossy().ends_with(".json"));
        names.sort();
        let found: Result<Vec<_>, _> = names.iter().map(|it| self.read_memory(&owners, it)).collect();
        Ok(found?.into_iter().flatten().collect())
    }

    /// Keeps what the runs of an owner set. Whoever calls it has the lock.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn remember(&self, memory: &Memory) -> Result<()> {
        let text = serde_json::to_string_pretty(memory).map_err(io::Error::from)?;
        let (directory, _) = self.make()?;
        let owners = private(&directory, OsStr::new(OWNERS))?;
        owners.create(OsStr::new(NEW), text.as_bytes())?;
        owners.rename(OsStr::new(NEW), &Memory::file(&memory.owner))?;
        Ok(owners.sync()?)
    }

    fn owners(&self) -> io::Result<Option<Directory>> {
        match Directory::open(&self.root, &self.directory)? {
            Some(directory) => directory.child(OsStr::new(OWNERS)),
            None => Ok(None),
        }
    }

    fn read_memory(&self, owners: &Directory, name: &OsStr) -> Result<Option<Memory>, Illegible> {
        let text = owners.read(name).map_err(|err| self.illegible(Some(name), &err))?;
        let Some(text) = text else { return Ok(None) };
        let path = self.directory.join(OWNERS).join(name);
        let damaged = |what: String| Illegible { path: path.clone(), why: Why::Damaged(what) };
        if let Some(format) = format_of(&text).filter(|it| it != OWNER_FORMAT) {
            return Err(Illegible { path, why: Why::Newer(format) });
        }
        let memory: Memory = serde_json::from_str(&text).map_err(|err| damaged(err.to_string()))?;
        if Memory::file(&memory.owner) != name {
            return Err(damaged(format!("it says that it is that of {}", memory.owner)));
        }
        Ok(Some(memory))
    }

    fn illegible(&self, name: Option<&OsStr>, err: &io::Error) -> Illegible {
        let owners = self.directory.join(OWNERS);
        let path = name.map_or_else(|| owners.clone(), |it| owners.join(it));
        let why = match err.kind() {
            io::ErrorKind::PermissionDenied => Why::Denied,
            _ => Why::Damaged(FileError::of(err).map_or_else(|| err.to_string(), |it| it.what.clone())),
        };
        Illegible { path, why }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use serde_json::json;
    use tempfile::TempDir;

    use super::{OWNERS, RecordStore};
    use crate::record::owned::{Memory, Owned};

    fn memory(owner: &str) -> Memory {
        let declaration = json!({ "type": "kernel_cmdline", "present": ["quiet"] });
        let declaration = serde_json::from_value(declaration).expect("a declaration");
        let owned = Owned { declaration, run: Some("r".to_owned()), adopted: false, device: None };
        Memory { owned: vec![owned], ..Memory::new(owner) }
    }

    fn store() -> (TempDir, RecordStore) {
        let root = TempDir::new().expect("a temporary directory");
        let store = RecordStore::new(root.path(), "/var/lib/hoststate");
        (root, store)
    }

    #[test]
    fn each_owner_has_a_memory_for_root_alone() {
        let (root, store) = store();
        assert_eq!(store.memory("/srv/a.lua"), Ok(None));
        for owner in ["/srv/a.lua", "b/../c"] {
            store.remember(&memory(owner)).expect("a disk");
            assert_eq!(store.memory(owner), Ok(Some(memory(owner))));
        }
        assert_eq!(store.memories_beside("/srv/a.lua"), Ok(vec![memory("b/../c")]));
        let owners = root.path().join("var/lib/hoststate").join(OWNERS);
        let mode = |path: &std::path::Path| rustix::fs::stat(path).expect("it is there").st_mode & 0o777;
        assert_eq!(mode(&owners), 0o700);
        for file in [Memory::file("/srv/a.lua"), Memory::file("b/../c")] {
            assert_eq!(mode(&owners.join(file)), std::fs::Permissions::from_mode(0o600).mode());
        }
    }

    #[test]
    fn a_damaged_a_copied_and_a_newer_memory_are_told_apart() {
        let (_root, store) = store();
        let told = |text: &str| {
            let (directory, _) = store.make().expect("a disk");
            let owners = super::private(&directory, OWNERS.as_ref()).expect("a disk");
            owners.create(&Memory::file("a"), text.as_bytes()).expect("a disk");
            let it = store.memory("a").expect_err("no memory");
            assert_eq!(store.memories_beside("b"), Err(it.clone()), "nor for others");
            (it.is_newer(), it.to_string())
        };
        let (is_newer, text) = told("{\"format\":\"hoststate.owner/1\",\"owner\":\"a\"");
        assert!(!is_newer && text.contains("is damaged (EOF while parsing"), "{text}");
        let copy = serde_json::to_string(&memory("other")).expect("JSON");
        assert!(told(&copy).1.ends_with("is damaged (it says that it is that of other)"));
        let (is_newer, text) = told("{\"format\":\"hoststate.owner/2\",\"new\":1}");
        assert!(
            is_newer
                && text.ends_with("was written by a newer hoststate (its format is \"hoststate.owner/2\")")
        );
    }
}
