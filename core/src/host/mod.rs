//! Changing a host: the only place where files are written, attributes set and tools run.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use hoststate_abi::host_view::{HostView, Memory, Withheld};
use hoststate_abi::step::Step;

use crate::error::{Error, Result};
use crate::formats::mount_table;
use crate::host::directory::Directory;
use crate::host::file::Medium;
use crate::machine::metadata::Metadata;

pub mod at_event;
mod boot_files;
pub mod child;
pub(crate) mod directory;
pub(crate) mod file;
mod process;
pub mod returning;
mod stuck;

/// A host that can be read and changed.
pub trait Host {
    /// Returns the host as it is now.
    fn view(&self) -> HostView;

    /// Performs one step. The path of a file is resolved: a link that is there all the same is not followed. A power
    /// cut after it leaves a file as it was or as the step makes it; only after [`Self::sync`] does it surely leave the
    /// latter.
    ///
    /// # Errors
    /// When the step failed; a file then has its old text or the new one.
    fn perform(&self, step: &Step) -> Result<Done>;

    /// Returns what the file at the resolved path is besides its text; `None` when it is not there, and for a host
    /// whose files are nothing besides.
    ///
    /// # Errors
    /// When it cannot be read.
    fn metadata(&self, _path: &Path) -> Result<Option<Metadata>> {
        Ok(None)
    }

    /// Writes a file as [`Self::perform`] does; one that is not there becomes what `metadata` says.
    ///
    /// # Errors
    /// As for [`Self::perform`].
    fn bring_back(&self, path: &Path, text: &str, _metadata: &Metadata) -> Result<Done> {
        self.perform(&Step::WriteFile { path: path.to_owned(), text: text.to_owned() })
    }

    /// Makes all steps so far outlast a power cut, for the boot loader's eyes too where the file system can.
    ///
    /// # Errors
    /// When the disk does not take it.
    fn sync(&self) -> Result<()>;

    /// Waits a moment for devices that the kernel adds in its own time; returns `false` when `attempt`, counted
    /// from 0, is past the bound.
    fn wait_for_devices(&self, attempt: u32) -> bool;
}

/// How a step ended well.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Done {
    /// Exit status, for a tool.
    pub status: Option<i32>,
    /// The end of what it wrote to standard error, for a tool.
    pub stderr: String,
}

/// The machine hoststate runs on, or a tree below it.
#[derive(Debug)]
pub struct LiveHost {
    root: PathBuf,
    /// This program: it writes attributes and enters roots in children of its own.
    program: PathBuf,
    /// Directories with entries that a power cut may still take back: each is synced once for all its files.
    unsynced: RefCell<BTreeMap<PathBuf, Directory>>,
    /// Whether the boot loader's files may have changed since the last sync.
    has_boot_news: Cell<bool>,
    memory: Memory,
    withheld: Option<Withheld>,
}

impl LiveHost {
    /// Returns the host below `root`. `program` is hoststate itself: see [`Self::ATTRIBUTE_COMMAND`] and
    /// [`Self::ENTER_COMMAND`].
    pub fn new(root: impl Into<PathBuf>, program: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            program: program.into(),
            unsynced: RefCell::default(),
            has_boot_news: Cell::default(),
            memory: Memory::default(),
            withheld: None,
        }
    }

    /// Returns the same host for who only looks: files that may not be read are noted in `withheld`.
    #[must_use]
    pub fn withholding(self, withheld: &Withheld) -> Self {
        Self { withheld: Some(withheld.clone()), ..self }
    }

    /// `program ATTRIBUTE_COMMAND PATH VALUE` writes one attribute with one write(2) and exits with the errno.
    pub const ATTRIBUTE_COMMAND: &str = "write-attribute";

    /// `program ENTER_COMMAND ROOT PROGRAM ARGUMENT…` runs a tool with ROOT as its `/`.
    pub const ENTER_COMMAND: &str = "enter-root";
}

impl Host for LiveHost {
    fn view(&self) -> HostView {
        let view = HostView::new(&self.root).with_memory(&self.memory);
        match &self.withheld {
            Some(withheld) => view.withholding(withheld),
            None => view,
        }
    }

