//! The generated `grub.cfg`: its menu entries and their `linux` lines.

use std::fmt;

use super::kernel_cmdline::Cmdline;

mod read;
#[cfg(test)]
mod tests;

/// A `grub.cfg`; printing it gives back the bytes that were read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GrubCfg {
    text: String,
    /// One for each `linux`, `linux16` or `linuxefi` line, in the order of the file.
    pub entries: Vec<MenuEntry>,
    /// How many `menuentry` and `submenu` commands there are, what boots no Linux included.
    pub items: usize,
    /// Every `set name=value`, in the order of the file.
    pub sets: Vec<SetLine>,
    /// Whether GRUB makes entries from `/boot/loader/entries` by `blscfg`.
    pub blscfg: bool,
    /// The file this one only leads to by `configfile`, as written; writing a stub breaks the indirection.
    pub stub_target: Option<String>,
    /// Line, from 1, at which reading ends, e.g. because a quote is not closed.
    pub broken_line: Option<usize>,
    /// Which limit of the reader was met there, if it is not that the text is no GRUB script.
    pub limit: Option<&'static str>,
}

/// A `linux` line and the menu entry it stands in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MenuEntry {
    /// Title of the `menuentry`; empty outside one.
    pub title: String,
    /// The id by which `saved_entry` names it.
    pub id: Option<String>,
    /// Titles of the submenus around it, outermost first.
    pub submenu: Vec<String>,
    /// Lines of the whole `menuentry`, from 1: that of the command and that of its closing brace.
    pub block: (usize, usize),
    /// Line of the `linux` command, from 1.
    pub line: usize,
    /// The command: `linux`, `linux16` or `linuxefi`.
    pub linux: String,
    /// Path of the kernel.
    pub kernel: String,
    /// What GRUB passes to the kernel after `BOOT_IMAGE=…`.
    pub cmdline: Cmdline,
    /// Paths on the `initrd` line.
    pub initrds: Vec<String>,
    /// Whether the title or the words `single` or `recovery` say that it is for repair.
    pub recovery: bool,
    /// Variables on the `linux` line that the file does not certainly set; they stand in `cmdline` as `$name`.
    pub unresolved: Vec<String>,
}

/// A `set name=value` command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetLine {
    /// The variable.
    pub name: String,
    /// The value; variables that are not known stand in it as `$name`.
    pub value: String,
    /// Line, from 1.
    pub line: usize,
    /// Whether it stands inside `if`, a loop or a function, such as the fallback for `kernelopts` of RHEL 8.
    pub conditional: bool,
}

impl GrubCfg {
    /// Reads a file; what is no GRUB script ends the reading and is noted in `broken_line`.
    pub fn parse(text: &str) -> GrubCfg {
        read::read(text)
    }
}

impl fmt::Display for GrubCfg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
