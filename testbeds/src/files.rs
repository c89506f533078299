//! Reads and writes every file of the testbeds.
#![expect(
    clippy::disallowed_methods,
    reason = "a testbed prepares and judges whole file systems from outside the engine; it does so here only"
)]

use std::{
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use crate::error::Result;

/// Reads a text; bytes that are not UTF-8 are replaced.
pub(crate) fn read(path: impl AsRef<Path>) -> Result<String> {
    Ok(String::from_utf8_lossy(&fs_err::read(path.as_ref())?).into_owned())
}

/// Reads bytes.
pub(crate) fn read_bytes(path: impl AsRef<Path>) -> Result<Vec<u8>> {
    Ok(fs_err::read(path.as_ref())?)
}

/// Writes a file and the directories above it.
pub(crate) fn write(path: impl AsRef<Path>, text: &str) -> Result<()> {
    let path = path.as_ref();
    if let Some(parent) = path.parent() {
        fs_err::create_dir_all(parent)?;
    }
    Ok(fs_err::write(path, text)?)
}

/// Writes bytes to a file whose directory is there.
pub(crate) fn write_bytes(path: impl AsRef<Path>, bytes: &[u8]) -> Result<()> {
    Ok(fs_err::write(path.as_ref(), bytes)?)
}

/// Writes a program: a file with mode 0755.
pub(crate) fn write_program(path: impl AsRef<Path>, text: &str) -> Result<()> {
    write(path.as_ref(), text)?;
    Ok(fs_err::set_permissions(path.as_ref(), std::fs::Permissions::from_mode(0o755))?)
}

/// Makes a directory and those above it.
pub(crate) fn make_directory(path: impl AsRef<Path>) -> Result<()> {
    Ok(fs_err::create_dir_all(path.as_ref())?)
}

/// Removes a file; an absent one is fine.
pub(crate) fn remove(path: impl AsRef<Path>) -> Result<()> {
    absent_is_fine(fs_err::remove_file(path.as_ref()))
}

/// Removes a tree; an absent one is fine. Does not follow symbolic links.
pub(crate) fn remove_tree(path: impl AsRef<Path>) -> Result<()> {
    absent_is_fine(fs_err::remove_dir_all(path.as_ref()))
}

/// Removes a file or a tree; an absent one is fine.
pub(crate) fn remove_tree_or_file(path: impl AsRef<Path>) -> Result<()> {
    let path = path.as_ref();
    if path.is_dir() && !path.is_symlink() { remove_tree(path) } else { remove(path) }
}

/// Gives a file a second name.
pub(crate) fn link(from: impl AsRef<Path>, to: impl AsRef<Path>) -> Result<()> {
    Ok(fs_err::hard_link(from.as_ref(), to.as_ref())?)
}

/// Makes a symbolic link and the directories above it.
pub(crate) fn link_to(target: &str, path: impl AsRef<Path>) -> Result<()> {
    let path = path.as_ref();
    if let Some(directory) = path.parent() {
        make_directory(directory)?;
    }
    Ok(fs_err::os::unix::fs::symlink(target, path)?)
}

/// Makes a new file, to be written bit by bit.
pub(crate) fn create(path: impl AsRef<Path>) -> Result<fs_err::File> {
    Ok(fs_err::File::create(path.as_ref())?)
}

/// Copies a file with its mode.
pub(crate) fn copy(from: impl AsRef<Path>, to: impl AsRef<Path>) -> Result<()> {
    fs_err::copy(from.as_ref(), to.as_ref())?;
    Ok(())
}

/// The path from the root of the file system on, without links.
pub(crate) fn absolute(path: impl AsRef<Path>) -> Result<PathBuf> {
    Ok(fs_err::canonicalize(path.as_ref())?)
}

/// Renames a file or directory.
pub(crate) fn rename(from: impl AsRef<Path>, to: impl AsRef<Path>) -> Result<()> {
    Ok(fs_err::rename(from.as_ref(), to.as_ref())?)
}

/// Opens a file to hold a lock on, and makes it when it is absent.
pub(crate) fn lock_file(path: impl AsRef<Path>) -> Result<fs_err::File> {
    Ok(fs_err::OpenOptions::new().create(true).truncate(false).write(true).open(path.as_ref())?)
}

/// The entries of a directory, sorted; an absent directory has none.
pub(crate) fn list(path: impl AsRef<Path>) -> Result<Vec<PathBuf>> {
    let entries = match fs_err::read_dir(path.as_ref()) {
        Ok(entries) => entries,
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(err) => return Err(err.into()),
    };
    let mut paths = Vec::new();
    for entry in entries {
        paths.push(entry?.path());
    }
    paths.sort();
    Ok(paths)
}

/// What `lstat` says.
pub(crate) fn status(path: impl AsRef<Path>) -> Result<std::fs::Metadata> {
    Ok(fs_err::symlink_metadata(path.as_ref())?)
}

/// Where a symbolic link points.
pub(crate) fn link_target(path: impl AsRef<Path>) -> Result<PathBuf> {
    Ok(fs_err::read_link(path.as_ref())?)
}

fn absent_is_fine(result: io::Result<()>) -> Result<()> {
    match result {
        Err(err) if err.kind() != io::ErrorKind::NotFound => Err(err.into()),
        Ok(()) | Err(_) => Ok(()),
    }
}