    fn perform(&self, step: &Step) -> Result<Done> {
        match step {
            Step::WriteFile { path, text } => self.write(path, text, None),
            Step::EditFile { path, edits } => self.write(path, &self.view().edited(path, edits)?, None),
            Step::RemoveFile { path } => {
                if let Some(directory) = file::remove(&self.root, path)? {
                    self.note(path, directory);
                }
                Ok(Done::default())
            }
            Step::WriteAttribute { path, value } => {
                stuck::foresee(&self.view(), path, value)?;
                process::write_attribute(&self.program, path, &self.attribute(path)?, value)?;
                Ok(Done::default())
            }
            Step::Run { argv } => {
                self.has_boot_news.set(true);
                process::run(&self.program, &self.root, argv)
            }
        }
    }

    fn metadata(&self, path: &Path) -> Result<Option<Metadata>> {
        file::metadata(&self.root, path)
    }

    fn bring_back(&self, path: &Path, text: &str, metadata: &Metadata) -> Result<Done> {
        self.write(path, text, Some(metadata))
    }

    fn sync(&self) -> Result<()> {
        for directory in self.unsynced.take().values() {
            directory.sync()?;
        }
        if self.has_boot_news.take() {
            boot_files::settle(&self.root, &self.view().resolve(Path::new(boot_files::BOOT))?)?;
        }
        Ok(())
    }

    fn wait_for_devices(&self, attempt: u32) -> bool {
        /// Drivers take seconds to make or remove virtual functions: 2.5 s for igb's seven.
        const LIMIT: u32 = 150;
        const PAUSE: std::time::Duration = std::time::Duration::from_millis(100);
        if attempt < LIMIT {
            std::thread::sleep(PAUSE);
        }
        attempt < LIMIT
    }
}

impl LiveHost {
    fn write(&self, path: &Path, text: &str, as_before: Option<&Metadata>) -> Result<Done> {
        let directory = file::replace(&self.root, path, text, self.medium(path)?, as_before)?;
        self.note(path, directory);
        Ok(Done::default())
    }

    fn note(&self, file: &Path, directory: Directory) {
        if file.starts_with(boot_files::BOOT) {
            self.has_boot_news.set(true);
        }
        let place = file.parent().unwrap_or(Path::new("/")).to_owned();
        self.unsynced.borrow_mut().insert(place, directory);
    }

    /// Removes what a run that was cut left beside the resolved paths `files`, and gives back what FAT lost.
    /// Returns the files beside which there was something.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn mend<'a>(&self, files: impl Iterator<Item = &'a Path>) -> Result<Vec<PathBuf>> {
        let mut mended = Vec::new();
        for path in files {
            if file::mend(&self.root, path)? {
                mended.push(path.to_owned());
            }
        }
        Ok(mended)
    }

    /// Returns how the file system of a path behaves, as the host's own mount table says: a tree that was captured
    /// or is mounted elsewhere is one day copied back to where that table belongs.
    fn medium(&self, path: &Path) -> io::Result<Medium> {
        let table = self.view().parsed(Path::new("/proc/self/mountinfo"), mount_table::parse_mountinfo)?;
        let mounts = table.as_deref().map_or(&[][..], Vec::as_slice);
        let mount = mount_table::covering(mounts, &path.to_string_lossy());
        let is_fat = mount.is_some_and(|it| it.kind == "vfat" || it.kind == "msdos");
        Ok(if is_fat { Medium::Fat } else { Medium::Atomic })
    }

    fn attribute(&self, path: &Path) -> Result<PathBuf> {
        let view = self.view();
        let resolved = view.resolve(path)?;
        if !["/sys", "/proc/sys"].iter().any(|it| resolved.starts_with(it)) {
            let what = format!("{}: not an attribute of the kernel", path.display());
            return Err(Error::invalid(what, "Attributes are below /sys and /proc/sys."));
        }
        Ok(view.below_root(&resolved))
    }
}
