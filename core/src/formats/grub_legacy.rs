//! GRUB legacy's `grub.conf`: stanzas and their `kernel` lines.

use std::fmt;
use std::ops::Range;

use super::kernel_cmdline::{Cmdline, CmdlineEdit};

#[cfg(test)]
mod tests;

/// File names of Linux kernels begin so.
const LINUX: [&str; 6] = ["vmlinuz", "vmlinux", "bzImage", "zImage", "linux", "kernel"];

/// A `grub.conf`; printing it gives back the bytes that were read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrubLegacy {
    /// Logical lines: a backslash before the newline joins the next one.
    lines: Vec<String>,
}

/// Which stanza boots by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Default {
    /// The stanza of that number, from 0, counting every `title`.
    Number(usize),
    /// The one `savedefault` noted in a file of its own.
    Saved,
}

/// A menu entry: `title` and the lines below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stanza {
    /// Position among all stanzas, from 0; what `default` and `fallback` count.
    pub number: usize,
    /// Name in the menu.
    pub title: String,
    /// Line of `title`, from 1.
    pub line: usize,
    /// Whether a hypervisor or a launcher is the `kernel`, and Linux a `module` of it.
    pub module: bool,
    /// The Linux kernel it boots, if it boots one.
    pub linux: Option<Linux>,
}

/// The line that loads Linux.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Linux {
    /// Line, from 1.
    pub line: usize,
    /// Path of the image, with a `(hd0,0)` in front if the line has one.
    pub image: String,
    /// Arguments after the image, joined lines separated by a space.
    pub cmdline: Cmdline,
    /// Index of the logical line and the place of the arguments in it.
    place: (usize, Range<usize>),
}

impl GrubLegacy {
    /// Reads a file; every text is one.
    pub fn parse(text: &str) -> GrubLegacy {
        let mut lines: Vec<String> = Vec::new();
        for line in text.split_inclusive('\n') {
            match lines.last_mut() {
                Some(last) if last.ends_with("\\\n") && !is_comment(last) => last.push_str(line),
                _ => lines.push(line.to_owned()),
            }
        }
        GrubLegacy { lines }
    }

    /// Returns the first value of a global directive, one before the first `title`.
    pub fn global(&self, keyword: &str) -> Option<&str> {
        let fields = self.lines.iter().filter_map(|it| field(it));
        let mut globals = fields.take_while(|it| it.0 != "title");
        globals.find(|it| it.0 == keyword).map(|it| it.1)
    }

    /// Returns what boots by itself: the first stanza if nothing is said; `None` if what is said is no number.
    pub fn default(&self) -> Option<Default> {
        match self.global("default").map(str::trim) {
            None => Some(Default::Number(0)),
            Some("saved") => Some(Default::Saved),
            Some(number) => number.parse().ok().map(Default::Number),
        }
    }

    /// Returns every stanza, those that boot no Linux too.
    pub fn stanzas(&self) -> Vec<Stanza> {
        let mut stanzas: Vec<Stanza> = Vec::new();
        let mut number = 1;
        for (index, text) in self.lines.iter().enumerate() {
            let line = number;
            number += text.matches('\n').count();
            let Some((keyword, argument)) = field(text) else {
                continue;
            };
            if keyword == "title" {
                let title = argument.trim().to_owned();
                stanzas.push(Stanza { number: stanzas.len(), title, line, module: false, linux: None });
            }
            let Some(stanza) = stanzas.last_mut() else {
                continue;
            };
            match keyword {
                "kernel" => {
                    stanza.linux = linux(index, line, text, argument);
                    stanza.module = stanza.linux.is_none();
                }
                // Only a kernel that is no Linux has Linux for a module, and the first is it.
                "module" if stanza.module && stanza.linux.is_none() => {
                    stanza.linux = linux(index, line, text, argument);
                }
                _ => {}
            }
        }
        for stanza in &mut stanzas {
            stanza.module &= stanza.linux.is_some();
        }
        stanzas
    }

    /// Changes the kernel arguments of one stanza; returns whether it boots a Linux whose arguments can be changed.
    ///
    /// Arguments that already are as wanted keep every byte; joined lines become one when they change.
    pub fn edit(&mut self, number: usize, edit: &CmdlineEdit) -> bool {
        let Some(linux) = self.stanzas().into_iter().nth(number).and_then(|it| it.linux) else {
            return false;
        };
        let mut cmdline = linux.cmdline;
        if !cmdline.satisfies(edit) {
            cmdline.edit(edit);
            let (index, place) = linux.place;
            let mut text = cmdline.to_string();
            if !text.is_empty() && !text.starts_with([' ', '\t']) {
                text.insert(0, ' ');
            }
            self.lines[index].replace_range(place, &text);
        }
        true
    }
}

impl fmt::Display for GrubLegacy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().try_for_each(|it| f.write_str(it))
    }
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with('#')
}

/// Splits a line into keyword and argument, which blanks, `=` or both separate.
fn field(line: &str) -> Option<(&str, &str)> {
    let separators = [' ', '\t', '='];
    let text = line.trim_start().trim_end_matches(['\n', '\r']);
    let end = text.find(separators).unwrap_or(text.len());
    let (keyword, argument) = text.split_at(end);
    let named = !keyword.is_empty() && !keyword.starts_with('#');
    named.then(|| (keyword, argument.trim_start_matches(separators)))
}

/// Reads the argument of `kernel` or `module`, if it loads Linux.
fn linux(index: usize, line: usize, text: &str, argument: &str) -> Option<Linux> {
    let blank = |it: char| it.is_ascii_whitespace() || it == '\\';
    let mut kind = None;
    let mut rest = argument;
    // GRUB's own options stand before the image: `--type=netbsd`, `--no-mem-option`.
    let image = loop {
        rest = rest.trim_start_matches(blank);
        let end = rest.find(blank).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        rest = after;
        if !word.starts_with("--") {
            break word;
        }
        kind = word.strip_prefix("--type=").or(kind);
    };
    let name = image.rsplit(['/', ')']).next().unwrap_or(image);
    let is_linux = match kind {
        Some(kind) => kind == "linux" || kind == "biglinux",
        None => LINUX.iter().any(|it| name.starts_with(it)),
    };
    if !is_linux || image.is_empty() {
        return None;
    }
    let end = text.trim_end_matches(['\n', '\r']).len();
    let place = end - rest.len()..end;
    let image = image.to_owned();
    let cmdline = Cmdline::parse(&rest.replace("\\\n", " "));
    Some(Linux { line, image, cmdline, place: (index, place) })
}
