//! What an initramfs image contains: concatenated, compressed cpio archives.
//!
//! Follows init/initramfs.c and Documentation/driver-api/early-userspace/buffer-format.rst: archives in the newc
//! format, plain (early microcode) or compressed, one after another with zero bytes between them.

mod compressed;
mod cpio;
mod input;
mod lz4_legacy;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io::{self, BufReader, Read};

use self::compressed::{Compressed, Compression};
use self::cpio::{Collector, Stream};
use self::input::Input;

/// Most bytes an image may unpack to. Real images stay below (hundreds of megabytes); a bomb does not.
const MAX_UNPACKED: u64 = 1 << 30;

/// Bytes of a compressed archive that are unpacked before they are looked at.
const UNPACKED_AT_ONCE: usize = 64 << 10;

/// Why an image cannot be listed.
#[derive(Debug, thiserror::Error)]
pub enum InitramfsError {
    /// Nothing but zero bytes, or nothing at all.
    #[error("the image holds no archive")]
    Empty,
    /// Neither a cpio archive nor a compression we know.
    #[error("unknown data at byte {offset} of the image, neither a cpio archive nor a known compression")]
    Unknown {
        /// Offset in the image.
        offset: u64,
    },
    /// A compression we cannot read.
    #[error(
        "the archive at byte {offset} of the image is compressed with {compression}, which hoststate cannot read"
    )]
    Unsupported {
        /// Offset in the image.
        offset: u64,
        /// Its name.
        compression: &'static str,
    },
    /// A damaged archive.
    #[error("the archive at byte {offset} of the image is damaged: {what}")]
    Damaged {
        /// Offset of the archive or compressed stream in the image.
        offset: u64,
        /// What is wrong.
        what: String,
    },
    /// More than we are ready to unpack.
    #[error("the image is too large: {what}")]
    TooLarge {
        /// Which bound it breaks.
        what: &'static str,
    },
}

/// What an entry of an image is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink {
        /// What it points to, as stored.
        target: String,
    },
    /// A device, pipe or socket.
    Special,
}

/// A file, directory or link in an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Path without a leading `/` or `./`.
    pub path: String,
    /// What it is.
    pub kind: EntryKind,
    /// Bytes of its content; of hard links each has the content's.
    pub size: u64,
    content: Option<usize>,
}

/// The listing of an image, with the contents that were asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Image {
    /// Every entry in order; of a path that comes twice the later one is what the kernel leaves.
    pub entries: Vec<Entry>,
    by_path: BTreeMap<String, usize>,
    contents: Vec<Vec<u8>>,
}

impl Image {
    /// Returns the entry at a path; where `/lib` and its like are merged into `/usr`, either spelling finds it.
    pub fn entry(&self, path: &str) -> Option<&Entry> {
        let path = cpio::normalized(path);
        let other = match path.strip_prefix("usr/") {
            Some(rest) => rest.to_owned(),
            None => format!("usr/{path}"),
        };
        let merged = |path: &str| {
            ["lib", "lib32", "lib64", "bin", "sbin"].contains(&path.split('/').next().unwrap_or(""))
        };
        let short = if path.len() < other.len() { path } else { &other };
        let found = self.by_path.get(path);
        let found = found.or_else(|| if merged(short) { self.by_path.get(&other) } else { None });
        self.entries.get(*found?)
    }

    /// Returns whether the image holds a path.
    pub fn contains(&self, path: &str) -> bool {
        self.entry(path).is_some()
    }

    /// Returns the bytes of a regular file that was kept while listing, also through its hard links.
    pub fn read(&self, path: &str) -> Option<&[u8]> {
        Some(self.contents.get(self.entry(path)?.content?)?.as_slice())
    }
}

/// Returns a reader of what a file holds that is compressed like a stretch of an image; `None` for any other file.
pub(super) fn unpacked<'a>(file: &'a [u8]) -> Option<Box<dyn Read + 'a>> {
    Compression::detect(file).filter(|it| it.unsupported().is_none())?;
    Some(Box::new(Compressed::open(Input::new(file)).ok()?))
}

/// Lists an image without keeping any content.
///
/// # Errors
/// Those of [`list_with`].
pub fn list(image: impl Read) -> Result<Image, InitramfsError> {
    list_with(image, |_| false)
}

/// Lists an image and keeps the regular files whose path `keep` accepts, at most 1 MiB each and 32 MiB together.
///
/// Everything else passes through a small buffer, the image itself too.
///
/// # Errors
/// Any damage, and what reading meets: a listing that stops half-way would make present files look absent.
pub fn list_with(image: impl Read, keep: impl Fn(&str) -> bool) -> Result<Image, InitramfsError> {
    let mut collector = Collector::new(&keep, MAX_UNPACKED);
    let mut input = Input::new(image);
    let mut archives = 0;
    loop {
        let damaged_at = |offset: u64| {
            move |err: io::Error| match InitramfsError::from_bound(&err) {
                Some(too_large) => too_large,
                None => InitramfsError::Damaged { offset, what: err.to_string() },
            }
        };
        if !input.skip_zeros().map_err(damaged_at(input.offset()))? {
            break;
        }
        let offset = input.offset();
        let damaged = damaged_at(offset);
        archives += 1;
        let magic = input.peek(Compression::MAGIC).map_err(damaged)?;
        if magic.starts_with(b"07070") {
            collector.archive(&mut Stream::new(&mut input)).map_err(damaged)?;
            continue;
        }
        let Some(compression) = Compression::detect(magic) else {
            return Err(InitramfsError::Unknown { offset });
        };
        if let Some(compression) = compression.unsupported() {
            return Err(InitramfsError::Unsupported { offset, compression });
        }
        let unpacked = Compressed::open(input).map_err(damaged)?;
        let mut unpacked = BufReader::with_capacity(UNPACKED_AT_ONCE, unpacked);
        collector.archives(&mut Stream::new(&mut unpacked)).map_err(damaged)?;
        let Some(rest) = unpacked.into_inner().into_rest() else { break };
        input = rest;
    }
    if archives == 0 { Err(InitramfsError::Empty) } else { Ok(collector.finish()) }
}

/// A bound that was broken, carried through [`io::Error`] because readers know no other.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("{0}")]
struct Bound(&'static str);

impl InitramfsError {
    fn from_bound(err: &io::Error) -> Option<Self> {
        let bound = err.get_ref()?.downcast_ref::<Bound>()?;
        Some(Self::TooLarge { what: bound.0 })
    }
}
