//! Everything a file system says about its files, to prove that nothing was touched.

use std::{
    collections::BTreeMap,
    fmt::Write,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use crate::{
    error::{Result, check},
    files,
};

/// How many differing paths an error names.
const NAMED: usize = 12;

/// Inode, mode, owner, size, modification and change time of every file of one file system: the kernel sets the
/// change time whenever it writes anything, and nobody can set it back.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Snapshot {
    files: BTreeMap<PathBuf, String>,
}

impl Snapshot {
    /// Reads the tree below `root`; what is mounted on it is left out.
    pub(crate) fn take(root: &Path) -> Result<Self> {
        let mut snapshot = Self { files: BTreeMap::new() };
        let device = files::status(root)?.dev();
        let mut waiting = vec![root.to_path_buf()];
        while let Some(path) = waiting.pop() {
            let status = files::status(&path)?;
            if status.dev() != device {
                continue;
            }
            let mut line = format!(
                "inode {} mode {:o} owner {}:{} size {} mtime {}.{:09} ctime {}.{:09}",
                status.ino(),
                status.mode(),
                status.uid(),
                status.gid(),
                status.size(),
                status.mtime(),
                status.mtime_nsec(),
                status.ctime(),
                status.ctime_nsec(),
            );
            let kind = status.file_type();
            if kind.is_dir() {
                waiting.extend(files::list(&path)?);
            } else if kind.is_symlink() {
                write!(line, " to {}", files::link_target(&path)?.display())
                    .expect("writing to a String does not fail");
            }
            let relative = path.strip_prefix(root).unwrap_or(&path).to_path_buf();
            snapshot.files.insert(relative, line);
        }
        Ok(snapshot)
    }

    /// Fails with the paths that differ, unless both are the same.
    pub(crate) fn expect_equal(&self, after: &Self, what: &str) -> Result<()> {
        let mut differences = Vec::new();
        for (path, line) in &self.files {
            match after.files.get(path) {
                Some(now) if now == line => {}
                Some(now) => {
                    differences.push(format!("{}: was {line}, is {now}", path.display()));
                }
                None => differences.push(format!("{}: gone", path.display())),
            }
        }
        for path in self.added_in(after) {
            differences.push(format!("{}: new", path.display()));
        }
        differences.truncate(NAMED);
        check(differences.is_empty(), what, "every path as before, with its times", differences.join("; "))
    }

    /// The paths that only `after` has.
    pub(crate) fn added_in<'a>(&'a self, after: &'a Self) -> impl Iterator<Item = &'a Path> {
        after.files.keys().filter(|path| !self.files.contains_key(*path)).map(PathBuf::as_path)
    }
}
