//! The private world a scenario runs in: namespaces and a directory of its own.
//!
//! Whatever ends the testbed, nothing stays: mounts die with the mount namespace, processes with the process
//! namespace. Only a run directory can be left; the next run removes it.

use std::{
    ffi::OsStr,
    io,
    os::fd::{AsRawFd, OwnedFd},
    path::{Path, PathBuf},
    sync::LazyLock,
};

use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};

use crate::{
    error::{Result, check},
    files,
    process::Call,
};

/// Prefix of the directories this module makes in the cache, and the only ones it removes.
const RUN_PREFIX: &str = "run-";
/// The file of this program, for children to inherit: where its path leads, cargo may have put another meanwhile.
static PROGRAM: LazyLock<rustix::io::Result<OwnedFd>> =
    LazyLock::new(|| open("/proc/self/exe", OFlags::PATH, Mode::empty()));

/// A directory for one run, removed at its end or, after a kill, by the next run.
pub(crate) struct RunDirectory {
    path: PathBuf,
    /// Locked as long as the run lives; the kernel unlocks it when the process dies.
    _lock: fs_err::File,
}

impl RunDirectory {
    /// Makes a new one in the cache.
    pub(crate) fn make(cache: &Path) -> Result<Self> {
        files::make_directory(cache)?;
        let path = tempfile::Builder::new().prefix(RUN_PREFIX).tempdir_in(cache)?.keep();
        let lock = files::lock_file(path.join("lock"))?;
        flock(&lock, FlockOperation::LockExclusive).map_err(io::Error::from)?;
        Ok(Self { path, _lock: lock })
    }

    /// Leaves it under another name in the same file system, for a person to look into.
    pub(crate) fn keep_as(self, path: &Path) -> Result<()> {
        files::rename(&self.path, path)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for RunDirectory {
    fn drop(&mut self) {
        match files::remove_tree(&self.path) {
            // What cannot be removed now is found by `remove_left_runs`.
            Ok(()) | Err(_) => {}
        }
    }
}

/// Removes the directories of runs that were killed; those of living runs hold their lock and stay.
pub(crate) fn remove_left_runs(cache: &Path) -> Result<()> {
    for path in files::list(cache)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let marker = path.join("lock");
        if !name.starts_with(RUN_PREFIX) || !marker.is_file() {
            continue;
        }
        let lock = files::lock_file(&marker)?;
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok() {
            files::remove_tree(&path)?;
        }
    }
    Ok(())
}

/// A call of this program itself in namespaces of its own; `words` say what it does there.
pub(crate) fn inside<S: AsRef<OsStr>>(words: &[S]) -> Result<Call> {
    let program = PROGRAM.as_ref().map_err(|err| io::Error::from(*err))?;
    // The world dies with us (pdeathsig) and its processes with it (kill-child).
    Ok(Call::new(["setpriv", "--pdeathsig", "KILL", "--"])
        .args(["unshare", "--mount", "--pid", "--uts", "--ipc", "--net"])
        .args(["--mount-proc", "--fork", "--kill-child", "--"])
        .args([format!("/proc/self/fd/{}", program.as_raw_fd())])
        .args(words))
}

/// Runs `inside` to its end; it prints its own reason when it fails.
pub(crate) fn enter<S: AsRef<OsStr>>(words: &[S], seconds: u64) -> Result<()> {
    let status = inside(words)?.within(seconds).pass_through()?;
    let shown: Vec<_> = words.iter().map(|it| it.as_ref().to_string_lossy()).collect();
    check(status == 0, shown.join(" "), "exit status 0", format!("{status} (the reason stands above)"))
}

/// Runs mount(8).
pub(crate) fn mount(args: &[&str]) -> Result<()> {
    Call::new(["mount"]).args(args).succeed()?;
    Ok(())
}
