//! One file of modprobe.d: its bytes, and an index from module to lines.

use std::collections::{HashMap, HashSet};
use std::fmt;

use hoststate_abi::lines::Lines;

use super::ModuleName;
use super::directive::{self, Directive, Softdep};
use super::line::{Ending, lines};
use crate::formats::fnmatch;

/// An `options` line of one module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptionsLine {
    /// Line of the file, from 1.
    pub line: usize,
    /// The parameters as kmod passes them on, tabs turned into blanks.
    pub text: String,
}

impl OptionsLine {
    /// Splits the text as the kernel does; `None` is a parameter without `=`.
    pub fn params(&self) -> Vec<(&str, Option<&str>)> {
        directive::params(&self.text)
    }
}

/// An `install` line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleCommand {
    /// Line of the file, from 1.
    pub line: usize,
    /// The shell command, as written.
    pub command: String,
}

/// Lines by module, and lines whose module is a pattern; of all that match the first counts.
#[derive(Debug, Clone)]
pub(super) struct FirstWins<T> {
    pub(super) exact: HashMap<String, Vec<T>>,
    pub(super) patterns: Vec<(String, T)>,
}

impl<T> Default for FirstWins<T> {
    fn default() -> Self {
        Self { exact: HashMap::new(), patterns: Vec::new() }
    }
}

impl<T> FirstWins<T> {
    fn insert(&mut self, module: String, value: T) {
        if fnmatch::has_wildcard(&module) {
            self.patterns.push((module, value));
        } else {
            self.exact.entry(module).or_default().push(value);
        }
    }

    fn get(&self, module: &str, line: impl Fn(&T) -> usize) -> Option<&T> {
        let exact = self.own(module).first();
        let mut patterns = self.patterns.iter();
        let pattern = patterns.find(|(pattern, _)| fnmatch::matches(pattern, module)).map(|(_, value)| value);
        match (exact, pattern) {
            (Some(exact), Some(pattern)) if line(pattern) < line(exact) => Some(pattern),
            (Some(exact), _) => Some(exact),
            (None, pattern) => pattern,
        }
    }

    /// Puts a line of a module in the place of the one with its number.
    pub(super) fn replace(&mut self, module: &str, value: T, line: impl Fn(&T) -> usize) {
        let known = if fnmatch::has_wildcard(module) {
            self.patterns.iter_mut().map(|it| &mut it.1).find(|it| line(it) == line(&value))
        } else {
            self.exact.get_mut(module).into_iter().flatten().find(|it| line(it) == line(&value))
        };
        if let Some(known) = known {
            *known = value;
        }
    }

    /// Returns the lines that name a module itself, in the order of the file.
    pub(super) fn own(&self, module: &str) -> &[T] {
        self.exact.get(module).map_or(&[], Vec::as_slice)
    }
}

/// One file of modprobe.d, byte for byte, with what its lines say to kmod.
///
/// Any text is a valid file: lines kmod skips are [`Directive::Bad`].
#[derive(Debug, Clone, Default)]
pub struct ModprobeConf {
    pub(super) lines: Lines,
    pub(super) ending: Ending,
    pub(super) options: HashMap<String, Vec<OptionsLine>>,
    pub(super) blacklists: HashMap<String, usize>,
    pub(super) softdeps: FirstWins<Softdep>,
    pub(super) installs: FirstWins<ModuleCommand>,
}

impl ModprobeConf {
    /// Reads a file.
    pub fn parse(text: &str) -> Self {
        let mut conf = Self { lines: Lines::new(text.to_owned()), ..Self::default() };
        conf.ending = conf.read(text, 0);
        conf
    }

    /// Adds what `text` says to the index; `above` lines of the file come before it. Returns how it ends.
    pub(super) fn read(&mut self, text: &str, above: usize) -> Ending {
        let (directives, ending) = directives(text, above);
        for (line, directive) in directives {
            match directive {
                Directive::Options { module, text } => {
                    self.options.entry(module).or_default().push(OptionsLine { line, text });
                }
                Directive::Blacklist { module } => {
                    self.blacklists.entry(module).or_insert(line);
                }
                Directive::Softdep { module, softdep } => self.softdeps.insert(module, softdep),
                Directive::Install { module, command } => {
                    self.installs.insert(module, ModuleCommand { line, command });
                }
                _ => {}
            }
        }
        ending
    }

    /// Returns every line that is not empty nor a comment, with its number from 1, read anew.
    pub fn directives(&self) -> Vec<(usize, Directive)> {
        directives(&self.to_string(), 0).0
    }

    /// Returns the `options` lines of a module in file order; all of them apply, left to right.
    pub fn options(&self, module: &ModuleName) -> &[OptionsLine] {
        self.options.get(module.as_str()).map_or(&[], Vec::as_slice)
    }

    /// Returns the softdep line that counts: the first one whose name or pattern matches.
    pub fn softdep(&self, module: &ModuleName) -> Option<&Softdep> {
        self.softdeps.get(module.as_str(), |softdep| softdep.line)
    }

    /// Returns the line that blacklists a module.
    pub fn blacklisted(&self, module: &ModuleName) -> Option<usize> {
        self.blacklists.get(module.as_str()).copied()
    }

    /// Returns the `install` line that counts: the first one whose name or pattern matches.
    pub fn install(&self, module: &ModuleName) -> Option<&ModuleCommand> {
        self.installs.get(module.as_str(), |install| install.line)
    }

    /// Returns the line of the module's own first softdep, ignoring patterns.
    pub(super) fn own_softdep(&self, module: &ModuleName) -> Option<&Softdep> {
        self.softdeps.own(module.as_str()).first()
    }

    /// Returns the module's own first `install` line, ignoring patterns.
    pub(super) fn own_install(&self, module: &ModuleName) -> Option<&ModuleCommand> {
        self.installs.own(module.as_str()).first()
    }

    /// Returns each module that lines of this file name literally, once.
    pub(super) fn modules(&self) -> HashSet<&str> {
        let options = self.options.keys().chain(self.blacklists.keys());
        options
            .chain(self.softdeps.exact.keys())
            .chain(self.installs.exact.keys())
            .map(String::as_str)
            .collect()
    }

    /// Returns whether a line names modules by a pattern, so that the file may speak of any module.
    pub(super) fn has_patterns(&self) -> bool {
        !self.softdeps.patterns.is_empty() || !self.installs.patterns.is_empty()
    }
}

impl fmt::Display for ModprobeConf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.fmt(f)
    }
}

/// Returns what the lines of a text say, and how it ends; `above` lines come before it.
pub(super) fn directives(text: &str, above: usize) -> (Vec<(usize, Directive)>, Ending) {
    let (lines, ending) = lines(text);
    let read = |line: &super::line::Line| {
        let number = line.number + above;
        Some((number, directive::parse(&line.text(text), number)?))
    };
    (lines.iter().filter_map(read).collect(), ending)
}
