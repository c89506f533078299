//! What the running kernel was booted with, compared with the entries of the boot menu.

use std::path::Path;

use hoststate_abi::host_view::HostView;

use crate::error::Result;
use crate::formats::kernel_cmdline::{Cmdline, Parameter};
use crate::machine::kernels;
use crate::mechanism::distro::BootEntry;

/// Parameters that only the boot loader or `/init` adds; no configuration has them.
const ADDED: [&str; 2] = ["BOOT_IMAGE", "initrd"];

/// The boot that the host runs since.
#[derive(Debug, Clone)]
pub struct Booted {
    /// Release of the running kernel.
    pub kernel: Option<String>,
    /// `/proc/cmdline`.
    pub cmdline: Cmdline,
    /// Index of the entry that fits best of those with this kernel; `None` where none has it.
    pub entry: Option<usize>,
}

impl Booted {
    /// Reads what was booted; `None` for a tree without `/proc`.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub fn read(host: &HostView, entries: &[BootEntry]) -> Result<Option<Self>> {
        let Some(text) = host.attribute(Path::new("/proc/cmdline"))? else { return Ok(None) };
        let (cmdline, kernel) = (Cmdline::parse(&text), kernels::running(host)?);
        let mut fitting: Vec<(usize, usize)> = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            if entry.kernel.is_some() && entry.kernel == kernel {
                let faults = lost(entry, &cmdline).len() + foreign(entry, &cmdline).len();
                fitting.push((faults, index));
            }
        }
        let entry = fitting.into_iter().min().map(|it| it.1);
        Ok(Some(Self { kernel, cmdline, entry }))
    }

    /// Returns the path of the kernel as the boot loader names it, from `BOOT_IMAGE=`.
    pub fn image(&self) -> Option<&str> {
        self.cmdline.parameters().find(|it| it.name() == "BOOT_IMAGE").and_then(Parameter::value)
    }
}

/// Returns the parameters of an entry that a command line does not have. What a variable stands for is not known.
pub fn lost(entry: &BootEntry, cmdline: &Cmdline) -> Vec<Parameter> {
    let line = Cmdline::parse(&entry.cmdline);
    let is_lost = |it: &&Parameter| {
        !it.raw().contains("${") && !cmdline.parameters().any(|parameter| parameter.same(it))
    };
    line.parameters().filter(is_lost).cloned().collect()
}

/// Returns the parameters of a command line that an entry does not give, be it by a variable.
pub fn foreign(entry: &BootEntry, cmdline: &Cmdline) -> Vec<Parameter> {
    let line = Cmdline::parse(&entry.cmdline);
    let by_variable = |parameter: &Parameter| entry.variables.iter().any(|it| gives(&it.values, parameter));
    let is_foreign = |it: &&Parameter| {
        !ADDED.contains(&it.name())
            && !line.parameters().any(|parameter| parameter.same(it))
            && !by_variable(it)
    };
    cmdline.parameters().filter(is_foreign).cloned().collect()
}

fn gives(values: &[String], parameter: &Parameter) -> bool {
    values.iter().any(|it| Cmdline::parse(it).parameters().any(|it| it.same(parameter)))
}
