//! An open directory of a host, reached from the host's root without following a link.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::error::{Error, Result};

/// Mode of directories that were not there before: configuration is for everyone to read.
const NEW_DIRECTORY_MODE: u32 = 0o755;

/// An open directory. What is done in it is done in this very directory, whatever its path leads to meanwhile.
///
/// Paths were resolved before they come here, so a link on the way came there since, and is an error: otherwise who
/// may write in a tree could make root write anywhere. A walk with `O_NOFOLLOW` does what openat2(2) does with
/// `RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS`, on the kernels of CentOS 7 and 8 as well.
#[derive(Debug)]
pub(crate) struct Directory {
    fd: OwnedFd,
    path: PathBuf,
}

impl Directory {
    /// Opens the host path `path` below `root`; `None` when it is not there.
    ///
    /// # Errors
    /// When something on the way is no directory, or cannot be opened.
    pub(crate) fn open(root: &Path, path: &Path) -> io::Result<Option<Self>> {
        let mut directory = Self::root(root)?;
        for name in names(path)? {
            match directory.child(name)? {
                Some(child) => directory = child,
                None => return Ok(None),
            }
        }
        Ok(Some(directory))
    }

    /// Opens the host path `path` below `root`, and makes what is missing, each synced into its parent.
    ///
    /// # Errors
    /// As for [`Self::open`], and when a directory cannot be made.
    pub(crate) fn make(root: &Path, path: &Path) -> io::Result<Self> {
        let mut directory = Self::root(root)?;
        for name in names(path)? {
            directory = match directory.child(name)? {
                Some(child) => child,
                None => directory.make_child(name, NEW_DIRECTORY_MODE)?,
            };
        }
        Ok(directory)
    }

    fn root(root: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::open(root, flags, Mode::empty()).map_err(|err| named(root, err))?;
        Ok(Self { fd, path: root.to_owned() })
    }

    /// Opens a directory in this one; `None` when there is none.
    ///
    /// # Errors
    /// When it is something else, a link for example.
    pub(crate) fn child(&self, name: &OsStr) -> io::Result<Option<Self>> {
        let path = self.path.join(name);
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = match rustix::fs::openat(&self.fd, name, flags | OFlags::RDONLY, Mode::empty()) {
            // Whoever may not list a directory may still go through it.
            Err(Errno::ACCESS) => rustix::fs::openat(&self.fd, name, flags | OFlags::PATH, Mode::empty()),
            opened => opened,
        };
        match opened {
            Ok(fd) => Ok(Some(Self { fd, path })),
            Err(Errno::NOENT) => Ok(None),
            Err(Errno::NOTDIR | Errno::LOOP) if self.is_link(name)? => Err(came_between(&path)),
            Err(err) => Err(named(&path, err)),
        }
    }

