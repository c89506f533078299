//! newc cpio archives, read as a stream.

use std::collections::HashMap;
use std::io::{self, BufRead, Read};

use super::{Bound, Entry, EntryKind, Image};

/// Bytes of a newc header: the magic and 13 numbers of 8 hexadecimal digits.
const HEADER: usize = 110;
/// Longest path the kernel takes (`PATH_MAX`).
const MAX_PATH: u64 = 4096;
/// Most entries; a full Debian image has about 3000.
const MAX_ENTRIES: usize = 1 << 18;
/// Most bytes of paths and targets of links; those of a full Debian image have 200,000.
const MAX_NAMES: usize = 16 << 20;
/// Most names of one file.
const MAX_LINKS: usize = 1 << 10;
/// Largest file that is kept; the files asked for are configuration.
const MAX_KEPT_FILE: u64 = 1 << 20;
/// Most zero bytes between the archives of a stream; padding is for alignment.
const MAX_PADDING: u64 = 64 << 20;
/// Most bytes kept of one image.
const MAX_KEPT: usize = 32 << 20;

/// A reader that counts.
pub(super) struct Stream<R> {
    reader: R,
    offset: u64,
    padding: u64,
}

impl<R: BufRead> Stream<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, offset: 0, padding: 0 }
    }

    fn read_exact(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        self.reader.read_exact(buffer).map_err(|err| match err.kind() {
            io::ErrorKind::UnexpectedEof => damaged("it ends too early"),
            _ => err,
        })?;
        self.offset += buffer.len() as u64;
        Ok(())
    }

    /// Reads `length` bytes the caller has bounded.
    fn read_bytes(&mut self, length: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let read = (&mut self.reader).take(length).read_to_end(&mut bytes)? as u64;
        self.offset += read;
        if read == length { Ok(bytes) } else { Err(damaged("it ends too early")) }
    }

    fn skip(&mut self, length: u64) -> io::Result<()> {
        let mut left = length;
        while left > 0 {
            let available = self.reader.fill_buf()?.len();
            if available == 0 {
                return Err(damaged("it ends too early"));
            }
            let taken = available.min(usize::try_from(left).unwrap_or(usize::MAX));
            self.reader.consume(taken);
            left -= taken as u64;
        }
        self.offset += length;
        Ok(())
    }

    /// Skips what aligns the offset since `start` to four bytes.
    fn align(&mut self, start: u64) -> io::Result<()> {
        self.skip((self.offset - start).wrapping_neg() % 4)
    }

    /// Skips zero bytes; returns the first other one, `None` at the end.
    fn next_non_zero(&mut self) -> io::Result<Option<u8>> {
        while self.padding <= MAX_PADDING {
            let buffer = self.reader.fill_buf()?;
            if buffer.is_empty() {
                return Ok(None);
            }
            let other = buffer.iter().position(|it| *it != 0);
            let first = other.and_then(|it| buffer.get(it)).copied();
            let zeros = other.unwrap_or(buffer.len());
            let read = zeros + usize::from(first.is_some());
            self.reader.consume(read);
            self.offset += read as u64;
            self.padding += zeros as u64;
            if first.is_some() {
                return Ok(first);
            }
        }
        Err(too_large("it is padded with more than 64 MiB of zero bytes"))
    }
}

fn damaged(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

fn too_large(what: &'static str) -> io::Error {
    io::Error::other(Bound(what))
}

/// Removes leading `/` and `./` and trailing `/`.
pub(super) fn normalized(path: &str) -> &str {
    let mut path = path;
    while let Some(rest) = path.strip_prefix('/').or_else(|| path.strip_prefix("./")) {
        path = rest;
    }
    path.trim_end_matches('/')
}

struct Header {
    inode: (u32, u32, u32),
    mode: u32,
    links: u32,
    file_size: u64,
    name_size: u64,
}

impl Header {
    fn parse(bytes: &[u8; HEADER]) -> io::Result<Self> {
        // 070702 adds a checksum, which the kernel does not look at either.
        if !bytes.starts_with(b"070701") && !bytes.starts_with(b"070702") {
            return Err(damaged("a cpio header is not in the newc format"));
        }
        let field = |index: usize| {
            let digits = bytes.get(6 + index * 8..14 + index * 8).unwrap_or_default();
            let text = str::from_utf8(digits).ok().filter(|text| !text.starts_with('+'));
            text.and_then(|text| u32::from_str_radix(text, 16).ok())
                .ok_or_else(|| damaged("a cpio header holds something other than hexadecimal digits"))
        };
        Ok(Self {
            inode: (field(0)?, field(7)?, field(8)?),
            mode: field(1)?,
            links: field(4)?,
            file_size: field(6)?.into(),
            name_size: field(11)?.into(),
        })
    }
}

/// Gathers the entries of all archives of an image.
pub(super) struct Collector<'k> {
    keep: &'k dyn Fn(&str) -> bool,
    image: Image,
    /// Entries per inode: of hard links only one, usually the last, carries the content.
    links: HashMap<(u32, u32, u32), Vec<usize>>,
    kept: usize,
    names: usize,
    budget: u64,
}

