//! A machine that is started once, with a kernel and an image of its own, and read by its console.

use std::path::Path;

use super::{guest, hardware, toolbox::Toolbox};
use crate::error::Result;

/// What is started.
pub(crate) struct Once<'a> {
    pub(crate) kernel: &'a Path,
    pub(crate) image: &'a Path,
    pub(crate) cmdline: &'a str,
    /// MiB.
    pub(crate) memory: u32,
    /// Files that are its disks, each with its serial number; what is written to them is lost, but with `keeps`.
    pub(crate) disks: &'a [(&'a Path, &'a str)],
    /// Whether the last disk keeps what is written to it.
    pub(crate) keeps: bool,
    pub(crate) processors: u8,
    /// Arguments for its devices besides.
    pub(crate) devices: &'a [&'a str],
    /// How long it may take.
    pub(crate) seconds: u64,
}

impl Once<'_> {
    /// Runs it until it turns itself off, with its files in `place`; returns what was said on its console.
    pub(crate) fn console(&self, toolbox: &Toolbox, place: &Path) -> Result<String> {
        let mut words: Vec<String> =
            ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none"]
                .map(String::from)
                .into();
        words.extend(guest::accelerator(toolbox, place)?.map(String::from));
        words.extend(["-machine", "q35", "-cpu", hardware::INTEL].map(String::from));
        words.extend(["-smp".into(), self.processors.to_string()]);
        words.extend(["-m".into(), self.memory.to_string(), "-kernel".into(), toolbox.inside(self.kernel)]);
        words.extend(["-initrd".into(), toolbox.inside(self.image), "-append".into(), self.cmdline.into()]);
        words.extend(["-no-reboot", "-serial", "stdio"].map(String::from));
        for (number, (file, serial)) in self.disks.iter().enumerate() {
            let kept = self.keeps && number + 1 == self.disks.len();
            let snapshot = if kept { "off" } else { "on" };
            let file = toolbox.inside(file);
            words.push("-drive".into());
            words.push(format!("if=none,id=disk{number},file={file},format=raw,snapshot={snapshot}"));
            words.push("-device".into());
            words.push(format!(
                "virtio-blk-pci,drive=disk{number},serial={serial},addr={:x}.0",
                0x10 + number
            ));
        }
        words.extend(self.devices.iter().map(ToString::to_string));
        let call = toolbox.call(&words).within(self.seconds);
        let mut finished = call.finish()?;
        if finished.stderr.contains(guest::ASSERTION) {
            // QEMU's own fault, once in many boots.
            finished = call.finish()?;
        }
        Ok(format!("{}{}", finished.stdout, finished.stderr).replace('\r', ""))
    }
}