    /// Makes a directory in this one and opens it.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(crate) fn make_child(&self, name: &OsStr, mode: u32) -> io::Result<Self> {
        let path = self.path.join(name);
        match rustix::fs::mkdirat(&self.fd, name, Mode::from_raw_mode(mode)) {
            Ok(()) => self.sync()?,
            // Someone else was faster.
            Err(Errno::EXIST) => {}
            Err(err) => return Err(named(&path, err)),
        }
        self.child(name)?.ok_or_else(|| named(&path, Errno::NOENT))
    }

    /// Returns the path on the machine by which it was reached.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the open directory itself.
    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Returns what the file system knows about this directory.
    ///
    /// # Errors
    /// When it does not answer.
    pub(crate) fn status(&self) -> io::Result<Stat> {
        rustix::fs::fstat(&self.fd).map_err(|err| named(&self.path, err))
    }

    /// Sets the mode of this directory.
    ///
    /// # Errors
    /// When the file system refuses.
    pub(crate) fn set_mode(&self, mode: u32) -> io::Result<()> {
        rustix::fs::fchmod(&self.fd, Mode::from_raw_mode(mode)).map_err(|err| named(&self.path, err))
    }

    /// Returns the names in this directory, in no order.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.fd).map_err(|err| named(&self.path, err))? {
            let entry = entry.map_err(|err| named(&self.path, err))?;
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
        names.retain(|it| it != "." && it != "..");
        Ok(names)
    }

    /// Opens a file for reading; `None` when it is not there.
    ///
    /// # Errors
    /// When it is no plain file, or cannot be opened.
    pub(crate) fn file(&self, name: &OsStr) -> io::Result<Option<File>> {
        // A FIFO must not hold the run until somebody writes to it.
        self.open_file(name, OFlags::RDONLY | OFlags::NONBLOCK)
    }

    /// Opens a file for reading and writing, and makes it, for its owner only, when it is not there.
    ///
    /// # Errors
    /// When it is no plain file, or cannot be opened.
    pub(crate) fn private_file(&self, name: &OsStr) -> io::Result<File> {
        let file = self.open_file(name, OFlags::RDWR | OFlags::NONBLOCK | OFlags::CREATE)?;
        file.ok_or_else(|| named(&self.path.join(name), Errno::NOENT))
    }

    fn open_file(&self, name: &OsStr, flags: OFlags) -> io::Result<Option<File>> {
        let path = self.path.join(name);
        let flags = flags | OFlags::NOFOLLOW | OFlags::NOCTTY | OFlags::CLOEXEC;
        let fd = match rustix::fs::openat(&self.fd, name, flags, Mode::from_raw_mode(0o600)) {
            Ok(fd) => fd,
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP) => return Err(came_between(&path)),
            Err(err) => return Err(named(&path, err)),
        };
        let status = rustix::fs::fstat(&fd).map_err(|err| named(&path, err))?;
        if FileType::from_raw_mode(status.st_mode) != FileType::RegularFile {
            return Err(failed(&path, io::ErrorKind::Other, "not a plain file"));
        }
        Ok(Some(File::from(fd)))
    }

    /// Returns the text of a file; `None` when it is not there.
    ///
    /// # Errors
    /// When it is no plain file, cannot be read, or is not UTF-8.
    pub(crate) fn read(&self, name: &OsStr) -> io::Result<Option<String>> {
        let Some(mut file) = self.file(name)? else { return Ok(None) };
        let mut text = String::new();
        match file.read_to_string(&mut text) {
            Ok(_) => Ok(Some(text)),
            Err(err) => Err(failed(&self.path.join(name), err.kind(), err)),
        }
    }

    /// Makes a new file, for its owner only, with `bytes` in it.
    ///
    /// # Errors
    /// As for [`Self::fill`].
    pub(crate) fn create(&self, name: &OsStr, bytes: &[u8]) -> Result<()> {
        self.fill(name, 0o600, |mut file| Ok(file.write_all(bytes)?))
    }

    /// Makes a new file of this mode, lets `fill` complete it, and syncs it. A file of that name, left by a run that
    /// was cut, is replaced. When something fails, the new file is gone.
    ///
    /// # Errors
    /// When a step fails.
    pub(crate) fn fill(&self, name: &OsStr, mode: u32, fill: impl FnOnce(&File) -> Result<()>) -> Result<()> {
        let path = self.path.join(name);
        self.remove(name)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&self.fd, name, flags, Mode::from_raw_mode(mode))
            .map_err(|err| named(&path, err))?;
        let file = File::from(fd);
        let made = fill(&file).and_then(|()| Ok(file.sync_all()?));
        made.map_err(|err| match (err, self.remove(name)) {
            (Error::Io(err), Ok(_)) => {
                io::Error::new(err.kind(), format!("{}: {err}", path.display())).into()
            }
            (err, Ok(_)) => err,
            (err, Err(left)) => io::Error::other(format!("{err}; what was begun stays, for {left}")).into(),
        })
    }

    /// Gives `from` the name `to`, in place of what had that name.
    ///
    /// # Errors
    /// When it cannot be renamed: it is then removed.
    pub(crate) fn rename(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        rustix::fs::renameat(&self.fd, from, &self.fd, to)
            .map_err(|err| self.without(from, named(&self.path.join(to), err)))
    }

    /// Removes a file; one that is already gone is no error. Returns whether there was one.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub(crate) fn remove(&self, name: &OsStr) -> io::Result<bool> {
        match rustix::fs::unlinkat(&self.fd, name, AtFlags::empty()) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(err) => Err(named(&self.path.join(name), err)),
        }
    }

    /// Removes what a failed step leaves behind. Returns why it failed, and what could not be removed.
    pub(crate) fn without(&self, name: &OsStr, failed: io::Error) -> io::Error {
        match self.remove(name) {
            Ok(_) => failed,
            Err(err) => io::Error::new(failed.kind(), format!("{failed}; what was begun stays, for {err}")),
        }
    }

    /// Brings the names in this directory to the disk; on FAT all of the file system. An entry that is left there, of
    /// clusters that are free, makes the kernel refuse every write after the next boot (fs/fat/fatent.c,
    /// `fat_free_clusters`).
    ///
    /// # Errors
    /// When the disk does not take them.
    pub(crate) fn sync(&self) -> io::Result<()> {
        if self.is_fat()? {
            return self.sync_file_system();
        }
        rustix::fs::fsync(&self.fd).map_err(|err| named(&self.path, err))
    }

    /// Brings the whole file system to the disk.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub(crate) fn sync_file_system(&self) -> io::Result<()> {
        rustix::fs::syncfs(&self.fd).map_err(|err| named(&self.path, err))
    }

    /// Returns whether this directory is on a FAT file system, as the kernel says.
    ///
    /// # Errors
    /// When the file system does not answer.
    pub(crate) fn is_fat(&self) -> io::Result<bool> {
        /// `MSDOS_SUPER_MAGIC` (include/uapi/linux/magic.h), of msdos and vfat.
        const MSDOS: u64 = 0x4d44;
        let found = rustix::fs::fstatfs(self.fd.as_fd()).map_err(|err| named(&self.path, err))?;
        Ok(u64::try_from(found.f_type).is_ok_and(|it| it == MSDOS))
    }

    /// Returns whether this directory says what the ACLs of new files in it are.
    ///
    /// # Errors
    /// When the file system does not answer.
    pub(crate) fn has_default_acl(&self) -> io::Result<bool> {
        match rustix::fs::fgetxattr_query(&self.fd, "system.posix_acl_default") {
            Ok(_) => Ok(true),
            Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(false),
            Err(err) => Err(named(&self.path, err)),
        }
    }

    fn is_link(&self, name: &OsStr) -> io::Result<bool> {
        match rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(status) => Ok(FileType::from_raw_mode(status.st_mode) == FileType::Symlink),
            Err(Errno::NOENT) => Ok(false),
            Err(err) => Err(named(&self.path.join(name), err)),
        }
    }
}

