//! One mounted throw-away root: calls inside it, calls of hoststate on it from outside, and what it holds.

use std::{
    cell::Cell,
    ffi::OsStr,
    path::{Path, PathBuf},
};

use crate::{
    error::{Error, Result, check},
    files,
    process::{Call, Finished},
    world::mount,
};

/// A mounted host.
pub(crate) struct Root {
    directory: PathBuf,
    /// Whether a made-up `/proc/cmdline` covers the machine's.
    booted: Cell<bool>,
}

impl Root {
    /// Wraps a mounted directory.
    pub(crate) fn new(directory: PathBuf) -> Self {
        Self { directory, booted: Cell::new(false) }
    }

    /// Where it is mounted.
    pub(crate) fn path(&self) -> &Path {
        &self.directory
    }

    /// A path of the host, below the mount point.
    pub(crate) fn join(&self, path: &str) -> PathBuf {
        self.directory.join(path.trim_start_matches('/'))
    }

    /// A call of one of the host's own tools, in the host.
    pub(crate) fn call<S: AsRef<OsStr>>(&self, argv: impl IntoIterator<Item = S>) -> Call {
        Call::new([OsStr::new("chroot"), self.directory.as_os_str()])
            .args(argv)
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
    }

    /// Makes the host look as if it had been booted with these words.
    pub(crate) fn boot(&self, words: &str) -> Result<()> {
        let place = self.join("proc/cmdline").to_string_lossy().into_owned();
        if self.booted.get() {
            Call::new(["umount", &place]).succeed()?;
        }
        let fake = self.join("run/cmdline");
        files::write(&fake, &format!("BOOT_IMAGE=/boot/vmlinuz root=/dev/vda ro {words}\n"))?;
        mount(&["--bind", &fake.to_string_lossy(), &place])?;
        self.booted.set(true);
        Ok(())
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

    /// The versions of the installed kernels, sorted.
    pub(crate) fn kernels(&self) -> Result<Vec<String>> {
        let versions: Vec<String> = files::list(self.join("lib/modules"))?
            .iter()
            .filter_map(|it| it.file_name())
            .map(|it| it.to_string_lossy().into_owned())
            .collect();
        check(versions.len() >= 2, "installed kernels", "two or more", versions.join(", "))?;
        Ok(versions)
    }

    /// The lines of `grub.cfg` that load a kernel, without those of recovery entries.
    pub(crate) fn boot_lines(&self) -> Result<Vec<String>> {
        let text = files::read(self.join("boot/grub/grub.cfg"))?;
        Ok(text
            .lines()
            .map(str::trim)
            .filter(|line| line.starts_with("linux"))
            .filter(|line| !line.split_whitespace().any(|word| word == "single"))
            .map(String::from)
            .collect())
    }
}

/// The program under test, called from outside on a mounted root.
pub(crate) struct Hoststate {
    program: PathBuf,
    playbook: PathBuf,
}

impl Hoststate {
    /// `playbook` is the text of the playbook; it is kept in `work`.
    pub(crate) fn new(program: &Path, work: &Path, playbook: &str) -> Result<Self> {
        let path = work.join("playbook.lua");
        files::write(&path, playbook)?;
        Ok(Self { program: program.into(), playbook: path })
    }

    /// `plan`, with exit codes that tell what there is to do.
    pub(crate) fn plan(&self, root: &Root, options: &[&str]) -> Result<Finished> {
        self.call(&[], "plan", root).args(options).finish()
    }

    /// `converge`, with the tools run in the root and exit codes that tell what was done.
    pub(crate) fn converge(&self, root: &Root, options: &[&str]) -> Result<Finished> {
        self.converge_under(&[], root, options)
    }

    /// `converge` as the last words of another program's arguments, such as a tracer's.
    pub(crate) fn converge_under(&self, wrapper: &[&str], root: &Root, options: &[&str]) -> Result<Finished> {
        self.call(wrapper, "converge", root)
            .args(["--yes", "--activate", "chroot"])
            .args(options)
            .within(300)
            .finish()
    }

    /// `converge` with a report, parsed.
    pub(crate) fn report(&self, root: &Root) -> Result<(Finished, serde_json::Value)> {
        let finished = self.converge(root, &["--format", "json"])?;
        let report = serde_json::from_str(&finished.stdout).map_err(|source| Error::Json {
            what: format!("the report (status {}, {})", finished.status, finished.stderr),
            source,
        })?;
        Ok((finished, report))
    }

    fn call(&self, wrapper: &[&str], verb: &str, root: &Root) -> Call {
        Call::new(wrapper)
            .args([&self.program])
            .args([verb])
            .args([&self.playbook])
            .args(["--detailed-exitcode", "--color", "never", "--root"])
            .args([root.path()])
    }
}
