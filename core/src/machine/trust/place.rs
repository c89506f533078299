//! Where a file is written that the user names: nobody else decides which directory that is.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, OFlags, readlinkat};
use rustix::io::Errno;

use crate::error::Result;
use crate::machine::trust::{
    MAX_SYMLINKS, STICKY, Trust, Why, named, names, open_in, refusal, status, type_of,
};

/// The directory and the name of a file, which may not be there yet.
#[derive(Debug)]
pub struct Place {
    /// The directory, open: its path may lead elsewhere later.
    pub directory: OwnedFd,
    /// The name of the file in it. What has that name is a plain file, or nothing.
    pub name: OsString,
}

impl Trust {
    /// Returns where a file is written; `None` when something else than a file is there. Links of others are not followed, nor are directories taken that others may
    /// write and that are not sticky: as the kernel does it where `fs.protected_symlinks` is set, and in every
    /// directory.
    ///
    /// # Errors
    /// When a link on the way belongs to somebody else, root would write where others can put another file in
    /// place, or a directory is missing.
    pub fn place(&self, path: &Path) -> Result<Option<Place>> {
        let look = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let root = || open_in(CWD, "/".as_ref(), Path::new("/"), look);
        let (mut at, mut directory) = (PathBuf::from("/"), root()?);
        let (mut rest, mut links) = (names(&std::path::absolute(path)?), MAX_SYMLINKS);
        while let Some(name) = rest.pop() {
            let next = if name == ".." { at.parent().unwrap_or(&at).to_owned() } else { at.join(&name) };
            let is_last = rest.is_empty();
            let found = match open_in(&directory, &name, &next, look) {
                Err(err) if is_last && err.kind() == io::ErrorKind::NotFound => {
                    return self.taken(&at, directory, name).map(Some);
                }
                found => found?,
            };
            match type_of(&status(&next, &found)?) {
                FileType::Symlink => {
                    let owner = status(&next, &found)?.st_uid;
                    if !self.owners.contains(&owner) {
                        return Err(refusal::not_written_through(path, &next, owner));
                    }
                    links = links.checked_sub(1).ok_or_else(|| named(path, Errno::LOOP))?;
                    let target = readlinkat(&found, "", Vec::new()).map_err(|err| named(&next, err))?;
                    let target = PathBuf::from(OsString::from_vec(target.into_bytes()));
                    if target.is_absolute() {
                        (at, directory) = (PathBuf::from("/"), root()?);
                    }
                    rest.extend(names(&target));
                }
                FileType::RegularFile if is_last => {
                    return self.taken(&at, directory, name).map(Some);
                }
                FileType::Directory => (at, directory) = (next, found),
                _ => return Ok(None),
            }
        }
        Ok(None)
    }

    fn taken(&self, at: &Path, directory: OwnedFd, name: OsString) -> Result<Place> {
        let found = status(at, &directory)?;
        // A team may share a folder of plans; what root saves is acted on by root.
        let is_root = rustix::process::geteuid().is_root();
        if is_root && found.st_mode & STICKY == 0 && found.st_mode & 0o022 != 0 {
            let why = match found.st_mode & 0o002 {
                0 => self.objection_to_group(at, &directory, found.st_gid)?,
                _ => Some(Why::Writable),
            };
            if let Some(why) = why {
                return Err(refusal::not_written_in(at, &found, why));
            }
        }
        Ok(Place { directory, name })
    }
}
