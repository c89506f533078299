//! Reading a host: its files as they will be once the predicted writes are done.

mod at_once;
pub mod bytes;
mod files;
mod netlink;
mod pieces;
pub mod predicted;
mod tree;

use std::any::{Any, TypeId};
use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use serde::{Deserialize, Serialize};

pub use self::files::Withheld;

use self::files::Files;
use self::predicted::{Derived, Prediction};
use crate::lines::Lines;

/// As many symbolic links as Linux follows in one path (`MAXSYMLINKS`).
const MAX_SYMLINKS: usize = 40;

/// Most bytes of a file that is read as text. A `grub.cfg` of twenty thousand entries and a `modules.dep` of ten thousand
/// modules have two million; what is made of a text takes several times its size.
const MOST_TEXT: usize = 16 << 20;

/// Most bytes of any other file: images of Debian with every module and firmware have some hundred million.
const MOST_BYTES: usize = 512 << 20;

/// The host below `root`, as it will look once the predicted file writes are done.
///
/// Paths are the host's own, absolute; symbolic links resolve below the root and never leave it.
/// A file is read and parsed once per view, however many resources look at it.
#[derive(Debug)]
pub struct HostView {
    root: PathBuf,
    files: Files,
    /// By path, as are the other maps: compared as bytes, because comparing paths by components takes ten times as long.
    predicted: HashMap<OsString, Option<Lines>>,
    /// Every prediction so far, in order; its length is the generation of the view.
    history: Vec<Prediction>,
    known: Rc<Known>,
    /// What is known of the host without the predictions: the same until the first of them.
    found: Rc<Known>,
    memory: Memory,
}

/// What a view has made of the host's files.
#[derive(Debug, Clone, Default)]
struct Known {
    resolved: RefCell<HashMap<OsString, PathBuf>>,
    parsed: RefCell<HashMap<OsString, Vec<(TypeId, Parsed)>>>,
    derived: RefCell<HashMap<TypeId, Derived>>,
}

/// What outlasts one view of a host: values of which there is one of each type.
#[derive(Debug, Clone, Default)]
pub struct Memory(Rc<RefCell<HashMap<TypeId, Rc<dyn Any>>>>);

/// What the file system knows about a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Status {
    /// Its size in bytes.
    pub size: u64,
    /// Number of the device it is on (`st_dev`).
    pub device: u64,
    /// Number of its inode there.
    pub inode: u64,
    /// When the inode changed last (`st_ctim`), in seconds and nanoseconds since 1970. No program can set it.
    pub changed: (i64, u32),
    /// When its contents were written last (`st_mtim`).
    pub modified: (i64, u32),
}

/// What a parser made of a file; `None` when there was no file.
type Parsed = Option<Rc<dyn Any>>;

