//! The lock file: which plugin files are trusted, by their bytes, and what they were when they were.

use std::path::{Path, PathBuf};

use hoststate_abi::message::Description;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::host::file::{Medium, replace};
use crate::plugins::plugin::file;

/// Format of the lock file.
const FORMAT: &str = "hoststate.plugins/1";

/// Name of the lock file of a folder that the user named; it lies in that folder.
pub const FILE_NAME: &str = "plugins.lock";

/// The trusted plugins of some folders.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustList {
    format: String,
    /// The plugins, sorted by file.
    pub plugins: Vec<Trusted>,
}

/// A plugin that is trusted as long as its file stays as it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trusted {
    /// The file.
    pub file: PathBuf,
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
    /// What it said of itself.
    pub description: Description,
}

impl TrustList {
    /// Returns a list of none.
    pub fn empty() -> Self {
        Self { format: FORMAT.to_owned(), plugins: Vec::new() }
    }

    /// Reads a lock file; one that is not there is empty.
    ///
    /// # Errors
    /// When someone else could change it, or it is of another version of hoststate.
    pub fn read(path: &Path) -> Result<Self> {
        let Some(contents) = file::read(path)? else {
            return Ok(Self::empty());
        };
        let hint = "Remove it and trust the plugins again, or use the hoststate that wrote it.";
        let list: Self = serde_json::from_slice(&contents.bytes)
            .map_err(|err| Error::plugin(path, format!("is not a list of plugins: {err}"), hint))?;
        if list.format != FORMAT {
            return Err(Error::plugin(
                path,
                format!("has the format {:?}, not {FORMAT:?}", list.format),
                hint,
            ));
        }
        Ok(list)
    }

    /// Returns what is trusted of a file.
    pub fn of(&self, file: &Path) -> Option<&Trusted> {
        self.plugins.iter().find(|it| it.file == file)
    }

    /// Returns those whose file `keep` wants.
    #[must_use]
    pub fn only(mut self, keep: impl Fn(&Path) -> bool) -> Self {
        self.plugins.retain(|it| keep(&it.file));
        self
    }

    /// Adds a plugin, in place of what was trusted of its file before.
    pub fn add(&mut self, trusted: Trusted) {
        self.plugins.retain(|it| it.file != trusted.file);
        self.plugins.push(trusted);
        self.plugins.sort_by(|a, b| a.file.cmp(&b.file));
    }

    /// Writes the list to its lock file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let mut text = serde_json::to_string_pretty(self).map_err(std::io::Error::from)?;
        text.push('\n');
        Ok(replace(Path::new("/"), path, &text, Medium::Atomic, None)?.sync()?)
    }
}
