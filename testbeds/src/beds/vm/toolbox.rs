//! The toolbox: a Debian root with QEMU, its firmware and the tools that make disks, so that every machine uses the same.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

use crate::{error::Result, files, process::Call};

/// Where the machine's own files are seen inside the toolbox.
const MACHINE: &str = "/host";
/// Where `make` shows its directory.
const WORK: &str = "/work";
/// Goes into the toolbox, in a mount namespace that ends with it. Arguments: the toolbox, the command.
const ENTER: &str = "set -e
mount --rbind / \"$1/host\"
mount --bind /dev \"$1/dev\"
mount -t proc proc \"$1/proc\"
cd \"$1\"
shift
exec chroot . \"$@\"";

/// The unpacked toolbox.
#[derive(Debug, Clone)]
pub(crate) struct Toolbox {
    directory: PathBuf,
}

impl Toolbox {
    /// OVMF's code; its variables are copied for every machine.
    pub(super) const FIRMWARE_CODE: &'static str = "/usr/share/OVMF/OVMF_CODE_4M.fd";
    /// OVMF's variables as they come from the factory.
    const FIRMWARE_VARIABLES: &'static str = "usr/share/OVMF/OVMF_VARS_4M.fd";

    /// Takes the directory with the root.
    pub(crate) fn new(directory: &Path) -> Self {
        Self { directory: directory.into() }
    }

    /// Makes the directories that things are mounted on.
    pub(crate) fn furnish(directory: &Path) -> Result<()> {
        for place in [MACHINE, WORK] {
            files::make_directory(directory.join(place.trim_start_matches('/')))?;
        }
        Ok(())
    }

    /// A call of one of its programs, which dies with the thread that starts it.
    pub(super) fn call<S: AsRef<OsStr>>(&self, argv: impl IntoIterator<Item = S>) -> Call {
        Call::new([
            "setpriv",
            "--pdeathsig",
            "KILL",
            "--",
            "unshare",
            "--mount",
            "--",
            "sh",
            "-c",
            ENTER,
            "sh",
        ])
        .args([&self.directory])
        .args(argv)
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        // The machine's own may not be there.
        .env("TMPDIR", "/tmp")
    }

    /// A call of a script that lies in `work` and sees it as `/work`.
    pub(crate) fn make(&self, work: &Path, script: &str) -> Call {
        let enter = format!("mount --bind \"$1\" {WORK} && cd {WORK} && exec sh \"./$2\"");
        self.call(["sh", "-c", &enter, "sh", &self.inside(work), script])
    }

    /// How its programs see a file of the machine.
    pub(crate) fn inside(&self, path: &Path) -> String {
        format!("{MACHINE}{}", path.display())
    }

    /// The variables of an EFI machine that was never started.
    pub(super) fn firmware_variables(&self) -> PathBuf {
        self.directory.join(Self::FIRMWARE_VARIABLES)
    }
}
