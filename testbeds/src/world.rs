//! The private world a scenario runs in: own namespaces, a read-only machine, throw-away roots on a loop device.
//!
//! Whatever ends the testbed, nothing stays: mounts die with the mount namespace, processes with the process
//! namespace, and the loop device frees itself with its last mount. Only a run directory can be left; the next
//! run removes it.

use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use crate::{
    error::{Error, Result, check},
    files,
    process::Call,
    root::Root,
};

/// Prefix of the directories this module makes in the cache, and the only ones it removes.
const RUN_PREFIX: &str = "run-";
/// Device nodes of the private `/dev`: name, major, minor (Documentation/admin-guide/devices.txt).
const NODES: [(&str, u32, u32); 7] = [
    ("null", 1, 3),
    ("zero", 1, 5),
    ("full", 1, 7),
    ("random", 1, 8),
    ("urandom", 1, 9),
    ("tty", 5, 0),
    ("loop-control", 10, 237),
];
/// Loop devices that get a node; the kernel picks a free one among all of the machine.
const LOOP_NODES: u32 = 64;

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
        flock(&lock, FlockOperation::LockExclusive).map_err(std::io::Error::from)?;
        Ok(Self { path, _lock: lock })
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

/// Runs this program again in namespaces of its own; `words` say what it does there.
pub(crate) fn enter(
    words: &[&str],
    work: &Path,
    image: &Path,
    hoststate: Option<&Path>,
    seconds: u64,
) -> Result<()> {
    // The world dies with us (pdeathsig) and its processes with it (kill-child).
    let mut call = Call::new(["setpriv", "--pdeathsig", "KILL", "--"])
        .args(["unshare", "--mount", "--pid", "--uts", "--ipc", "--net"])
        .args(["--fork", "--kill-child", "--"])
        .args([std::env::current_exe()?])
        .args(words)
        .args([Path::new("--work"), work, Path::new("--image"), image]);
    if let Some(hoststate) = hoststate {
        call = call.args([Path::new("--hoststate"), hoststate]);
    }
    let status = call.within(seconds).pass_through()?;
    check(status == 0, words.join(" "), "exit status 0", format!("{status} (the reason stands above)"))
}

/// The inside of the private world.
pub(crate) struct Bed {
    work: PathBuf,
    image: PathBuf,
}

impl Bed {
    /// Makes the world private: own `/proc`, `/dev`, `/run` and `/tmp`, everything but `work` read-only.
    pub(crate) fn make(work: &Path, image: &Path) -> Result<Self> {
        let bed = Self { work: work.into(), image: image.into() };
        mount(&["--make-rprivate", "/"])?;
        let path = work.to_string_lossy();
        mount(&["--bind", &path, &path])?;
        mount(&["-t", "proc", "proc", "/proc"])?;
        for place in ["/run", "/tmp"] {
            if !work.starts_with(place) {
                mount(&["-t", "tmpfs", "tmpfs", place])?;
            }
        }
        bed.make_devices()?;
        mount(&["-o", "remount,bind,ro", "/"])?;
        for name in ["first", "root"] {
            files::make_directory(work.join(name))?;
        }
        Ok(bed)
    }

    /// Covers `/dev`, once all nodes are made: every process that is started needs `/dev/null`.
    fn make_devices(&self) -> Result<()> {
        let place = self.work.join("dev");
        files::make_directory(&place)?;
        let path = place.to_string_lossy();
        mount(&["-t", "tmpfs", "-o", "mode=755", "dev", &path])?;
        for (name, major, minor) in NODES {
            node('c', &place.join(name), major, minor)?;
        }
        for minor in 0..LOOP_NODES {
            node('b', &place.join(format!("loop{minor}")), 7, minor)?;
        }
        Call::new([Path::new("ln"), Path::new("-s"), Path::new("/proc/self/fd")])
            .args([place.join("fd")])
            .succeed()?;
        for name in ["pts", "shm", "disk/by-uuid"] {
            files::make_directory(place.join(name))?;
        }
        mount(&["--move", &path, "/dev"])
    }

    /// A directory for files that the scenario itself needs.
    pub(crate) fn work(&self) -> &Path {
        &self.work
    }

    /// The file with the untouched system.
    pub(crate) fn image(&self) -> &Path {
        &self.image
    }

    /// Mounts the image itself; what is done to it stays in it.
    pub(crate) fn mount_image(&self) -> Result<Root> {
        self.mount(&self.image)
    }

    /// Mounts a fresh copy of the image.
    pub(crate) fn fresh(&self) -> Result<Root> {
        let copy = self.work.join("copy.ext4");
        Call::new(["cp", "--sparse=always", "--reflink=auto"]).args([&self.image, &copy]).succeed()?;
        self.mount(&copy)
    }

    /// Mounts a file system as an administrator mounts one to work in it with chroot(8).
    ///
    /// The loop device's node is called `/dev/vda`: `grub-probe` takes the name from the mount table and knows
    /// what a `vda` is, while it wants to look behind a `loop0`.
    fn mount(&self, image: &Path) -> Result<Root> {
        let (first, root) = (self.work.join("first"), self.work.join("root"));
        Call::new(["mount", "-o", "loop"]).args([image, &first]).succeed()?;
        let minor = loop_minor(&files::read("/proc/self/mountinfo")?, &first)?;
        let device = Path::new("/dev/vda");
        files::remove(device)?;
        node('b', device, 7, minor)?;
        Call::new([Path::new("mount"), device, &root]).succeed()?;
        Call::new([Path::new("umount"), &first]).succeed()?;
        let uuid = Call::new(["blkid", "-p", "-s", "UUID", "-o", "value", "/dev/vda"]).succeed()?;
        Call::new(["ln", "-sf", "../../vda"])
            .args([format!("/dev/disk/by-uuid/{}", uuid.trim())])
            .succeed()?;

        let below = |name: &str| root.join(name).to_string_lossy().into_owned();
        mount(&["--bind", "/dev", &below("dev")])?;
        mount(&["-t", "proc", "proc", &below("proc")])?;
        mount(&["-t", "sysfs", "-o", "ro", "sysfs", &below("sys")])?;
        mount(&["-t", "tmpfs", "tmpfs", &below("run")])?;
        Ok(Root::new(root))
    }
}

/// Runs mount(8).
pub(crate) fn mount(args: &[&str]) -> Result<()> {
    Call::new(["mount"]).args(args).succeed()?;
    Ok(())
}

fn node(kind: char, path: &Path, major: u32, minor: u32) -> Result<()> {
    Call::new(["mknod", "-m", "666"])
        .args([path])
        .args([kind.to_string(), major.to_string(), minor.to_string()])
        .succeed()?;
    Ok(())
}

/// Finds the minor number of the loop device mounted at `place` (proc_pid_mountinfo(5): fields 3 and 5).
fn loop_minor(mountinfo: &str, place: &Path) -> Result<u32> {
    let found = mountinfo.lines().rev().find_map(|line| {
        let fields: Vec<&str> = line.split(' ').collect();
        if Path::new(fields.get(4)?) != place {
            return None;
        }
        fields.get(2)?.strip_prefix("7:")?.parse().ok()
    });
    found.ok_or_else(|| Error::Unexpected {
        what: format!("mount table entry of {}", place.display()),
        expected: "a loop device".into(),
        found: "none".into(),
    })
}
