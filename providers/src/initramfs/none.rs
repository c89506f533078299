//! Hosts that make no initramfs: their kernels have what they need built in.

use std::path::PathBuf;

use hoststate_abi::host_view::HostView;
use hoststate_abi::setting::Setting;
use hoststate_core::error::{Error, Result};
use hoststate_core::formats::modprobe_conf::ModuleName;
use hoststate_core::mechanism::distro::{CopiedFile, ImageContent, Initramfs};

/// No generator is installed, and no image is there.
#[derive(Debug)]
pub(crate) struct NoInitramfs;

fn unsupported() -> Error {
    Error::Unsupported {
        what: "this host has no initramfs and nothing that makes one".to_owned(),
        hint: "Install initramfs-tools or dracut, or load the modules by `modules_load`.".to_owned(),
    }
}

impl Initramfs for NoInitramfs {
    fn name(&self) -> &str {
        "none"
    }

    /// Nothing is loaded before the root file system, so no copy of a file matters.
    fn contents(&self, _host: &HostView, _wanted: &ImageContent) -> Result<Vec<Setting>> {
        Ok(Vec::new())
    }

    fn early_modules(&self, _host: &HostView, _wanted: &[ModuleName]) -> Result<Vec<Setting>> {
        Err(unsupported())
    }

    fn stale_copies(&self, _host: &HostView, _files: &[CopiedFile]) -> Result<Vec<Setting>> {
        Ok(Vec::new())
    }

    /// What nothing makes loads no module.
    fn without_early_modules(&self, _host: &HostView, _unwanted: &[ModuleName]) -> Result<Vec<Setting>> {
        Ok(Vec::new())
    }

    fn image(&self, _: &HostView, kernel: &str) -> Result<PathBuf> {
        Ok(PathBuf::from(format!("/boot/initrd.img-{kernel}")))
    }

    fn rebuild(&self, _host: &HostView, _kernel: &str) -> Result<Vec<String>> {
        Err(unsupported())
    }
}
