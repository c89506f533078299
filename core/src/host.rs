//! Changing a host: the only place where files are written, attributes set and tools run.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use hoststate_abi::host_view::HostView;
use hoststate_abi::step::Step;

use crate::error::Result;

pub mod child;
mod file;
mod process;

pub(crate) use file::{make_directories, sync_directory};

/// A host that can be read and changed.
pub trait Host {
    /// Returns the host as it is now.
    fn view(&self) -> HostView;

    /// Performs one step. A power cut after it leaves a file as it was or as the step makes it; only after
    /// [`Self::sync`] does it surely leave the latter.
    ///
    /// # Errors
    /// When the step failed; a file is then as it was.
    fn perform(&self, step: &Step) -> Result<Done>;

    /// Makes all file steps so far outlast a power cut.
    ///
    /// # Errors
    /// When the disk does not take it.
    fn sync(&self) -> Result<()>;

    /// Waits a moment for devices that the kernel adds in its own time; returns `false` when `attempt`, counted
    /// from 0, is past the bound.
    fn settle(&self, attempt: u32) -> bool;
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
    unsynced: RefCell<BTreeSet<PathBuf>>,
}

impl LiveHost {
    /// Returns the host below `root`. `program` is hoststate itself: see [`Self::ATTRIBUTE_COMMAND`] and
    /// [`Self::ENTER_COMMAND`].
    pub fn new(root: impl Into<PathBuf>, program: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), program: program.into(), unsynced: RefCell::default() }
    }

    /// `program ATTRIBUTE_COMMAND PATH VALUE` writes one attribute with one write(2) and exits with the errno.
    pub const ATTRIBUTE_COMMAND: &str = "write-attribute";

    /// `program ENTER_COMMAND ROOT PROGRAM ARGUMENT…` runs a tool with ROOT as its `/`.
    pub const ENTER_COMMAND: &str = "enter-root";
}

impl Host for LiveHost {
    fn view(&self) -> HostView {
        HostView::new(&self.root)
    }

    fn perform(&self, step: &Step) -> Result<Done> {
        match step {
            Step::WriteFile { path, text } => {
                let real = self.real_path(path)?;
                file::replace(&real, text)?;
                self.note_directory(&real);
                Ok(Done::default())
            }
            Step::RemoveFile { path } => {
                let real = self.real_path(path)?;
                if file::remove(&real)? {
                    self.note_directory(&real);
                }
                Ok(Done::default())
            }
            Step::WriteAttribute { path, value } => {
                process::write_attribute(&self.program, path, &self.real_path(path)?, value)?;
                Ok(Done::default())
            }
            Step::Run { argv } => process::run(&self.program, &self.root, argv),
        }
    }

    fn sync(&self) -> Result<()> {
        for directory in self.unsynced.take() {
            sync_directory(&directory)?;
        }
        Ok(())
    }

    fn settle(&self, attempt: u32) -> bool {
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
    fn note_directory(&self, file: &Path) {
        self.unsynced.borrow_mut().insert(file.parent().unwrap_or(Path::new("/")).to_owned());
    }

    fn real_path(&self, path: &Path) -> io::Result<PathBuf> {
        let view = self.view();
        Ok(view.below_root(&view.resolve(path)?))
    }
}
