//! Replacing and removing files so that a power cut leaves the old text or the new one.

#![expect(clippy::disallowed_methods, reason = "this is where files are changed")]

use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use rustix::fs::XattrFlags;

/// Mode of a file that was not there before: configuration is for everyone to read.
const NEW_FILE_MODE: u32 = 0o644;

/// Replaces the text of `path`, or makes the file.
///
/// The text goes to a new file in the same directory, which takes over owner, mode and extended attributes of the
/// old one (ACLs and the SELinux label among them), is synced and renamed; the caller syncs the directory. The new
/// file's name begins with a dot and ends in none of the suffixes that grub, kmod, udev or dracut read.
///
/// # Errors
/// When a step fails: the old file is then untouched.
pub(super) fn replace(path: &Path, text: &str) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    make_directories(directory)?;
    let named = |err: io::Error| io::Error::new(err.kind(), format!("{}: {err}", path.display()));
    let mut new = tempfile::Builder::new()
        .prefix(".hoststate-")
        .suffix(".new")
        .permissions(Permissions::from_mode(NEW_FILE_MODE))
        .tempfile_in(directory)
        .map_err(named)?;
    new.write_all(text.as_bytes()).map_err(named)?;
    match fs_err::metadata(path) {
        Ok(old) => {
            std::os::unix::fs::fchown(new.as_file(), Some(old.uid()), Some(old.gid())).map_err(named)?;
            new.as_file().set_permissions(Permissions::from_mode(old.mode() & 0o7777)).map_err(named)?;
            copy_attributes(path, new.path()).map_err(named)?;
        }
        // The mode given to the builder was cut by the umask.
        Err(err) if err.kind() == io::ErrorKind::NotFound => {
            new.as_file().set_permissions(Permissions::from_mode(NEW_FILE_MODE)).map_err(named)?;
        }
        Err(err) => return Err(err),
    }
    new.as_file().sync_all().map_err(named)?;
    new.persist(path).map_err(|err| named(err.error))?;
    Ok(())
}

/// Removes `path` and returns whether it was there; the caller syncs the directory.
///
/// # Errors
/// When it cannot be removed.
pub(super) fn remove(path: &Path) -> io::Result<bool> {
    match fs_err::remove_file(path) {
        Ok(()) => Ok(true),
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(err) => Err(err),
    }
}

/// Makes a directory and those above it, each synced into its parent.
pub(crate) fn make_directories(directory: &Path) -> io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    if let Some(parent) = directory.parent() {
        make_directories(parent)?;
        match fs_err::create_dir(directory) {
            Err(err) if err.kind() != io::ErrorKind::AlreadyExists => return Err(err),
            _ => sync_directory(parent)?,
        }
    }
    Ok(())
}

pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    fs_err::File::open(directory)?.sync_all()
}

fn copy_attributes(from: &Path, to: &Path) -> io::Result<()> {
    let length = match rustix::fs::listxattr(from, &mut [0_u8; 0]) {
        Ok(0) | Err(rustix::io::Errno::OPNOTSUPP) => return Ok(()),
        Ok(length) => length,
        Err(err) => return Err(err.into()),
    };
    let mut names = vec![0_u8; length];
    let length = rustix::fs::listxattr(from, &mut names[..])?;
    for name in names[..length].split(|it| *it == 0).filter(|it| !it.is_empty()) {
        let mut value = vec![0_u8; rustix::fs::getxattr(from, name, &mut [0_u8; 0])?];
        let length = rustix::fs::getxattr(from, name, &mut value[..])?;
        rustix::fs::setxattr(to, name, &value[..length], XattrFlags::empty())?;
    }
    Ok(())
}
