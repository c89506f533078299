//! A file of a host that is read piece by piece, on any thread: what is large need not be in memory.

use std::io::{self, Cursor, Read};
use std::os::fd::OwnedFd;
use std::path::PathBuf;

/// What is left of a file.
#[derive(Debug)]
pub(super) struct Pieces {
    source: Source,
    /// Where the file is on this machine, for errors.
    path: PathBuf,
    /// How many bytes it may still have.
    left: usize,
    limit: usize,
    failure: Option<io::Error>,
}

#[derive(Debug)]
enum Source {
    File(OwnedFd),
    Bytes(Cursor<Vec<u8>>),
}

impl Pieces {
    /// Returns the pieces of an open file that may have `limit` bytes.
    pub(super) fn of_file(file: OwnedFd, path: PathBuf, limit: usize) -> Self {
        Self { source: Source::File(file), path, left: limit, limit, failure: None }
    }

    /// Returns the pieces of what is in memory.
    pub(super) fn of_bytes(bytes: Vec<u8>) -> Self {
        let (left, path) = (bytes.len(), PathBuf::new());
        Self { source: Source::Bytes(Cursor::new(bytes)), path, left, limit: left, failure: None }
    }

    /// Ends reading.
    ///
    /// # Errors
    /// What reading has met, and whoever read was told: the kernel's answer, or that the file is larger than it may be.
    pub(super) fn close(self) -> io::Result<()> {
        self.failure.map_or(Ok(()), Err)
    }

    fn fail(&mut self, err: io::Error) -> io::Error {
        let copy = io::Error::new(err.kind(), err.to_string());
        self.failure = Some(err);
        copy
    }
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match &mut self.source {
            Source::File(file) => rustix::io::retry_on_intr(|| rustix::io::read(&*file, &mut *buffer)),
            Source::Bytes(bytes) => return bytes.read(buffer),
        };
        let read = match read {
            Ok(read) => read,
            Err(err) => {
                let err = io::Error::from(err);
                let named = io::Error::new(err.kind(), format!("{}: {err}", self.path.display()));
                return Err(self.fail(named));
            }
        };
        match self.left.checked_sub(read) {
            Some(left) => self.left = left,
            None => return Err(self.fail(too_large(&self.path, self.limit))),
        }
        Ok(read)
    }
}

/// Says that a file has more bytes than are read of it.
pub(super) fn too_large(path: &std::path::Path, limit: usize) -> io::Error {
    let what = format!("{}: larger than {} MiB, the most that is read of it", path.display(), limit >> 20);
    io::Error::new(io::ErrorKind::FileTooLarge, what)
}
