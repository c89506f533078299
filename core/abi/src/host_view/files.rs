//! The calls that read a host's files, and a memory of what they answered.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::hash::{BuildHasher, Hash, RandomState};
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rustix::fs::FileType;

use super::Status;
use super::netlink;
use super::pieces::Pieces;
use super::tree::Tree;

/// What can be asked about a path.
#[derive(Debug, Clone, Copy)]
enum Question {
    Bytes { limit: usize },
    MachineBytes { limit: usize },
    Names,
    IsDirectory,
    Status,
    Target,
    Routes,
}

/// Every question that was asked, with a hash of its answer.
#[derive(Debug, Default)]
struct Memory {
    /// Its keys are random, so that nobody can make two texts that are the same to it.
    hasher: RandomState,
    answers: RefCell<Vec<(Question, PathBuf, u64)>>,
}

/// What is no file of a disk: who may read it there, and what that means, is for those who ask.
const OTHERS: [&str; 3] = ["/proc", "/sys", "/dev"];

/// Files that whoever looks may not read. They are noted here instead of ending everything.
#[derive(Debug, Clone, Default)]
pub struct Withheld(Rc<RefCell<BTreeSet<PathBuf>>>);

impl Withheld {
    /// Returns their paths.
    pub fn paths(&self) -> BTreeSet<PathBuf> {
        self.0.borrow().clone()
    }
}

/// Reads files, and remembers the answers where somebody will ask whether they still hold.
#[derive(Debug, Clone)]
pub(super) struct Files {
    tree: Rc<Tree>,
    memory: Option<Rc<Memory>>,
    withheld: Option<Withheld>,
}

impl Files {
    /// Returns the files below `root`.
    pub(super) fn new(root: &Path) -> Self {
        Self { tree: Rc::new(Tree::new(root)), memory: None, withheld: None }
    }

    /// Returns the same files; one that may not be read is noted, and is as if it were not there.
    pub(super) fn withholding(self, withheld: &Withheld) -> Self {
        Self { withheld: Some(withheld.clone()), ..self }
    }

    /// Returns what was withheld.
    pub(super) fn withheld(&self) -> BTreeSet<PathBuf> {
        self.withheld.as_ref().map(Withheld::paths).unwrap_or_default()
    }

    /// Returns whether a path, something below it or a directory above it was withheld.
    pub(super) fn is_withheld(&self, path: &Path) -> bool {
        let is_it = |it: &PathBuf| it.starts_with(path) || path.starts_with(it);
        self.withheld.as_ref().is_some_and(|withheld| withheld.0.borrow().iter().any(is_it))
    }

    /// Returns the same files; their answers are remembered.
    pub(super) fn remembered(self) -> Self {
        Self { memory: Some(Rc::default()), ..self }
    }

    /// Returns whether every question that was asked gets the same answer now.
    pub(super) fn answer_the_same(&self) -> bool {
        let Some(memory) = &self.memory else { return false };
        // Open directories would answer for what may have been put away since.
        let tree = self.tree.anew();
        memory.answers.borrow().iter().all(|(question, path, answer)| {
            let now = match *question {
                Question::Bytes { limit } => memory.hash(&tree.bytes(path, limit)),
                Question::MachineBytes { limit } => memory.hash(&tree.machine_bytes(path, limit)),
                Question::Names => memory.hash(&names(&tree, path)),
                Question::IsDirectory => memory.hash(&is_directory(&tree, path)),
                Question::Status => memory.hash(&status(&tree, path)),
                Question::Target => memory.hash(&tree.target(path)),
                Question::Routes => memory.hash(&netlink::routes()),
            };
            now == *answer
        })
    }

    /// Returns a file's bytes; `None` when there is no such file. More than `limit` is an error.
    pub(super) fn bytes(&self, path: &Path, limit: usize) -> io::Result<Option<Vec<u8>>> {
        self.remember(Question::Bytes { limit }, path, self.tree.bytes(path, limit))
    }

    /// Returns a file's bytes as [`Self::bytes`]; the kernel resolves the path.
    pub(super) fn machine_bytes(&self, path: &Path, limit: usize) -> io::Result<Option<Vec<u8>>> {
        self.remember(Question::MachineBytes { limit }, path, self.tree.machine_bytes(path, limit))
    }

