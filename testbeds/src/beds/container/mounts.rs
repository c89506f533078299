//! The mounts of a container: a private `/dev`, a read-only machine, a throw-away root on a loop device.
//!
//! The loop device frees itself with its last mount, and the mounts go with the mount namespace.

use std::path::{Path, PathBuf};

use super::root::Root;
use crate::{
    error::{Error, Result},
    files,
    process::Call,
    world::mount,
};

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

/// The mounts of a container, inside the private world.
#[derive(Debug)]
pub(crate) struct Mounts {
    work: PathBuf,
}

impl Mounts {
    /// Makes the world private: own `/proc`, `/dev`, `/run` and `/tmp`, everything but `work` read-only.
    pub(crate) fn make(work: &Path) -> Result<Self> {
        let bed = Self { work: work.into() };
        mount(&["--make-rprivate", "/"])?;
        let path = work.to_string_lossy();
        // With what is mounted in it: the scenario's own directory.
        mount(&["--rbind", &path, &path])?;
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

    /// Mounts a file system as an administrator mounts one to work in it with chroot(8).
    ///
    /// The loop device's node is called `/dev/vda`: `grub-probe` takes the name from the mount table and knows
    /// what a `vda` is, while it wants to look behind a `loop0`.
    pub(crate) fn mount(&self, image: &Path) -> Result<Root> {
        let (first, root) = (self.work.join("first"), self.work.join("root"));
        // The copy is thrown away, so nothing waits for the disk.
        Call::new(["mount", "-o", "loop,barrier=0"]).args([image, &first]).succeed()?;
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
