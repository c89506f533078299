//! Replacing and removing files so that a power cut leaves the old text or the new one.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rustix::fs::{Gid, Mode, Stat, Uid, XattrFlags};
use rustix::io::Errno;

use crate::host::directory::Directory;

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

/// Replaces the text of the resolved host path `path` below `root`, or makes the file.
///
/// The text goes to a new file in the same directory, which takes over owner, mode and extended attributes of the
/// old one (ACLs and the SELinux label among them), is synced and renamed; the caller syncs the directory. On FAT a
/// copy of the old file stands beside it until the new one is on the disk. The names of both begin with a dot and
/// end in none of the suffixes that grub, kmod, udev or dracut read.
///
/// # Errors
/// When a step fails: the file then has the old text or the new one, and is never a part of one.
pub(crate) fn replace(root: &Path, path: &Path, text: &str, medium: Medium) -> io::Result<Directory> {
    let (directory, name) = place(path)?;
    let directory = Directory::make(root, directory)?;
    let medium = if directory.is_fat()? { Medium::Fat } else { medium };
    let (new, old) = (new_name(name), old_name(name));
    let known = directory.file(name)?;
    let status = known.as_ref().map(rustix::fs::fstat).transpose()?;
    directory.create(&new, text.as_bytes(), |file| match (medium, &known, &status) {
        (Medium::Atomic, Some(known), Some(status)) => take_over(known, status, file),
        (Medium::Atomic, _, _) => Ok(rustix::fs::fchmod(file, Mode::from_raw_mode(NEW_FILE_MODE))?),
        (Medium::Fat, _, _) => Ok(()),
    })?;
    match (medium, known) {
        (Medium::Fat, Some(known)) => {
            let replaced = keep(&directory, known, &old).and_then(|()| directory.rename(&new, name));
            replaced.map_err(|err| directory.without(&old, directory.without(&new, err)))?;
            // Until the disk has the new file, the copy is what is sure to be there.
            directory.sync_file_system()?;
            directory.remove(&old)?;
        }
        _ => directory.rename(&new, name)?,
    }
    Ok(directory)
}

/// Copies what `known` holds to the file `old`, and brings it to the disk.
fn keep(directory: &Directory, mut known: File, old: &OsStr) -> io::Result<()> {
    let mut bytes = Vec::new();
    known.read_to_end(&mut bytes)?;
    directory.create(old, &bytes, |_| Ok(()))?;
    directory.sync()
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

fn beside(name: &OsStr, ending: &str) -> OsString {
    let mut beside = OsString::from(".hoststate-");
    beside.push(name);
    beside.push(ending);
    beside
}

fn take_over(old: &File, status: &Stat, new: &File) -> io::Result<()> {
    let (owner, group) = (Uid::from_raw(status.st_uid), Gid::from_raw(status.st_gid));
    rustix::fs::fchown(new, Some(owner), Some(group))?;
    rustix::fs::fchmod(new, Mode::from_raw_mode(status.st_mode & 0o7777))?;
    let length = match rustix::fs::flistxattr(old, &mut [0_u8; 0]) {
        Ok(0) | Err(Errno::OPNOTSUPP) => return Ok(()),
        Ok(length) => length,
        Err(err) => return Err(err.into()),
    };
    let mut names = vec![0_u8; length];
    let length = rustix::fs::flistxattr(old, &mut names[..])?;
    for name in names[..length].split(|it| *it == 0).filter(|it| !it.is_empty()) {
        let mut value = vec![0_u8; rustix::fs::fgetxattr(old, name, &mut [0_u8; 0])?];
        let length = rustix::fs::fgetxattr(old, name, &mut value[..])?;
        rustix::fs::fsetxattr(new, name, &value[..length], XattrFlags::empty())?;
    }
    Ok(())
}
