//! A host's directory tree, read through open directories, so that nobody who exchanges a directory for a link
//! meanwhile makes the reader leave it.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir, ResolveFlags, Stat};
use rustix::io::Errno;

use super::pieces::{Pieces, too_large};

/// Directories that are kept open; a host has hundreds, a process may open a thousand files.
const MOST_OPEN: usize = 32;

/// `/dev/null`: links to it mask files of modprobe.d and units of systemd.
const NULL: (u32, u32) = (1, 3);

/// What is read at once where the kernel says no size: an attribute of sysfs is a page at most.
const PAGE: usize = 4096;

/// The files below a directory. Paths are the host's, absolute, their links resolved.
///
/// Who may write in a tree must not make root read, and show, what is outside of it. Every file is reached by its name
/// in an open directory, and no link is followed on the way there.
#[derive(Debug)]
pub(super) struct Tree {
    root: PathBuf,
    open: RefCell<HashMap<OsString, Rc<OwnedFd>>>,
    /// Paths where nothing was. As a file is read once per view, so is what is not there looked for once.
    missing: RefCell<HashSet<OsString>>,
    /// Whether the kernel has openat2(2) for us: since 5.6, and where no container forbids it.
    resolves: Cell<bool>,
}

impl Tree {
    /// Returns the tree below `root`, which is opened when it is first asked for.
    pub(super) fn new(root: &Path) -> Self {
        let (open, missing) = (RefCell::default(), RefCell::default());
        Self { root: root.to_owned(), open, missing, resolves: Cell::new(true) }
    }

    /// Returns the same tree, found again by its path.
    pub(super) fn anew(&self) -> Self {
        Self::new(&self.root)
    }

    /// Returns at most `limit` bytes, which is all of a file; `None` when there is no such file.
    pub(super) fn bytes(&self, path: &Path, limit: usize) -> io::Result<Option<Vec<u8>>> {
        match self.open(path)? {
            None => Ok(None),
            Some((None, _)) => Ok(Some(Vec::new())),
            Some((Some(fd), status)) => self.read(path, &fd, &status, limit).map(Some),
        }
    }

    /// Opens a file of at most `limit` bytes, to be read piece by piece; `None` when there is no such file.
    pub(super) fn pieces(&self, path: &Path, limit: usize) -> io::Result<Option<Pieces>> {
        match self.open(path)? {
            None => Ok(None),
            Some((None, _)) => Ok(Some(Pieces::of_bytes(Vec::new()))),
            Some((Some(_), status)) if status.st_size > limit as i64 => Err(self.too_large(path, limit)),
            Some((Some(fd), _)) => Ok(Some(Pieces::of_file(fd, self.machine(path), limit))),
        }
    }

    /// Opens a file; `None` when there is no such file, and of a masked one no descriptor.
    fn open(&self, path: &Path) -> io::Result<Option<(Option<OwnedFd>, Stat)>> {
        let Some((directory, name)) = self.place(path)? else { return Ok(None) };
        // A device is not even opened: some act on that.
        let Some(status) = self.stat(path, &directory, name)? else { return Ok(None) };
        if is_null(&status) {
            return Ok(Some((None, status)));
        }
        self.must_be_plain(path, &status)?;
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match rustix::fs::openat(&*directory, name, flags, Mode::empty()) {
            Ok(fd) => Ok(Some((Some(fd), status))),
            Err(Errno::NOENT) => Ok(None),
            Err(Errno::LOOP) => Err(self.came_between(path)),
            Err(err) => Err(self.named(path, err)),
        }
    }

