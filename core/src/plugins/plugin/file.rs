//! Plugin files: opened once, and known by their bytes.

use std::io::{self, Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{FileType, MemfdFlags, Mode, OFlags, SealFlags};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::machine::trust::{Trust, What, named};

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
    let Some(fd) = Trust::own(What::Plugins).open(path, FileType::RegularFile)? else { return Ok(None) };
    contents(path, fd).map(Some)
}

fn contents(path: &Path, fd: OwnedFd) -> Result<Contents> {
    let file = std::fs::File::from(fd);
    let size = file.metadata().map_err(|err| named(path, err))?.len().min(LARGEST);
    // Room for all of it and one more, to see the end: nothing is copied on the way.
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0) + 1);
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
        .map_err(|err| named(path, err))?;
    contents(path, fd)
}

/// Returns the names in a folder, sorted; `None` when it is not there.
///
/// # Errors
/// As for [`read`].
pub(super) fn list(folder: &Path) -> Result<Option<Vec<String>>> {
    let Some(fd) = Trust::own(What::Plugins).open(folder, FileType::Directory)? else { return Ok(None) };
    let mut names = Vec::new();
    let directory = rustix::fs::Dir::read_from(fd).map_err(|err| named(folder, err))?;
    for entry in directory {
        let entry = entry.map_err(|err| named(folder, err))?;
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
