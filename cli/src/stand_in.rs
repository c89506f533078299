//! STAND-IN until the providers land.
use hoststate_abi::activation::Activation;
use hoststate_abi::host_view::HostView;
use hoststate_abi::setting::{Remedy, Setting, State};
use hoststate_core::distro::*;
use hoststate_core::error::{Error, Result};
use hoststate_core::formats::kernel_cmdline::CmdlineEdit;
use hoststate_core::formats::modprobe_conf::ModuleName;
use std::path::{Path, PathBuf};
#[derive(Debug)]
struct B;
#[derive(Debug)]
struct I;
pub(crate) fn detect(host: &HostView) -> Result<Distro> {
    if !host.exists(Path::new("/etc/os-release"))? {
        return Err(Error::invalid("not a Linux root", "Mount it."));
    }
    Ok(Distro {
        id: "ubuntu".into(),
        version: "24.04".into(),
        family: Family::Debian,
        bootloader: Box::new(B),
        initramfs: Box::new(I),
    })
}
impl Bootloader for B {
    fn future(&self, _: &HostView) -> Result<hoststate_core::formats::kernel_cmdline::Cmdline> {
        Ok(hoststate_core::formats::kernel_cmdline::Cmdline::parse(""))
    }
    fn name(&self) -> &str {
        "grub2"
    }
    fn cmdline(&self, _: &HostView, _: &CmdlineEdit) -> Result<Vec<Setting>> {
        Ok(vec![])
    }
    fn entries(&self, _: &HostView) -> Result<Vec<BootEntry>> {
        Ok(vec![])
    }
    fn regenerate(&self, _: &HostView) -> Result<Vec<String>> {
        Ok(vec!["update-grub".into()])
    }
}
impl Initramfs for I {
    fn name(&self) -> &str {
        "initramfs-tools"
    }
    fn contents(&self, host: &HostView, c: &ImageContent) -> Result<Vec<Setting>> {
        let mut v = vec![];
        for k in hoststate_core::kernels::installed(host)?.0.clone() {
            let have = host.read(&self.image(&k))?.unwrap_or_default();
            for (p, t) in &c.files {
                let state = if have.contains(t.as_str()) {
                    State::Converged
                } else {
                    State::Drifted {
                        actual: Some("an older copy".into()),
                        desired: Some(p.display().to_string()),
                        remedy: Remedy::Activation(Activation::Initramfs { kernel: k.clone() }),
                    }
                };
                v.push(Setting::persistent(self.image(&k).display().to_string(), state));
            }
        }
        Ok(v)
    }
    fn early_modules(&self, _: &HostView, _: &[ModuleName]) -> Result<Vec<Setting>> {
        Ok(vec![])
    }
    fn image(&self, kernel: &str) -> PathBuf {
        PathBuf::from(format!("/boot/initrd.img-{kernel}"))
    }
    fn rebuild(&self, _: &HostView, k: &str) -> Result<Vec<String>> {
        Ok(["update-initramfs", "-u", "-k", k].map(str::to_owned).to_vec())
    }
}