    /// Returns the bytes of a file of the machine itself, where the kernel resolves the links of the path.
    pub(super) fn machine_bytes(&self, path: &Path, limit: usize) -> io::Result<Option<Vec<u8>>> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let fd = match rustix::fs::open(path, flags, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
            // A socket, or a device that has no driver.
            Err(err) => return Err(self.named(path, err)),
        };
        let status = rustix::fs::fstat(&fd).map_err(|err| self.named(path, err))?;
        if is_null(&status) {
            return Ok(Some(Vec::new()));
        }
        self.must_be_plain(path, &status)?;
        self.read(path, &fd, &status, limit).map(Some)
    }

    fn read(&self, path: &Path, fd: &OwnedFd, status: &Stat, limit: usize) -> io::Result<Vec<u8>> {
        let size = usize::try_from(status.st_size).unwrap_or(usize::MAX);
        if size > limit {
            return Err(self.too_large(path, limit));
        }
        let mut bytes = Vec::with_capacity(size.max(PAGE - 1) + 1);
        loop {
            let read = rustix::io::read(fd, rustix::buffer::spare_capacity(&mut bytes));
            match read {
                // One byte more was asked for than a file of this size has.
                Ok(0) => return Ok(bytes),
                Ok(read) if bytes.len() == size && read < bytes.capacity() => return Ok(bytes),
                Ok(_) if bytes.len() > limit => return Err(self.too_large(path, limit)),
                Ok(_) if bytes.len() == bytes.capacity() => bytes.reserve(bytes.len()),
                Ok(_) | Err(Errno::INTR) => {}
                Err(err) => return Err(self.named(path, err)),
            }
        }
    }

    /// Returns the names in a directory, in no order; `None` when there is no such directory.
    pub(super) fn names(&self, path: &Path) -> io::Result<Option<Vec<OsString>>> {
        let Some((directory, name)) = self.place(path)? else { return Ok(None) };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = match rustix::fs::openat(&*directory, name, flags, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::NOENT) => return Ok(self.nothing_at(path)),
            Err(Errno::NOTDIR) => return Ok(None),
            Err(Errno::LOOP) => return Err(self.came_between(path)),
            Err(err) => return Err(self.named(path, err)),
        };
        let mut names = Vec::new();
        let mut buffer = Vec::with_capacity(8 * PAGE);
        let mut entries = RawDir::new(fd, buffer.spare_capacity_mut());
        while let Some(entry) = entries.next() {
            let entry = entry.map_err(|err| self.named(path, err))?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                names.push(OsString::from_vec(name.to_vec()));
            }
        }
        Ok(Some(names))
    }

    /// Returns what the file system knows about a file, a link itself among them; `None` when there is none.
    pub(super) fn status(&self, path: &Path) -> io::Result<Option<Stat>> {
        match self.place(path)? {
            Some((directory, name)) => self.stat(path, &directory, name),
            None => Ok(None),
        }
    }

    /// Returns a link's target; `None` for what is no link or is not there.
    pub(super) fn target(&self, path: &Path) -> io::Result<Option<PathBuf>> {
        let Some((directory, name)) = self.place(path)? else { return Ok(None) };
        match rustix::fs::readlinkat(&*directory, name, Vec::new()) {
            Ok(target) => Ok(Some(PathBuf::from(OsString::from_vec(target.into_bytes())))),
            // What is no link answers EINVAL.
            Err(Errno::INVAL) => Ok(None),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(self.nothing_at(path)),
            Err(err) => Err(self.named(path, err)),
        }
    }

    fn stat(&self, path: &Path, directory: &OwnedFd, name: &OsStr) -> io::Result<Option<Stat>> {
        match rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(status) => Ok(Some(status)),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(self.nothing_at(path)),
            Err(err) => Err(self.named(path, err)),
        }
    }

    /// Takes note that nothing is there.
    fn nothing_at<T>(&self, path: &Path) -> Option<T> {
        self.missing.borrow_mut().insert(path.as_os_str().to_owned());
        None
    }

    /// Returns the open directory a path is in, and its name there; `None` when there is no such directory, or nothing was
    /// there before.
    fn place<'a>(&self, path: &'a Path) -> io::Result<Option<(Rc<OwnedFd>, &'a OsStr)>> {
        let (directory, name) = match (path.parent(), path.file_name()) {
            (Some(directory), Some(name)) => (directory, name),
            _ => (Path::new("/"), OsStr::new(".")),
        };
        if self.missing.borrow().contains(path.as_os_str()) {
            return Ok(None);
        }
        Ok(self.directory(directory)?.map(|it| (it, name)))
    }

    fn directory(&self, path: &Path) -> io::Result<Option<Rc<OwnedFd>>> {
        if let Some(open) = self.open.borrow().get(path.as_os_str()) {
            return Ok(Some(Rc::clone(open)));
        }
        if self.is_missing(path) {
            return Ok(None);
        }
        let opened = if path.parent().is_none() { self.open_root() } else { self.open_directory(path) };
        let directory = match opened {
            Ok(fd) => Rc::new(fd),
            Err(Errno::NOENT) => return Ok(self.nothing_at(path)),
            Err(Errno::NOTDIR) => return Ok(None),
            Err(Errno::LOOP) => return Err(self.came_between(path)),
            Err(err) => return Err(self.named(path, err)),
        };
        let mut open = self.open.borrow_mut();
        if open.len() >= MOST_OPEN {
            open.retain(|path, _| path == "/");
        }
        open.insert(path.as_os_str().to_owned(), Rc::clone(&directory));
        Ok(Some(directory))
    }

    /// Returns whether a path, or a directory above it, is known not to be there.
    fn is_missing(&self, path: &Path) -> bool {
        let missing = self.missing.borrow();
        !missing.is_empty() && path.ancestors().any(|it| missing.contains(it.as_os_str()))
    }

    fn open_root(&self) -> Result<OwnedFd, Errno> {
        rustix::fs::open(&self.root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
    }

    fn open_directory(&self, path: &Path) -> Result<OwnedFd, Errno> {
        let root = match self.directory(Path::new("/")) {
            Ok(Some(root)) => root,
            Ok(None) | Err(_) => Rc::new(self.open_root()?),
        };
        let relative = path.strip_prefix("/").unwrap_or(path);
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        if self.resolves.get() {
            let within = ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS;
            match rustix::fs::openat2(&*root, relative, flags, Mode::empty(), within) {
                // Some containers forbid what they do not know.
                Err(Errno::NOSYS | Errno::PERM) => self.resolves.set(false),
                opened => return opened,
            }
        }
        let mut directory: Option<OwnedFd> = None;
        for component in relative.components() {
            let Component::Normal(name) = component else { return Err(Errno::LOOP) };
            let above = directory.as_ref().unwrap_or(&root);
            let opened = rustix::fs::openat(above, name, flags, Mode::empty());
            if matches!(opened, Err(Errno::NOTDIR)) {
                let status = rustix::fs::statat(above, name, AtFlags::SYMLINK_NOFOLLOW)?;
                let is_link = FileType::from_raw_mode(status.st_mode) == FileType::Symlink;
                return Err(if is_link { Errno::LOOP } else { Errno::NOTDIR });
            }
            directory = Some(opened?);
        }
        directory.ok_or(Errno::NOENT)
    }

    fn must_be_plain(&self, path: &Path, status: &Stat) -> io::Result<()> {
        let what = match FileType::from_raw_mode(status.st_mode) {
            FileType::RegularFile => return Ok(()),
            FileType::Symlink => return Err(self.came_between(path)),
            FileType::Directory => "a directory",
            FileType::Fifo => "a named pipe (FIFO)",
            FileType::Socket => "a socket",
            FileType::CharacterDevice | FileType::BlockDevice => "a device",
            FileType::Unknown => "not a plain file",
        };
        let what = format!("{}: is {what}; only a plain file is read", self.machine(path).display());
        Err(io::Error::new(io::ErrorKind::InvalidInput, what))
    }

    fn too_large(&self, path: &Path, limit: usize) -> io::Error {
        too_large(&self.machine(path), limit)
    }

    fn came_between(&self, path: &Path) -> io::Error {
        let path = self.machine(path);
        let what = "a symbolic link is there where none was; it is not followed";
        io::Error::other(format!("{}: {what}", path.display()))
    }

    fn named(&self, path: &Path, err: Errno) -> io::Error {
        // A directory of a process that ended is there no more; the standard library has no kind for it.
        let is_gone = err == Errno::SRCH;
        let err = io::Error::from(err);
        let kind = if is_gone { io::ErrorKind::NotFound } else { err.kind() };
        io::Error::new(kind, format!("{}: {err}", self.machine(path).display()))
    }

    /// Returns where a path of the host is on this machine.
    fn machine(&self, path: &Path) -> PathBuf {
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }
}

fn is_null(status: &Stat) -> bool {
    let device = (rustix::fs::major(status.st_rdev), rustix::fs::minor(status.st_rdev));
    FileType::from_raw_mode(status.st_mode) == FileType::CharacterDevice && device == NULL
}