impl HostView {
    /// Returns a view of the host below `root`; `/` is the machine itself.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        let (root, known) = (root.into(), Rc::default());
        Self {
            files: Files::new(&root),
            root,
            predicted: HashMap::new(),
            history: Vec::new(),
            found: Rc::clone(&known),
            known,
            memory: Memory::default(),
        }
    }

    /// Gives the view what earlier views of the same host had in memory.
    #[must_use]
    pub fn with_memory(self, memory: &Memory) -> Self {
        Self { memory: memory.clone(), ..self }
    }

    /// Returns the one value of a type that views of this host have in memory together. It must know by itself what
    /// it may still believe: the host changes.
    pub fn memory<T: Default + 'static>(&self) -> Rc<T> {
        let mut values = self.memory.0.borrow_mut();
        let value = Rc::clone(values.entry(TypeId::of::<T>()).or_insert_with(|| Rc::new(T::default())));
        value.downcast().unwrap_or_default()
    }

    /// Lets the view note files that may not be read, and go on as if they were not there: for who only looks, and says
    /// of which files nothing is known.
    #[must_use]
    pub fn withholding(self, withheld: &Withheld) -> Self {
        Self { files: self.files.clone().withholding(withheld), ..self }
    }

    /// Returns whether nothing is known of a path, because it, something below it or a directory above it may not be
    /// read. Links in the path do not count.
    pub fn is_withheld(&self, path: &Path) -> bool {
        self.files.is_withheld(path)
    }

    /// Returns what may not be read, as far as it was asked for.
    pub fn withheld(&self) -> BTreeSet<PathBuf> {
        self.files.withheld()
    }

    /// Lets the view remember what it is told, so that [`Self::is_still_true`] can tell.
    #[must_use]
    pub fn remembering(self) -> Self {
        Self { files: self.files.clone().remembered(), ..self }
    }

    /// Returns whether the host, read again, gives every answer that it gave so far to this view and to those made from
    /// it [without predictions](Self::without_predictions). Whatever depends on the host alone would then come out the
    /// same. A view that does not remember cannot tell, and says no.
    pub fn is_still_true(&self) -> bool {
        self.files.answer_the_same()
    }

    /// Returns a view of the same host as it is on disk; what it is told is remembered here too, and it is not asked
    /// again for what this view or another one without predictions was told.
    #[must_use]
    pub fn without_predictions(&self) -> Self {
        let (known, found) = (Rc::clone(&self.found), Rc::clone(&self.found));
        let (files, memory) = (self.files.clone(), self.memory.clone());
        Self { files, known, found, memory, ..Self::new(&self.root) }
    }

    /// Returns the directory that is the host's `/`.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the text of a file; `None` when there is no such file.
    ///
    /// # Errors
    /// When the file is no plain file, is larger than 16 MiB, cannot be read, or is not UTF-8: the message then names
    /// the line and the byte. Who only looks uses [`Self::read_lossy`].
    pub fn read(&self, path: &Path) -> io::Result<Option<String>> {
        let Some(bytes) = self.read_most(path, MOST_TEXT)? else { return Ok(None) };
        bytes::text(path, bytes).map(Some)
    }

    /// Returns the text of a file that is only looked at: bytes that are not UTF-8 stand in it as `\xe9`.
    ///
    /// # Errors
    /// When the file is no plain file, is larger than 16 MiB, or cannot be read.
    pub fn read_lossy(&self, path: &Path) -> io::Result<Option<String>> {
        Ok(self.read_most(path, MOST_TEXT)?.map(bytes::shown))
    }

    /// Returns the bytes of a file; `None` when there is no such file.
    ///
    /// # Errors
    /// When the file is no plain file, is larger than 512 MiB, or cannot be read.
    pub fn read_bytes(&self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        self.read_most(path, MOST_BYTES)
    }

    fn read_most(&self, path: &Path, limit: usize) -> io::Result<Option<Vec<u8>>> {
        if self.is_unpredicted_machine() {
            return self.files.machine_bytes(path, limit);
        }
        let resolved = self.resolve(path)?;
        match self.predicted.get(resolved.as_os_str()) {
            Some(lines) => Ok(lines.as_ref().map(|it| it.to_string().into_bytes())),
            None => self.files.bytes(&resolved, limit),
        }
    }

    /// Returns whether the kernel itself resolves the host's links, and nothing stands before a file's own text.
    fn is_unpredicted_machine(&self) -> bool {
        self.predicted.is_empty() && self.root == Path::new("/")
    }

    /// Returns a kernel attribute without its final newline; `None` when there is none. Bytes that are not UTF-8 stand
    /// in it as `\xe9`.
    ///
    /// # Errors
    /// When the attribute exists and cannot be read.
    pub fn attribute(&self, path: &Path) -> io::Result<Option<String>> {
        Ok(self.read_lossy(path)?.map(|mut text| {
            text.truncate(text.trim_end_matches('\n').len());
            text
        }))
    }

    /// Returns the names in a directory, sorted bytewise; none when there is no such directory. Bytes that are not
    /// UTF-8 stand in them as `\xe9`: such a name leads to no file.
    ///
    /// # Errors
    /// When the directory exists and cannot be read.
    pub fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        Ok(self.names(path)?.into_iter().map(|it| bytes::shown(it.into_vec())).collect())
    }

    /// Returns the names in a directory as they are, sorted bytewise; none when there is no such directory.
    ///
    /// # Errors
    /// When the directory exists and cannot be read.
    pub fn names(&self, path: &Path) -> io::Result<Vec<OsString>> {
        let resolved = self.resolve(path)?;
        let mut names = self.files.names(&resolved)?.unwrap_or_default();
        for (file, text) in &self.predicted {
            let file = Path::new(file);
            if let (true, Some(name)) = (file.parent() == Some(&resolved), file.file_name()) {
                match text {
                    Some(_) => names.insert(name.to_owned()),
                    None => names.remove(name),
                };
            }
        }
        Ok(names.into_iter().collect())
    }

    /// Returns whether a file or directory is there, links followed.
    ///
    /// # Errors
    /// When a directory on the way cannot be searched.
    pub fn exists(&self, path: &Path) -> io::Result<bool> {
        let resolved = self.resolve(path)?;
        match self.predicted.get(resolved.as_os_str()) {
            Some(text) => Ok(text.is_some()),
            None => Ok(self.files.is_directory(&resolved)?.is_some() || self.is_made(&resolved)),
        }
    }

    /// Returns whether a directory is there, links followed.
    ///
    /// # Errors
    /// When a directory on the way cannot be searched.
    pub fn is_dir(&self, path: &Path) -> io::Result<bool> {
        let resolved = self.resolve(path)?;
        match self.files.is_directory(&resolved)? {
            Some(is_directory) => Ok(is_directory),
            None => Ok(self.is_made(&resolved)),
        }
    }

    /// Returns whether a predicted file brings a directory with it that is not there yet.
    fn is_made(&self, resolved: &Path) -> bool {
        let is_inside = |file: &OsString| Path::new(file).ancestors().skip(1).any(|it| it == resolved);
        self.predicted.iter().any(|(file, text)| text.is_some() && is_inside(file))
    }

    /// Returns what the file system knows about a file on disk, links followed; `None` when there is no such file.
    /// Predictions do not count.
    ///
    /// # Errors
    /// When a directory on the way cannot be searched.
    pub fn status(&self, path: &Path) -> io::Result<Option<Status>> {
        self.files.status(&self.resolve(path)?)
    }

    /// Returns the kernel's answer to the question for every route of IPv4 of every table, as messages of rtnetlink(7);
    /// `None` for a tree, whose kernel is not this one, and where the kernel answers nobody.
    ///
    /// # Errors
    /// When the kernel refuses to answer for another reason.
    pub fn routes(&self) -> io::Result<Option<Vec<u8>>> {
        if self.root != Path::new("/") {
            return Ok(None);
        }
        self.files.routes()
    }

    /// Returns what a symbolic link holds; `None` when `path` is no link or is not there.
    ///
    /// # Errors
    /// When the link exists and cannot be read.
    pub fn link_target(&self, path: &Path) -> io::Result<Option<PathBuf>> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Ok(None) };
        self.files.target(&self.resolve(parent)?.join(name))
    }

    /// Returns the host path of `path` with every symbolic link resolved below the root.
    /// What does not exist stays as written.
    ///
    /// # Errors
    /// When a link cannot be read, or links go round in a circle.
    pub fn resolve(&self, path: &Path) -> io::Result<PathBuf> {
        self.resolve_within(path, MAX_SYMLINKS)
    }

    fn resolve_within(&self, path: &Path, links: usize) -> io::Result<PathBuf> {
        if let Some(known) = self.known.resolved.borrow().get(path.as_os_str()) {
            return Ok(known.clone());
        }
        let resolved = self.follow(path, links)?;
        self.known.resolved.borrow_mut().insert(path.as_os_str().to_owned(), resolved.clone());
        Ok(resolved)
    }

    /// Returns where a resolved host path lies on the machine hoststate runs on.
    pub fn below_root(&self, resolved: &Path) -> PathBuf {
        match resolved.strip_prefix("/") {
            Ok(relative) => self.root.join(relative),
            Err(_) => self.root.join(resolved),
        }
    }

    /// Returns `parse` of a file's text, computed once per view and text; `None` when there is no such file.
    ///
    /// Bytes that are not UTF-8 reach `parse` as `\xe9`: whoever edits reads with [`Self::read`].
    ///
    /// # Errors
    /// When the file exists and cannot be read.
    pub fn parsed<T: 'static>(&self, path: &Path, parse: fn(&str) -> T) -> io::Result<Option<Rc<T>>> {
        self.parsed_most(path, MOST_TEXT, |it| match std::str::from_utf8(it) {
            Ok(text) => parse(text),
            Err(_) => parse(&bytes::shown(it.to_vec())),
        })
    }

    fn parsed_most<T: 'static>(
        &self,
        path: &Path,
        limit: usize,
        parse: impl FnOnce(&[u8]) -> T,
    ) -> io::Result<Option<Rc<T>>> {
        let resolved = self.resolve(path)?;
        let kind = TypeId::of::<T>();
        let known = self.known.parsed.borrow().get(resolved.as_os_str()).and_then(|values| {
            let (_, value) = values.iter().find(|(it, _)| *it == kind)?;
            Some(value.clone())
        });
        if let Some(value) = known {
            return Ok(value.and_then(|it| it.downcast().ok()));
        }
        let value = self.read_most(&resolved, limit)?.map(|bytes| Rc::new(parse(&bytes)));
        let entry = (kind, value.clone().map(|it| it as Rc<dyn Any>));
        self.known.parsed.borrow_mut().entry(resolved.into_os_string()).or_default().push(entry);
        Ok(value)
    }

    fn follow(&self, path: &Path, links: usize) -> io::Result<PathBuf> {
        let mut components = path.components();
        match components.next_back() {
            None | Some(Component::RootDir | Component::Prefix(_)) => Ok(PathBuf::from("/")),
            Some(Component::CurDir) => self.resolve_within(components.as_path(), links),
            Some(Component::ParentDir) => {
                let mut parent = self.resolve_within(components.as_path(), links)?;
                parent.pop();
                Ok(if parent.as_os_str().is_empty() { PathBuf::from("/") } else { parent })
            }
            Some(Component::Normal(name)) => {
                let directory = self.resolve_within(components.as_path(), links)?;
                let candidate = directory.join(name);
                if self.predicted.contains_key(candidate.as_os_str()) {
                    return Ok(candidate);
                }
                match self.files.target(&candidate)? {
                    None => Ok(candidate),
                    Some(_) if links == 0 => {
                        let what = format!("{}: too many levels of symbolic links", path.display());
                        Err(io::Error::new(io::ErrorKind::InvalidInput, what))
                    }
                    Some(target) => self.resolve_within(&directory.join(target), links - 1),
                }
            }
        }
    }
}
