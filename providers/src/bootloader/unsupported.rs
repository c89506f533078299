//! Hosts whose arguments are changed by a command of their own, which hoststate names instead of interfering.

use std::path::{Path, PathBuf};

use hoststate_abi::host_view::HostView;
use hoststate_abi::setting::Setting;
use hoststate_core::error::{Error, Result};
use hoststate_core::formats::kernel_cmdline::{Cmdline, CmdlineEdit};
use hoststate_core::formats::modprobe_conf::ModuleName;
use hoststate_core::machine::kernels;
use hoststate_core::mechanism::distro::{
    BootEntry, Bootloader, CopiedFile, EntryChoice, ImageContent, Initramfs,
};

/// A mechanism hoststate does not operate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unsupported {
    /// Its name: `systemd-boot`, `ostree`, …
    pub(crate) name: &'static str,
    /// What the host is, and how that shows.
    pub(crate) what: String,
    /// The command it wants.
    pub(crate) hint: String,
}

impl Unsupported {
    /// Returns the mechanism of a host that is not operated.
    pub(crate) fn boxed(
        name: &'static str,
        what: impl Into<String>,
        hint: impl Into<String>,
    ) -> Box<dyn Bootloader> {
        Box::new(Self { name, what: what.into(), hint: hint.into() })
    }

    fn error(&self) -> Error {
        Error::Unsupported { what: self.what.clone(), hint: self.hint.clone() }
    }
}

impl Bootloader for Unsupported {
    fn name(&self) -> &str {
        self.name
    }

    fn cmdline(&self, _: &HostView, _: &CmdlineEdit) -> Result<Vec<Setting>> {
        Err(self.error())
    }

    fn future(&self, _: &HostView) -> Result<Cmdline> {
        Err(self.error())
    }

    fn entries(&self, _: &HostView) -> Result<Vec<BootEntry>> {
        Err(self.error())
    }

    fn next_boot(&self, _: &HostView, _: &[BootEntry]) -> Result<EntryChoice> {
        Err(self.error())
    }

    fn regenerate(&self, _: &HostView) -> Result<Vec<String>> {
        Err(self.error())
    }
}

impl Initramfs for Unsupported {
    fn name(&self) -> &str {
        self.name
    }

    /// Without a kernel, as in a container, there is no image that could lack anything.
    fn contents(&self, host: &HostView, _: &ImageContent) -> Result<Vec<Setting>> {
        if kernels::installed(host)?.0.is_empty() { Ok(Vec::new()) } else { Err(self.error()) }
    }

    fn early_modules(&self, _: &HostView, _: &[ModuleName]) -> Result<Vec<Setting>> {
        Err(self.error())
    }

    fn stale_copies(&self, host: &HostView, _: &[CopiedFile]) -> Result<Vec<Setting>> {
        if kernels::installed(host)?.0.is_empty() { Ok(Vec::new()) } else { Err(self.error()) }
    }

    fn without_early_modules(&self, _: &HostView, _: &[ModuleName]) -> Result<Vec<Setting>> {
        Err(self.error())
    }

    fn image(&self, _: &HostView, kernel: &str) -> Result<PathBuf> {
        Ok(Path::new("/boot").join(format!("initramfs-{kernel}.img")))
    }

    fn rebuild(&self, _: &HostView, _: &str) -> Result<Vec<String>> {
        Err(self.error())
    }
}
