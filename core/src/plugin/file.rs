//! Plugin files: opened once, along a path that nobody else can change, and known by their bytes.

use std::io::{self, Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{FileType, MemfdFlags, Mode, OFlags, SealFlags, Stat};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// A plugin of this size was not meant to be one.
const LARGEST: u64 = 64 << 20;

/// A file that was read whole, from one open(2).
#[derive(Debug)]
pub(super) struct Contents {
    /// Its bytes.
    pub(super) bytes: Vec<u8>,
    /// SHA-256 of them, in hexadecimal.
    pub(super) sha256: String,
}

/// Reads a file; `None` when it, or a directory on the way, is not there.
///
/// # Errors
/// When someone else than root, or whoever runs this, could change the file or its path.
pub(super) fn read(path: &Path) -> Result<Option<Contents>> {
    let Some(fd) = open(path, FileType::RegularFile)? else { return Ok(None) };
    contents(path, fd).map(Some)
}

fn contents(path: &Path, fd: OwnedFd) -> Result<Contents> {
    let mut bytes = Vec::new();
    let file = std::fs::File::from(fd);
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(|err| named(path, err))?;
    if bytes.len() as u64 > LARGEST {
        let what = format!("is larger than {} MiB", LARGEST >> 20);
        return Err(Error::plugin(path, what, "A plugin is a shared library or a program."));
    }
    let sha256 = Sha256::digest(&bytes).iter().map(|it| format!("{it:02x}")).collect();
    Ok(Contents { bytes, sha256 })
}

/// Reads a file that its owner tries out, whoever else could change it.
///
/// # Errors
/// When it cannot be read.
pub(super) fn read_own(path: &Path) -> Result<Contents> {
    let fd = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        .map_err(|err| named(path, err.into()))?;
    contents(path, fd)
}

/// Returns the names in a folder, sorted; `None` when it is not there.
///
/// # Errors
/// As for [`read`].
pub(super) fn list(folder: &Path) -> Result<Option<Vec<String>>> {
    let Some(fd) = open(folder, FileType::Directory)? else { return Ok(None) };
    let mut names = Vec::new();
    let directory = rustix::fs::Dir::read_from(fd).map_err(|err| named(folder, err.into()))?;
    for entry in directory {
        let entry = entry.map_err(|err| named(folder, err.into()))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') {
            names.push(name);
        }
    }
    names.sort();
    Ok(Some(names))
}

/// Returns a file in memory with these bytes, which nobody can change, not even its owner.
///
/// # Errors
/// When the kernel has no such files (Linux 3.17).
pub(super) fn sealed(bytes: &[u8]) -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    // Linux 6.3 wants to be told that it will be executed; before, that word is unknown.
    let fd = match rustix::fs::memfd_create(c"plugin", flags | MemfdFlags::EXEC) {
        Err(Errno::INVAL) => rustix::fs::memfd_create(c"plugin", flags)?,
        other => other?,
    };
    let mut file = std::fs::File::from(fd);
    file.write_all(bytes)?;
    file.rewind()?;
    let seals = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
    rustix::fs::fcntl_add_seals(&file, seals)?;
    Ok(file.into())
}

/// Opens `path` one directory after the other, each checked by what was opened and not by its name.
fn open(path: &Path, kind: FileType) -> Result<Option<OwnedFd>> {
    let walk = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut at = PathBuf::from("/");
    let mut fd = rustix::fs::open("/", walk, Mode::empty()).map_err(|err| named(&at, err.into()))?;
    let names: Vec<_> = path.components().filter(|it| *it != Component::RootDir).collect();
    for (index, name) in names.iter().enumerate() {
        check(&at, &status(&at, &fd)?, FileType::Directory)?;
        at.push(name);
        let is_last = index + 1 == names.len();
        // What is not a plain file or directory must not be opened for reading: a FIFO would wait for a writer.
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let next = match rustix::fs::openat(&fd, name.as_os_str(), flags, Mode::empty()) {
            Ok(next) => next,
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
            Err(err) => return Err(named(&at, err.into())),
        };
        check_kind(&at, &status(&at, &next)?, if is_last { kind } else { FileType::Directory })?;
        fd = next;
    }
    let found = status(&at, &fd)?;
    check(&at, &found, kind)?;
    if kind == FileType::Directory && found.st_mode & 0o022 != 0 {
        // Sticky directories are good enough on the way, but whoever can add a file to this one adds a plugin.
        return Err(changeable(&at, &found));
    }
    let real = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&fd));
    let opened = rustix::fs::open(real, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
    opened.map(Some).map_err(|err| named(path, err.into()))
}

fn status(at: &Path, fd: &OwnedFd) -> Result<Stat> {
    rustix::fs::fstat(fd).map_err(|err| named(at, err.into()))
}

fn check_kind(at: &Path, found: &Stat, kind: FileType) -> Result<()> {
    let is = FileType::from_raw_mode(found.st_mode);
    if is == kind {
        return Ok(());
    }
    let what = match is {
        FileType::Symlink => "is a symbolic link".to_owned(),
        _ => format!("is no {}", if kind == FileType::Directory { "directory" } else { "file" }),
    };
    Err(Error::plugin(at, what, "Plugins are plain files in the folders that `hoststate plugin list` names."))
}

fn check(at: &Path, found: &Stat, kind: FileType) -> Result<()> {
    let own = rustix::process::geteuid().as_raw();
    if found.st_uid != 0 && found.st_uid != own {
        let what = format!("belongs to user {}, who could change what runs", found.st_uid);
        let hint = format!("Give it to root: `chown root:root {}`.", at.display());
        return Err(Error::plugin(at, what, hint));
    }
    // In a sticky directory nobody can replace what belongs to another.
    let is_sticky = kind == FileType::Directory && found.st_mode & 0o1000 != 0 && found.st_uid == 0;
    if found.st_mode & 0o022 != 0 && !is_sticky {
        return Err(changeable(at, found));
    }
    Ok(())
}

fn changeable(at: &Path, found: &Stat) -> Error {
    let what = format!("can be changed by others than its owner (mode {:04o})", found.st_mode & 0o7777);
    Error::plugin(at, what, format!("Take that right away: `chmod go-w {}`.", at.display()))
}

fn named(path: &Path, err: io::Error) -> Error {
    Error::Io(io::Error::new(err.kind(), format!("{}: {err}", path.display())))
}
