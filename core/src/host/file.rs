//! Replacing and removing files so that a power cut leaves the old text or the new one.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::Mode;

use crate::error::{Error, Result};
use crate::host::directory::Directory;
use crate::machine::metadata::Metadata;

/// Mode of a file that was not there before: configuration is for everyone to read.
const NEW_FILE_MODE: u32 = 0o644;

/// How the file system of a file behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Medium {
    /// A rename replaces a file at once, also when the power goes.
    Atomic,
    /// A rename is several writes to the disk, and files have no owner, mode or attributes: the EFI system partition.
    Fat,
}

/// Replaces the text of the resolved host path `path` below `root`, or makes the file: with `as_before` if that is
/// given, else as configuration is.
///
/// The text goes to a new file in the same directory, which takes over what the old one is besides its text, is
/// synced and renamed; the caller syncs the directory. Until it has all that, it is for root only. On FAT a copy of
/// the old file stands beside it until the new one is on the disk. The names of both begin with a dot and end in none
/// of the suffixes that grub, kmod, udev or dracut read.
///
/// # Errors
/// When a step fails: the file then has the old text or the new one, and is never a part of one.
pub(crate) fn replace(
    root: &Path,
    path: &Path,
    text: &str,
    medium: Medium,
    as_before: Option<&Metadata>,
) -> Result<Directory> {
    let (directory, name) = place(path)?;
    let directory = Directory::make(root, directory)?;
    let is_fat = directory.is_fat()?;
    let medium = if is_fat { Medium::Fat } else { medium };
    let (new, old) = (new_name(name), old_name(name));
    let known = directory.file(name)?;
    let metadata = match &known {
        _ if is_fat => None,
        Some(known) => Some(read_metadata(&directory, name, known)?),
        None => as_before.cloned(),
    };
    let target = directory.path().join(name);
    match &metadata {
        Some(metadata) => directory.fill(&new, 0o600, |mut file| {
            metadata.label(file, &target)?;
            file.write_all(text.as_bytes())?;
            metadata.complete(file, &target)
        })?,
        // The kernel makes the mode and the ACL of a new file from the default ACL of the directory, if that has one,
        // and takes from the mode what the process does not want to give.
        None => directory.fill(&new, NEW_FILE_MODE, |mut file| {
            file.write_all(text.as_bytes())?;
            if !is_fat && !directory.has_default_acl()? {
                rustix::fs::fchmod(file, Mode::from_raw_mode(NEW_FILE_MODE)).map_err(io::Error::from)?;
            }
            Ok(())
        })?,
    }
    match (medium, known) {
        (Medium::Fat, Some(known)) => {
            let replaced = keep(&directory, known, &old)
                .and_then(|()| Ok(directory.rename(&new, name)?))
                .map_err(|err| match err {
                    Error::Io(err) => directory.without(&old, directory.without(&new, err)).into(),
                    err => err,
                });
            replaced?;
            // Until the disk has the new file, the copy is what is sure to be there.
            directory.sync_file_system()?;
            directory.remove(&old)?;
        }
        _ => directory.rename(&new, name)?,
    }
    Ok(directory)
}

/// Returns what the resolved host path `path` below `root` is besides its text; `None` when it is not there, or on a
/// file system where files are nothing besides.
///
/// # Errors
/// When it cannot be read.
pub(super) fn metadata(root: &Path, path: &Path) -> Result<Option<Metadata>> {
    let (directory, name) = place(path)?;
    let Some(directory) = Directory::open(root, directory)? else { return Ok(None) };
    match directory.file(name)? {
        Some(file) if !directory.is_fat()? => Ok(Some(read_metadata(&directory, name, &file)?)),
        _ => Ok(None),
    }
}

fn read_metadata(directory: &Directory, name: &OsStr, file: &File) -> io::Result<Metadata> {
    let path = directory.path().join(name);
    Metadata::of(file).map_err(|err| io::Error::new(err.kind(), format!("{}: {err}", path.display())))
}

/// Copies what `known` holds to the file `old`, and brings it to the disk.
fn keep(directory: &Directory, mut known: File, old: &OsStr) -> Result<()> {
    let mut bytes = Vec::new();
    known.read_to_end(&mut bytes)?;
    directory.create(old, &bytes)?;
    Ok(directory.sync()?)
}

/// Removes the resolved host path `path` below `root`. Returns the directory for the caller to sync, if the file was
/// there.
///
/// # Errors
/// When it cannot be removed.
pub(super) fn remove(root: &Path, path: &Path) -> io::Result<Option<Directory>> {
    let (directory, name) = place(path)?;
    let Some(directory) = Directory::open(root, directory)? else { return Ok(None) };
    Ok(directory.remove(name)?.then_some(directory))
}

/// Removes what a run that was cut left beside the resolved host path `path`; a file that FAT lost comes back.
/// Returns whether there was something.
///
/// # Errors
/// When it cannot be removed.
pub(super) fn mend(root: &Path, path: &Path) -> io::Result<bool> {
    let (directory, name) = place(path)?;
    let Some(directory) = Directory::open(root, directory)? else { return Ok(false) };
    let came_back = directory.file(name)?.is_none() && directory.file(&old_name(name))?.is_some();
    if came_back {
        directory.rename(&old_name(name), name)?;
    }
    let removed = [directory.remove(&new_name(name))?, directory.remove(&old_name(name))?];
    let mended = came_back || removed.contains(&true);
    if mended {
        directory.sync()?;
    }
    Ok(mended)
}

fn place(path: &Path) -> io::Result<(&Path, &OsStr)> {
    match (path.parent(), path.file_name()) {
        (Some(directory), Some(name)) => Ok((directory, name)),
        _ => Err(io::Error::other(format!("{}: not a file", path.display()))),
    }
}

fn new_name(name: &OsStr) -> OsString {
    beside(name, ".new")
}

fn old_name(name: &OsStr) -> OsString {
    beside(name, ".old")
}

/// Returns the name of a file beside the one with this name. Of a long name the end counts: no name may be longer than
/// `NAME_MAX`.
fn beside(name: &OsStr, ending: &str) -> OsString {
    const NAME_MAX: usize = 255;
    const BEGINNING: &str = ".hoststate-";
    let bytes = name.as_bytes();
    let room = NAME_MAX - BEGINNING.len() - ending.len();
    let mut beside = OsString::from(BEGINNING);
    beside.push(OsStr::from_bytes(&bytes[bytes.len().saturating_sub(room)..]));
    beside.push(ending);
    beside
}
