//! A captured host: one readable file, which is a tree for as long as a command looks at it.

use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use hoststate_core::formats::host_text::{self, Node, Nodes};
use hoststate_core::machine::user_text::bytes_of;
use tempfile::TempDir;

use crate::error::{Error, Result};
use crate::text_file::text_of;

/// A captured host, unpacked; the tree is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Capture {
    file: PathBuf,
    tree: TempDir,
}

impl Capture {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// When it cannot be read, is no captured host, or the temporary directory cannot be written.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let nodes = read(path)?;
        let failed =
            |err| Error::io(format!("unpacking {} into the temporary directory", path.display()), err);
        let tree = tempfile::Builder::new().prefix("hoststate-").tempdir().map_err(failed)?;
        make(tree.path(), &nodes).map_err(failed)?;
        Ok(Self { file: path.to_owned(), tree })
    }

    /// Returns the directory that is the host's `/`.
    pub(crate) fn root(&self) -> &Path {
        self.tree.path()
    }

    /// Returns the file, as the user named it.
    pub(crate) fn file(&self) -> &Path {
        &self.file
    }
}

/// Reads the text of a captured host.
///
/// # Errors
/// When it cannot be read, or is no captured host.
#[expect(clippy::disallowed_methods, reason = "a file that the user names is no file of the host")]
pub(crate) fn read(path: &Path) -> Result<Nodes> {
    let shown = path.display();
    let bytes = std::fs::File::open(path).and_then(bytes_of);
    let text = text_of(&shown.to_string(), bytes.map_err(|err| Error::io(shown.to_string(), err))?)?;
    host_text::parse(&text).map_err(|err| {
        let hint = "A captured host has `== /PATH` above each file; `examples/hosts` has some.";
        Error::input(format!("{shown}: {err}"), hint)
    })
}

/// Makes the tree that `nodes` stand for below the empty directory `root`.
///
/// # Errors
/// When something cannot be made.
#[expect(clippy::disallowed_methods, reason = "the directory is new, and nobody has put links there")]
pub(crate) fn make(root: &Path, nodes: &Nodes) -> io::Result<()> {
    for (path, node) in nodes {
        let path = root.join(path);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        match node {
            Node::File(bytes) => std::fs::write(path, bytes)?,
            Node::Link(target) => symlink(target, path)?,
            Node::EmptyDirectory => std::fs::create_dir_all(path)?,
        }
    }
    Ok(())
}
