//! Files as a playing script finds them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::machine::{Flow, Machine};
use super::source::Source;
use super::syntax::{self, Unit};
use super::text::Text;
use super::{Disk, File, Place};

/// A script and what of it was parsed.
#[derive(Debug, Default)]
pub(super) struct Script {
    pub(super) source: Source,
    units: RefCell<HashMap<(usize, usize), Rc<Unit>>>,
}

impl Script {
    pub(super) fn new(source: Source) -> Rc<Script> {
        Rc::new(Script { source, units: RefCell::default() })
    }

    /// Returns what GRUB reads at once from `start`.
    pub(super) fn unit(&self, start: usize, end: usize) -> Rc<Unit> {
        let mut units = self.units.borrow_mut();
        let read = || Rc::new(syntax::unit(&self.source.text[..end], start));
        units.entry((start, end)).or_insert_with(read).clone()
    }
}

/// What was read from the disk, for all worlds.
pub(super) struct Library<'a> {
    pub(super) disk: &'a dyn Disk,
    files: RefCell<HashMap<String, File>>,
    scripts: RefCell<HashMap<String, Rc<Script>>>,
}

impl<'a> Library<'a> {
    pub(super) fn new(disk: &'a dyn Disk) -> Library<'a> {
        Library { disk, files: RefCell::default(), scripts: RefCell::default() }
    }

    pub(super) fn file(&self, device: &str, path: &str) -> File {
        let key = format!("({device}){path}");
        let mut files = self.files.borrow_mut();
        files.entry(key).or_insert_with(|| self.disk.file(device, path)).clone()
    }

    pub(super) fn script(&self, name: &str, text: &str) -> Rc<Script> {
        let mut scripts = self.scripts.borrow_mut();
        let read = || Script::new(Source::of_file(&name.into(), text));
        scripts.entry(name.to_owned()).or_insert_with(read).clone()
    }
}

/// A file's name with its device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Location {
    /// `None`: it cannot be known.
    pub(super) device: Option<String>,
    pub(super) path: String,
}

impl Location {
    pub(super) fn name(&self) -> String {
        match &self.device {
            Some(device) => format!("({device}){}", self.path),
            None => self.path.clone(),
        }
    }
}

impl Machine<'_> {
    /// Splits a file's name; `None` if GRUB has no device for it.
    pub(super) fn location(&self, name: &Text) -> Option<Location> {
        let text = &name.text;
        let (device, path) = match text.strip_prefix('(') {
            Some(rest) => {
                let (device, path) = rest.split_once(')')?;
                (name.slice(1, 1 + device.len()), path)
            }
            None => (self.get("root").map(|it| it.value.clone()).unwrap_or_default(), text.as_str()),
        };
        let is_known = device.unknown.is_none() || !device.text.starts_with('$');
        if device.text.is_empty() && is_known {
            return None;
        }
        let device = (device.unknown.is_none()).then_some(device.text);
        // Slashes in a row are one to GRUB's file systems.
        let mut last = None;
        let keeps = |it: &char| last.replace(*it) != Some('/') || *it != '/';
        Some(Location { device, path: path.chars().filter(keeps).collect() })
    }

    pub(super) fn file(&self, name: &Text) -> File {
        let Some(location) = self.location(name) else {
            return File::Absent;
        };
        match location.device {
            Some(device) if name.unknown.is_none() => self.library.file(&device, &location.path),
            _ => File::Unknown,
        }
    }

    /// Returns whether GRUB can open a file; of one that cannot be known, either may be.
    pub(super) fn opens(&mut self, name: &Text, place: &Place) -> Flow<bool> {
        Ok(match self.file(name) {
            File::Text(_) | File::Data => true,
            File::Directory | File::Absent => false,
            File::Unknown => self.exists_perhaps(name, place),
        })
    }

    /// Supposes that a file is there, or that it is not.
    pub(super) fn exists_perhaps(&mut self, name: &Text, place: &Place) -> bool {
        let shown = self.location(name).map_or_else(|| name.text.clone(), |it| it.name());
        let sentences = [format!("{shown} exists"), format!("{shown} does not exist")];
        self.answers.answer(format!("file {shown}"), place, &sentences) == 0
    }
}
