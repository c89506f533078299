//! The lock of a host: one run at a time, and after a run that was killed not before what it started has ended.

use std::ffi::OsStr;
use std::fmt;
use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::SystemTime;

use hoststate_abi::host_view::HostView;
use hoststate_abi::step::Step;
use rustix::io::{FdFlags, fcntl_setfd};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::host::directory::Directory;
use crate::host::{Done, Host};
use crate::machine::metadata::Metadata;
use crate::machine::open_files::{self, OpenFile};

/// Holds the lock while it lives. The lock is the kernel's: it belongs to the open file, and is gone with the last
/// process that has it (flock(2)).
#[derive(Debug)]
pub struct Lock {
    file: File,
}

/// The run that holds a lock, as it is written down in the file.
#[derive(Debug, Serialize, Deserialize)]
struct Holder {
    command: String,
    process: u32,
    since: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { command, process, since } = self;
        write!(f, "hoststate {command}, process {process}, since {since}")
    }
}

impl Lock {
    /// Takes the lock that is the file `name` for a run of `command`, which it names.
    pub(super) fn take(directory: &Directory, name: &OsStr, command: &str) -> Result<Self> {
        let mut file = directory.private_file(name)?;
        let path = directory.path().join(name);
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                file.read_to_string(&mut text)?;
                // An older version wrote a sentence.
                let holder: Option<Holder> = serde_json::from_str(&text).ok();
                let said = holder.as_ref().map_or_else(|| text.trim().to_owned(), ToString::to_string);
                let heirs = holder.and_then(|it| heirs(&file, it.process));
                let holder = match heirs {
                    _ if said.is_empty() => "a run that has just begun".to_owned(),
                    None => said,
                    Some(heirs) => format!(
                        "{said}; it was killed, and what it started is still running: \
                         {heirs}"
                    ),
                };
                return Err(Error::Locked { path, holder });
            }
            Err(TryLockError::Error(err)) => return Err(err.into()),
        }
        let since = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        let holder = Holder { command: command.to_owned(), process: std::process::id(), since };
        let text = serde_json::to_string(&holder).map_err(io::Error::from)? + "\n";
        let lock = Self { file };
        let written = lock.file.set_len(0).and_then(|()| (&lock.file).rewind());
        written
            .and_then(|()| (&lock.file).write_all(text.as_bytes()))
            .map_err(|err| io::Error::new(err.kind(), format!("{}: {err}", path.display())))?;
        Ok(lock)
    }

    /// Ends the run that has the lock. A run that failed or was cut does not come here: then the lock goes on naming
    /// it, and the next run looks at what it left.
    pub fn end(self) {
        match self.file.set_len(0) {
            // That the lock names a run costs the next one a look.
            Ok(()) | Err(_) => {}
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // A daemon that a tool left behind has the file open as well, and shall not keep the next run out.
        match self.file.unlock() {
            Ok(()) | Err(_) => {}
        }
    }
}

/// Returns what the run that took the lock left running, if the run itself is gone.
fn heirs(lock: &File, holder: u32) -> Option<String> {
    let machine = HostView::new("/");
    let own = format!("/proc/self/fd/{}", lock.as_raw_fd());
    let path = machine.link_target(Path::new(&own)).ok().flatten()?;
    let open = open_files::of(&machine, &[path]).ok()?.found;
    let this = std::process::id().to_string();
    let others: Vec<&OpenFile> = open.iter().filter(|it| it.process != this).collect();
    if others.iter().any(|it| it.process == holder.to_string()) {
        return None;
    }
    let names = others.iter().map(|it| format!("{} (process {})", it.name, it.process));
    Some(names.collect::<Vec<_>>().join(", ")).filter(|it| !it.is_empty())
}

/// A host that lends the lock to what it starts: a tool or a write to an attribute that outlives a killed run.
pub struct LockedHost<'a> {
    /// The host.
    pub host: &'a dyn Host,
    /// The lock of the run.
    pub lock: &'a Lock,
}

impl Host for LockedHost<'_> {
    fn view(&self) -> HostView {
        self.host.view()
    }

    fn perform(&self, step: &Step) -> Result<Done> {
        match step {
            Step::Run { .. } | Step::WriteAttribute { .. } => {
                fcntl_setfd(&self.lock.file, FdFlags::empty()).map_err(io::Error::from)?;
                let done = self.host.perform(step);
                fcntl_setfd(&self.lock.file, FdFlags::CLOEXEC).map_err(io::Error::from)?;
                done
            }
            Step::WriteFile { .. } | Step::EditFile { .. } | Step::RemoveFile { .. } => {
                self.host.perform(step)
            }
        }
    }

    fn metadata(&self, path: &Path) -> Result<Option<Metadata>> {
        self.host.metadata(path)
    }

    fn bring_back(&self, path: &Path, text: &str, metadata: &Metadata) -> Result<Done> {
        self.host.bring_back(path, text, metadata)
    }

    fn sync(&self) -> Result<()> {
        self.host.sync()
    }

    fn wait_for_devices(&self, attempt: u32) -> bool {
        self.host.wait_for_devices(attempt)
    }
}
