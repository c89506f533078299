//! One mounted throw-away root: calls inside it, and how it looks booted.

use std::{
    cell::RefCell,
    ffi::OsStr,
    path::{Path, PathBuf},
};

use super::boot_entry::{self, Boot};
use crate::{
    error::{Error, Result},
    files,
    process::Call,
    world::mount,
};

/// Reads the default entry of a boot configuration.
type Reader = fn(&str) -> Option<Boot>;

/// Where boot entries are, with how to read them.
const BOOT_CONFIGURATIONS: [(&str, Reader); 3] = [
    ("boot/grub/grub.cfg", boot_entry::of_grub_cfg),
    ("boot/grub2/grub.cfg", boot_entry::of_grub_cfg),
    ("boot/grub/grub.conf", boot_entry::of_grub_conf),
];

/// What is left to do where packages were unpacked and no installer ran.
const INSTALL: &str = "set -e
grep -q '^[^#].* / ' /etc/fstab ||
	echo \"UUID=$(grub-probe --target=fs_uuid /) / ext4 errors=remount-ro 0 1\" >> /etc/fstab
mkdir -p /boot/grub
update-grub
";
const INSTALL_SECONDS: u64 = 300;

/// A mounted host.
#[derive(Debug)]
pub(crate) struct Root {
    directory: PathBuf,
    /// The files of `/proc` that are covered by what a boot made up.
    covered: RefCell<Vec<PathBuf>>,
}

impl Root {
    /// Wraps a mounted directory.
    pub(crate) fn new(directory: PathBuf) -> Self {
        Self { directory, covered: RefCell::default() }
    }

    /// Where it is mounted.
    pub(crate) fn path(&self) -> &Path {
        &self.directory
    }

    /// A path of the host, below the mount point.
    pub(crate) fn join(&self, path: &str) -> PathBuf {
        self.directory.join(path.trim_start_matches('/'))
    }

    /// A call of one of the host's own programs, in the host.
    pub(crate) fn call<S: AsRef<OsStr>>(&self, argv: impl IntoIterator<Item = S>) -> Call {
        Call::new([OsStr::new("chroot"), self.directory.as_os_str()])
            .args(argv)
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", "/root")
    }

    /// Does what an installer would have done last, where nothing says that one was there.
    pub(crate) fn install(&self) -> Result<()> {
        let is_installed = BOOT_CONFIGURATIONS.iter().any(|(path, _)| self.join(path).exists());
        if !is_installed && self.join("usr/sbin/update-grub").exists() {
            self.call(["sh", "-c", INSTALL]).within(INSTALL_SECONDS).succeed()?;
        }
        Ok(())
    }

    /// Makes the host look as if its default boot entry had just been booted: `/proc/cmdline`, the kernel's version,
    /// a new boot id, an empty `/run`.
    pub(crate) fn boot(&self) -> Result<Boot> {
        let boot = self.default_boot()?;
        for path in self.covered.borrow_mut().drain(..) {
            Call::new([OsStr::new("umount"), path.as_os_str()]).succeed()?;
        }
        let run = self.join("run").to_string_lossy().into_owned();
        Call::new(["umount", &run]).finish()?;
        mount(&["-t", "tmpfs", "tmpfs", &run])?;
        let id = files::read("/proc/sys/kernel/random/uuid")?;
        let facts = [
            ("proc/cmdline", "cmdline", boot.cmdline.as_str()),
            ("proc/sys/kernel/osrelease", "osrelease", boot.release.as_str()),
            ("proc/sys/kernel/random/boot_id", "boot_id", id.trim()),
        ];
        for (place, name, text) in facts {
            let fake = self.join(&format!("run/testbed/{name}"));
            files::write(&fake, &format!("{text}\n"))?;
            let place = self.join(place);
            mount(&["--bind", &fake.to_string_lossy(), &place.to_string_lossy()])?;
            self.covered.borrow_mut().push(place);
        }
        Ok(boot)
    }

    /// Makes the whole file system read-only in this world.
    pub(crate) fn make_read_only(&self) -> Result<()> {
        mount(&["-o", "remount,bind,ro", &self.directory.to_string_lossy()])
    }

    /// Makes it writable again.
    pub(crate) fn make_writable(&self) -> Result<()> {
        mount(&["-o", "remount,bind,rw", &self.directory.to_string_lossy()])
    }

    /// Unmounts it; a copy is worthless afterwards.
    pub(crate) fn unmount(self) -> Result<()> {
        Call::new([OsStr::new("umount"), OsStr::new("-R"), self.directory.as_os_str()]).succeed()?;
        Ok(())
    }

    fn default_boot(&self) -> Result<Boot> {
        for (path, read) in BOOT_CONFIGURATIONS {
            let path = self.join(path);
            if path.is_file()
                && let Some(boot) = read(&files::read(&path)?)
            {
                return Ok(boot);
            }
        }
        Err(Error::Unexpected {
            what: "boot configuration of the container".into(),
            expected: "an entry with a kernel".into(),
            found: format!(
                "none in {}; the image needs a kernel in /boot, and these files or GRUB's update-grub",
                BOOT_CONFIGURATIONS.map(|(path, _)| path).join(", ")
            ),
        })
    }
}
