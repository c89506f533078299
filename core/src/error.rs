//! What can go wrong in the engine: what, where, and how to mend it.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::language::declaration::ResourceId;

/// `Result` with this crate's error.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of the engine. `Display` says what and where, [`Error::hint`] how to mend it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A declaration asks for something that cannot be.
    #[error("{what}")]
    Invalid {
        /// What cannot be, with the value.
        what: String,
        /// How to mend it.
        hint: Option<String>,
    },
    /// A declaration is not as its type wants it.
    #[error("{kind}: {what}")]
    Misdeclared {
        /// The type.
        kind: String,
        /// What cannot be, with the value.
        what: String,
        /// How to mend it.
        hint: Option<String>,
    },
    /// A file of the host is not what it should be.
    #[error("{path}:{line}: {what}", path = .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Line, counted from 1.
        line: usize,
        /// What is wrong there.
        what: String,
        /// How to mend it.
        hint: Option<String>,
    },
    /// This host is managed in a way that hoststate must not interfere with.
    #[error("{what}")]
    Unsupported {
        /// What the host is.
        what: String,
        /// The command this host wants instead.
        hint: String,
    },
    /// An error of one resource.
    #[error("{resource}: {source}")]
    Resource {
        /// The resource.
        resource: ResourceId,
        /// What went wrong.
        source: Box<Error>,
    },
    /// A tool of the distribution failed.
    #[error("`{}` {status}{}", .argv.join(" "), tail(.stderr))]
    Tool {
        /// Program and arguments.
        argv: Vec<String>,
        /// How it ended: `exited with status 1`, `was killed by signal 9`, `did not end within 900 s`.
        status: String,
        /// Exit status, if it exited.
        code: Option<i32>,
        /// The end of what it wrote to standard error.
        stderr: String,
    },
    /// The kernel refused a write to an attribute.
    #[error("writing {value:?} to {path}: {why}", path = .path.display())]
    Attribute {
        /// The attribute.
        path: PathBuf,
        /// What was written.
        value: String,
        /// The kernel's reason.
        why: String,
        /// What that reason means for this attribute.
        hint: Option<String>,
    },
    /// The kernel did not answer a write to an attribute; it may do so yet.
    #[error("writing {value:?} to {path}: the kernel did not answer within {limit:?}", path = .path.display())]
    Unanswered {
        /// The attribute.
        path: PathBuf,
        /// What was written.
        value: String,
        /// How long it was waited for.
        limit: Duration,
        /// Where the write waits, and for whom.
        hint: String,
    },
    /// A plugin cannot be used, or does not do what it must.
    #[error("{path}: {what}", path = .path.display())]
    Plugin {
        /// The file, or the directory on the way that is to blame.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
        /// How to mend it.
        hint: Option<String>,
    },
    /// A new file in the place of an old one cannot be what that is besides its text; the old one stays.
    #[error("{path}: {what} cannot be kept: {why}; the file stays as it is", path = .path.display())]
    Kept {
        /// The file.
        path: PathBuf,
        /// What would be lost: `its attribute security.selinux`.
        what: String,
        /// Why.
        why: io::Error,
        /// How to mend it.
        hint: String,
    },
    /// Another run holds the lock.
    #[error("another run has the lock {path}: {holder}", path = .path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// Who holds it, as that run wrote it down.
        holder: String,
    },
    /// A file could not be read or written; the message names it.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// One error or more, in the order in which they were found: all that is wrong with an input is told at once.
///
/// Invariant: not empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Several<E>(Vec<E>);

impl<E> Several<E> {
    /// Returns `value`, unless there are errors.
    ///
    /// # Errors
    /// These, if there are any.
    pub fn none_of<T>(errors: Vec<E>, value: T) -> Result<T, Self> {
        if errors.is_empty() { Ok(value) } else { Err(Self(errors)) }
    }

    /// Returns these and, behind them, the one that was the end.
    pub fn ending_with(mut before: Vec<E>, last: E) -> Self {
        before.push(last);
        Self(before)
    }

    /// Returns the first.
    pub fn first(&self) -> &E {
        self.0.first().expect("one at least")
    }

    /// Returns the first alone.
    pub fn into_first(self) -> E {
        self.0.into_iter().next().expect("one at least")
    }

    /// Returns whether it is the only one.
    pub fn is_single(&self) -> bool {
        self.0.len() == 1
    }

    /// Returns each as another error.
    pub fn map<F>(self, with: impl FnMut(E) -> F) -> Several<F> {
        Several(self.0.into_iter().map(with).collect())
    }

    /// Returns all, in their order.
    pub fn iter(&self) -> std::slice::Iter<'_, E> {
        self.0.iter()
    }
}

impl<E> From<E> for Several<E> {
    fn from(only: E) -> Self {
        Self(vec![only])
    }
}

impl<E> IntoIterator for Several<E> {
    type Item = E;
    type IntoIter = std::vec::IntoIter<E>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a, E> IntoIterator for &'a Several<E> {
    type Item = &'a E;
    type IntoIter = std::slice::Iter<'a, E>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl Error {
    /// Returns an error about a declaration, with a hint.
    pub fn invalid(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Invalid { what: what.into(), hint: Some(hint.into()) }
    }

    /// Returns an error about a plugin, with a hint.
    pub fn plugin(path: &Path, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Plugin { path: path.to_owned(), what: what.into(), hint: Some(hint.into()) }
    }

    /// Returns how to mend it, as a sentence.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Invalid { hint, .. }
            | Self::Misdeclared { hint, .. }
            | Self::Malformed { hint, .. }
            | Self::Attribute { hint, .. }
            | Self::Plugin { hint, .. } => hint.clone(),
            Self::Unsupported { hint, .. } | Self::Unanswered { hint, .. } | Self::Kept { hint, .. } => {
                Some(hint.clone())
            }
            Self::Resource { source, .. } => source.hint(),
            Self::Tool { .. } => None,
            Self::Locked { .. } => Some("Wait for that run to end, then start again.".to_owned()),
            Self::Io(err) => io_hint(err),
        }
    }

    /// Returns this error with the name of the resource it belongs to.
    pub fn of(self, resource: &ResourceId) -> Self {
        Self::Resource { resource: resource.clone(), source: Box::new(self) }
    }
}

fn tail(stderr: &str) -> String {
    if stderr.trim().is_empty() { String::new() } else { format!(":\n{}", stderr.trim_end()) }
}

fn io_hint(err: &io::Error) -> Option<String> {
    let hint = match err.kind() {
        io::ErrorKind::PermissionDenied => {
            "Run as root; if you are root, look for an immutable file (`lsattr`) or a security module."
        }
        io::ErrorKind::ReadOnlyFilesystem => "The file system is mounted read-only; mount it writable.",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "Free some space there and run again.",
        io::ErrorKind::InvalidData => "hoststate edits text files as UTF-8 only; convert the file first.",
        _ => return None,
    };
    Some(hint.to_owned())
}