/// Returns the names of a resolved path.
fn names(path: &Path) -> io::Result<Vec<&OsStr>> {
    let mut names = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => names.push(name),
            Component::RootDir | Component::CurDir => {}
            Component::ParentDir | Component::Prefix(_) => {
                return Err(io::Error::other(format!("{}: not a resolved path", path.display())));
            }
        }
    }
    Ok(names)
}

/// What went wrong with a file, and which.
#[derive(Debug, thiserror::Error)]
#[error("{}: {what}", .path.display())]
pub(crate) struct FileError {
    path: PathBuf,
    /// What went wrong, without the file.
    pub(crate) what: String,
}

impl FileError {
    /// Returns what went wrong with a file of a directory, if the error is about one.
    pub(crate) fn of(err: &io::Error) -> Option<&Self> {
        err.get_ref()?.downcast_ref()
    }
}

fn failed(path: &Path, kind: io::ErrorKind, what: impl ToString) -> io::Error {
    io::Error::new(kind, FileError { path: path.to_owned(), what: what.to_string() })
}

fn named(path: &Path, err: Errno) -> io::Error {
    let err = io::Error::from(err);
    failed(path, err.kind(), err)
}

fn came_between(path: &Path) -> io::Error {
    failed(path, io::ErrorKind::Other, "a symbolic link is there where none was; it is not followed")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "the trees are made here")]

    use std::os::unix::fs::symlink;
    use std::path::Path;

    use tempfile::TempDir;

    use super::Directory;

    fn check(link: &str, target: &str, path: &str, expected: &str) {
        let tree = TempDir::new().unwrap();
        std::fs::create_dir_all(tree.path().join("etc/real")).unwrap();
        symlink(target, tree.path().join(link)).unwrap();
        let root = tree.path().display().to_string();
        let shown = |err: std::io::Error| err.to_string().replace(&root, "");
        let opened = match Directory::make(tree.path(), Path::new(path)) {
            Ok(it) => format!("{}", it.path().display()).replace(&root, ""),
            Err(err) => shown(err),
        };
        assert_eq!(opened, expected);
    }

    #[test]
    fn no_link_on_the_way_is_followed_wherever_it_leads() {
        let refused = "/etc/x: a symbolic link is there where none was; it is not followed";
        for target in ["/etc", "..", "real", "/nowhere", "x"] {
            check("etc/x", target, "/etc/x", refused);
            check("etc/x", target, "/etc/x/below", refused);
        }
        check("etc/x", "/etc", "/etc/real/below", "/etc/real/below");
        check("etc/x", "/etc", "/etc/../real", "/etc/../real: not a resolved path");
    }
}