impl<'k> Collector<'k> {
    pub(super) fn new(keep: &'k dyn Fn(&str) -> bool, budget: u64) -> Self {
        Self { keep, image: Image::default(), links: HashMap::new(), kept: 0, names: 0, budget }
    }

    pub(super) fn finish(self) -> Image {
        self.image
    }

    /// Reads archives until the stream ends.
    pub(super) fn archives<R: BufRead>(&mut self, stream: &mut Stream<R>) -> io::Result<()> {
        while let Some(first) = stream.next_non_zero()? {
            self.archive_after(first, stream)?;
        }
        Ok(())
    }

    /// Reads one archive up to its trailer.
    pub(super) fn archive<R: BufRead>(&mut self, stream: &mut Stream<R>) -> io::Result<()> {
        let mut first = [0];
        stream.read_exact(&mut first)?;
        let [first] = first;
        self.archive_after(first, stream)
    }

    fn archive_after<R: BufRead>(&mut self, first: u8, stream: &mut Stream<R>) -> io::Result<()> {
        let start = stream.offset - 1;
        let mut header = [0; HEADER];
        header[0] = first;
        stream.read_exact(&mut header[1..])?;
        // Inode numbers name hard links within one archive only (init/initramfs.c frees them at the trailer).
        self.links.clear();
        while self.entry(start, &Header::parse(&header)?, stream)? {
            stream.read_exact(&mut header)?;
        }
        Ok(())
    }

    /// Reads what follows a header; returns whether another one comes.
    fn entry<R: BufRead>(&mut self, start: u64, header: &Header, stream: &mut Stream<R>) -> io::Result<bool> {
        let spent = HEADER as u64 + header.name_size + header.file_size;
        self.budget =
            self.budget.checked_sub(spent).ok_or_else(|| too_large("it unpacks to more than 1 GiB"))?;
        if header.name_size == 0 || header.name_size > MAX_PATH {
            return Err(damaged("a path is empty or longer than 4096 bytes"));
        }
        let name = stream.read_bytes(header.name_size)?;
        stream.align(start)?;
        let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
        if name == b"TRAILER!!!" {
            stream.skip(header.file_size)?;
            return Ok(false);
        }
        if self.image.entries.len() >= MAX_ENTRIES {
            return Err(too_large("it has more than 262144 entries"));
        }
        let name = String::from_utf8_lossy(name);
        let path = normalized(&name).to_owned();
        let index = self.image.entries.len();
        let kind = match header.mode & 0o170_000 {
            0o100_000 => EntryKind::File,
            0o040_000 => EntryKind::Directory,
            0o120_000 if header.file_size <= MAX_PATH => {
                let target = stream.read_bytes(header.file_size)?;
                EntryKind::Symlink { target: String::from_utf8_lossy(&target).into_owned() }
            }
            0o120_000 => {
                return Err(damaged("the target of a symbolic link is longer than 4096 bytes"));
            }
            _ => EntryKind::Special,
        };
        self.names += path.len();
        if let EntryKind::Symlink { target } = &kind {
            self.names += target.len();
        }
        if self.names > MAX_NAMES {
            return Err(too_large("the names in it have more than 16 MiB"));
        }
        let is_file = kind == EntryKind::File;
        let is_link = matches!(kind, EntryKind::Symlink { .. });
        self.image.by_path.insert(path.clone(), index);
        self.image.entries.push(Entry { path, kind, size: header.file_size, content: None });
        if is_file {
            self.content(index, header, stream)?;
        } else if !is_link {
            stream.skip(header.file_size)?;
        }
        stream.align(start)?;
        Ok(true)
    }

    /// Keeps or skips the content of a regular file, for it and for the hard links before it.
    fn content<R: BufRead>(
        &mut self,
        index: usize,
        header: &Header,
        stream: &mut Stream<R>,
    ) -> io::Result<()> {
        let mut same = vec![index];
        if header.links > 1 {
            let linked = self.links.entry(header.inode).or_default();
            linked.push(index);
            if linked.len() > MAX_LINKS {
                return Err(too_large("a file in it has more than 1024 names"));
            }
            same.clone_from(linked);
        }
        let of_first = same.first().and_then(|first| self.image.entries.get(*first));
        if header.file_size == 0
            && let Some(first) = of_first.filter(|_| same.len() > 1)
        {
            let (size, content) = (first.size, first.content);
            self.share(&[index], size, content);
            return Ok(());
        }
        let wanted =
            same.iter().filter_map(|at| self.image.entries.get(*at)).any(|entry| (self.keep)(&entry.path));
        let kept = if wanted && header.file_size <= MAX_KEPT_FILE {
            let bytes = stream.read_bytes(header.file_size)?;
            self.kept += bytes.len();
            if self.kept > MAX_KEPT {
                return Err(too_large("the files to be kept have more than 32 MiB"));
            }
            self.image.contents.push(bytes);
            Some(self.image.contents.len() - 1)
        } else {
            stream.skip(header.file_size)?;
            None
        };
        self.share(&same, header.file_size, kept);
        Ok(())
    }

    fn share(&mut self, entries: &[usize], size: u64, content: Option<usize>) {
        for index in entries {
            if let Some(entry) = self.image.entries.get_mut(*index) {
                (entry.size, entry.content) = (size, content);
            }
        }
    }
}
