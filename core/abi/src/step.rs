//! The five operations by which a host is changed. There is no sixth.

use std::fmt;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::lines::LineEdit;

/// One operation on a host. Paths are absolute and belong to the host, not to the machine hoststate runs on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Step {
    /// Replaces a file atomically; owner, mode, extended attributes and SELinux label stay.
    WriteFile {
        /// The file. A symbolic link is followed, not replaced.
        path: PathBuf,
        /// The whole new text.
        text: String,
    },
    /// Replaces some lines of a file, in the same way. A file that is not there begins empty.
    EditFile {
        /// The file. A symbolic link is followed, not replaced.
        path: PathBuf,
        /// What is done to its lines, one after another.
        edits: Vec<LineEdit>,
    },
    /// Removes a file.
    RemoveFile {
        /// The file.
        path: PathBuf,
    },
    /// One write(2) to a kernel attribute, with a deadline, in a process of its own.
    WriteAttribute {
        /// The attribute, below `/sys` or `/proc/sys`.
        path: PathBuf,
        /// What is written, without a final newline.
        value: String,
    },
    /// Runs a tool of the distribution; never a shell.
    Run {
        /// Program and arguments.
        argv: Vec<String>,
    },
}

impl Step {
    /// Returns the file that is written, edited or removed; `None` where it is no file that is changed.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::WriteFile { path, .. } | Self::EditFile { path, .. } | Self::RemoveFile { path } => {
                Some(path)
            }
            Self::WriteAttribute { .. } | Self::Run { .. } => None,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WriteFile { path, .. } | Self::EditFile { path, .. } => {
                write!(f, "write {}", path.display())
            }
            Self::RemoveFile { path } => write!(f, "remove {}", path.display()),
            Self::WriteAttribute { path, value } => write!(f, "write {value:?} to {}", path.display()),
            Self::Run { argv } => write!(f, "run {}", argv.join(" ")),
        }
    }
}