    /// Returns a file of at most `limit` bytes to be read piece by piece; `None` when there is no such file.
    ///
    /// What the file system knows of it is remembered in place of what it holds: that is read only once.
    pub(super) fn pieces(&self, path: &Path, limit: usize) -> io::Result<Option<Pieces>> {
        if self.memory.is_some() {
            self.status(path)?;
        }
        self.withhold(path, self.tree.pieces(path, limit))
    }

    /// Returns the names in a directory; `None` when there is no such directory.
    pub(super) fn names(&self, path: &Path) -> io::Result<Option<BTreeSet<OsString>>> {
        self.remember(Question::Names, path, names(&self.tree, path))
    }

    /// Returns whether a directory is at a path; `None` when there is nothing.
    pub(super) fn is_directory(&self, path: &Path) -> io::Result<Option<bool>> {
        self.remember(Question::IsDirectory, path, is_directory(&self.tree, path))
    }

    /// Returns what the file system knows about a file; `None` when there is no such file.
    pub(super) fn status(&self, path: &Path) -> io::Result<Option<Status>> {
        self.remember(Question::Status, path, status(&self.tree, path))
    }

    /// Returns the routes of the machine; `None` where it does not tell them.
    pub(super) fn routes(&self) -> io::Result<Option<Vec<u8>>> {
        self.remember(Question::Routes, Path::new("/proc/net"), netlink::routes())
    }

    /// Returns a link's target; `None` for what is no link or is not there.
    pub(super) fn target(&self, path: &Path) -> io::Result<Option<PathBuf>> {
        self.remember(Question::Target, path, self.tree.target(path))
    }

    fn remember<T: Hash>(
        &self,
        question: Question,
        path: &Path,
        answer: io::Result<Option<T>>,
    ) -> io::Result<Option<T>> {
        if let Some(memory) = &self.memory {
            let hash = memory.hash(&answer);
            memory.answers.borrow_mut().push((question, path.to_owned(), hash));
        }
        self.withhold(path, answer)
    }

    /// Notes what may not be read, where that is noted instead of being an error.
    fn withhold<T>(&self, path: &Path, answer: io::Result<Option<T>>) -> io::Result<Option<T>> {
        match (&self.withheld, answer) {
            (Some(Withheld(paths)), Err(err))
                if err.kind() == io::ErrorKind::PermissionDenied
                    && !OTHERS.iter().any(|it| path.starts_with(it)) =>
            {
                paths.borrow_mut().insert(self.closed(path).to_owned());
                Ok(None)
            }
            (_, answer) => answer,
        }
    }

    /// Returns what keeps a path from being read: itself, or a directory on the way that may not be searched.
    fn closed<'a>(&self, path: &'a Path) -> &'a Path {
        let is_hidden = |it: &&Path| matches!(self.tree.status(it), Err(err) if err.kind() == io::ErrorKind::PermissionDenied);
        path.ancestors().find(|it| !is_hidden(it)).unwrap_or(path)
    }
}

impl Memory {
    fn hash<T: Hash>(&self, answer: &io::Result<Option<T>>) -> u64 {
        self.hasher.hash_one(answer.as_ref().map_err(io::Error::kind))
    }
}

fn names(tree: &Tree, path: &Path) -> io::Result<Option<BTreeSet<OsString>>> {
    Ok(tree.names(path)?.map(|it| it.into_iter().collect()))
}

fn is_directory(tree: &Tree, path: &Path) -> io::Result<Option<bool>> {
    Ok(tree.status(path)?.map(|it| FileType::from_raw_mode(it.st_mode).is_dir()))
}

fn status(tree: &Tree, path: &Path) -> io::Result<Option<Status>> {
    Ok(tree.status(path)?.map(|it| {
        let changed = (it.st_ctime, u32::try_from(it.st_ctime_nsec).unwrap_or_default());
        let modified = (it.st_mtime, u32::try_from(it.st_mtime_nsec).unwrap_or_default());
        let size = u64::try_from(it.st_size).unwrap_or_default();
        Status { size, device: it.st_dev, inode: it.st_ino, changed, modified }
    }))
}
