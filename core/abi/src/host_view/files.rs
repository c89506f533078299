//! The calls that read a host's files, and a memory of what they answered.

#![expect(clippy::disallowed_methods, reason = "this is where files are read")]

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs::FileType;
use std::hash::{BuildHasher, Hash, RandomState};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::Status;

/// What can be asked about a path.
#[derive(Debug, Clone, Copy)]
enum Question {
    Bytes,
    Names,
    Kind,
    Status,
    Target,
}

/// Every question that was asked, with a hash of its answer.
#[derive(Debug, Default)]
struct Memory {
    /// Its keys are random, so that nobody can make two texts that are the same to it.
    hasher: RandomState,
    answers: RefCell<Vec<(Question, PathBuf, u64)>>,
}

/// Reads files, and remembers the answers where somebody will ask whether they still hold.
#[derive(Debug, Clone, Default)]
pub(super) struct Files {
    memory: Option<Rc<Memory>>,
}

impl Files {
    /// Returns files whose answers are remembered.
    pub(super) fn remembered() -> Self {
        Self { memory: Some(Rc::default()) }
    }

    /// Returns whether every question that was asked gets the same answer now.
    pub(super) fn answer_the_same(&self) -> bool {
        let Some(memory) = &self.memory else { return false };
        memory.answers.borrow().iter().all(|(question, path, answer)| {
            let now = match question {
                Question::Bytes => memory.hash(&read(path)),
                Question::Names => memory.hash(&list(path)),
                Question::Kind => memory.hash(&kind(path)),
                Question::Status => memory.hash(&status(path)),
                Question::Target => memory.hash(&target(path)),
            };
            now == *answer
        })
    }

    /// Returns a file's bytes; `None` when there is no such file.
    pub(super) fn bytes(&self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        self.remember(Question::Bytes, path, read(path))
    }

    /// Returns the names in a directory; `None` when there is no such directory.
    pub(super) fn names(&self, path: &Path) -> io::Result<Option<BTreeSet<String>>> {
        self.remember(Question::Names, path, list(path))
    }

    /// Returns what is at a path; `None` when there is nothing.
    pub(super) fn kind(&self, path: &Path) -> io::Result<Option<FileType>> {
        self.remember(Question::Kind, path, kind(path))
    }

    /// Returns what the file system knows about a file; `None` when there is no such file.
    pub(super) fn status(&self, path: &Path) -> io::Result<Option<Status>> {
        self.remember(Question::Status, path, status(path))
    }

    /// Returns a link's target; `None` for what is no link or is not there.
    pub(super) fn target(&self, path: &Path) -> io::Result<Option<PathBuf>> {
        self.remember(Question::Target, path, target(path))
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
        answer
    }
}

impl Memory {
    fn hash<T: Hash>(&self, answer: &io::Result<Option<T>>) -> u64 {
        self.hasher.hash_one(answer.as_ref().map_err(io::Error::kind))
    }
}

fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    absent_is_none(fs_err::read(path))
}

fn list(path: &Path) -> io::Result<Option<BTreeSet<String>>> {
    let Some(entries) = absent_is_none(fs_err::read_dir(path))? else { return Ok(None) };
    entries
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<io::Result<_>>()
        .map(Some)
}

fn kind(path: &Path) -> io::Result<Option<FileType>> {
    Ok(absent_is_none(fs_err::symlink_metadata(path))?.map(|it| it.file_type()))
}

fn status(path: &Path) -> io::Result<Option<Status>> {
    let found = absent_is_none(fs_err::symlink_metadata(path))?;
    Ok(found.map(|it| {
        let changed = (it.ctime(), u32::try_from(it.ctime_nsec()).unwrap_or_default());
        Status { size: it.len(), device: it.dev(), inode: it.ino(), changed }
    }))
}

/// What is no link answers EINVAL; fs_err would format a message for every plain file.
fn target(path: &Path) -> io::Result<Option<PathBuf>> {
    match std::fs::read_link(path) {
        Ok(target) => Ok(Some(target)),
        Err(err) if err.kind() == io::ErrorKind::InvalidInput => Ok(None),
        Err(err) => absent_is_none(Err(err))
            .map_err(|err| io::Error::new(err.kind(), format!("{}: {err}", path.display()))),
    }
}

fn absent_is_none<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(err) if matches!(err.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(err) => Err(err),
    }
}
