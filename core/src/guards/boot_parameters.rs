//! The parameters of the next boot's command line, as the plan finds them and as it leaves them.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use hoststate_abi::host_view::HostView;

use crate::error::Result;
use crate::formats::kernel_cmdline::{Cmdline, Parameter};
use crate::plan::scene::Scene;

/// Directories whose files no boot loader takes parameters from: a plan that writes only there leaves the line as it
/// is.
const ELSEWHERE: [&str; 6] = [
    "/etc/modprobe.d",
    "/etc/modules-load.d",
    "/etc/udev",
    "/etc/initramfs-tools",
    "/etc/dracut.conf.d",
    "/etc/modules",
];

/// The command line of the next boot.
#[derive(Debug)]
pub struct BootParameters {
    /// Without the plan.
    pub before: Cmdline,
    /// With it.
    pub after: Cmdline,
    /// Parameters that the plan adds, in order.
    pub added: Vec<Parameter>,
    /// Parameters that it takes away, in order.
    pub removed: Vec<Parameter>,
}

impl BootParameters {
    /// Returns whether the plan changes the line.
    pub fn differ(&self) -> bool {
        !self.added.is_empty() || !self.removed.is_empty()
    }

    /// Returns the value of the last parameter of that name, the one that counts for most parameters.
    pub fn last<'a>(cmdline: &'a Cmdline, name: &str) -> Option<&'a str> {
        cmdline.parameters().filter(|it| it.same_name(name)).last().and_then(Parameter::value)
    }
}

/// Compares the parameters before and after the plan, once per plan. A plan that writes no source of the boot loader's
/// does not ask the boot loader: both lines are then the running kernel's.
///
/// # Errors
/// When the boot loader's files cannot be read.
pub fn read(scene: Scene<'_>) -> Result<Rc<BootParameters>> {
    scene.made(compared)
}

fn compared(scene: Scene<'_>) -> Result<BootParameters> {
    let is_source = |it: &PathBuf| !ELSEWHERE.iter().any(|directory| it.starts_with(directory));
    if !scene.changed_files()?.iter().any(is_source) {
        let after = running(scene.after)?;
        let before = after.clone();
        return Ok(BootParameters { before, after, added: Vec::new(), removed: Vec::new() });
    }
    let bootloader = &scene.distro.bootloader;
    let (before, after) = (bootloader.future(scene.before)?, bootloader.future(scene.after)?);
    let added = missing(&after, &before);
    let removed = missing(&before, &after);
    Ok(BootParameters { before, after, added, removed })
}

fn missing(from: &Cmdline, than: &Cmdline) -> Vec<Parameter> {
    from.parameters().filter(|it| !than.parameters().any(|other| other.same(it))).cloned().collect()
}

fn running(host: &HostView) -> Result<Cmdline> {
    Ok(Cmdline::parse(&host.attribute(Path::new("/proc/cmdline"))?.unwrap_or_default()))
}
