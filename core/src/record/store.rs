//! Where the records of runs are kept, and in which order they were made. A record that cannot be read hides no other.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::host::directory::{Directory, FileError};
use crate::record::heading::{self, Heading};
use crate::record::lock::Lock;
use crate::record::{OLD_RUN_FORMAT, RUN_FORMAT, RunRecord};

pub mod memories;

/// Mode of the directories: run records hold the text of files that not everyone may read.
const DIRECTORY_MODE: u32 = 0o700;

/// The lock, in [`STATE_DIRECTORY`]. It names the run that holds it; what it names when nobody holds it did not end
/// well.
const LOCK: &str = "lock";

/// The run records, in [`STATE_DIRECTORY`].
const RUNS: &str = "runs";

/// How much of a record is read to put it in order, in bytes: its first lines.
const HEAD: u64 = 256;

/// A file that is being written, in the directory it is for.
const NEW: &str = ".new";

/// The directory of the run records, on the machine hoststate runs on.
#[derive(Debug, Clone)]
pub struct RecordStore {
    root: PathBuf,
    directory: PathBuf,
}

/// A record as its name and its first bytes show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filed {
    /// The id its name says.
    pub id: String,
    /// Which run of this host it was; `None` where its first bytes do not tell.
    pub sequence: Option<u64>,
}

/// A record that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub what: String,
    /// Whether a newer program wrote it.
    pub is_newer: bool,
}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = if self.is_newer { "was written by a newer hoststate" } else { "is damaged" };
        write!(f, "the record {} {state}: {}", self.path.display(), self.what)
    }
}

impl Unreadable {
    /// Returns what can be done about it.
    pub fn hint(&self) -> String {
        match self.is_newer {
            true => "Use that version of hoststate for this run.".to_owned(),
            false => {
                "Its `files` may still hold the old texts; move it away once they are of no use.".to_owned()
            }
        }
    }
}

/// Puts records in the order in which the runs were. One that does not tell its number stands behind all whose names say
/// that they were not later: by itself it is never the newest.
fn in_order(mut filed: Vec<Filed>) -> Vec<Filed> {
    filed.sort_by(|a, b| in_the_second(&a.id).cmp(&in_the_second(&b.id)));
    let mut greatest = 0;
    let placed = filed.into_iter().map(|it| {
        greatest = greatest.max(it.sequence.unwrap_or(0));
        (it.sequence.unwrap_or(greatest), it)
    });
    let mut placed: Vec<(u64, Filed)> = placed.collect();
    // Where the numbers are the same, the order of the names stays.
    placed.sort_by_key(|it| it.0);
    placed.into_iter().map(|it| it.1).collect()
}

/// Takes an id apart into its second and its number in that second: the tenth comes after the second.
fn in_the_second(id: &str) -> (&str, u64, &str) {
    match id.split_once('-') {
        Some((second, number)) => (second, number.parse().unwrap_or(u64::MAX), number),
        None => (id, 1, ""),
    }
}

impl RecordStore {
    /// Returns the store of the host below `root`, where [`STATE_DIRECTORY`](super::STATE_DIRECTORY) resolved is `directory`.
    pub fn new(root: impl Into<PathBuf>, directory: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), directory: directory.into() }
    }

    /// Takes the lock against a second run of `command`.
    ///
    /// # Errors
    /// When another run holds it: the error says which.
    pub fn lock(&self, command: &str) -> Result<Lock> {
        let (directory, _) = self.make()?;
        Lock::take(&directory, OsStr::new(LOCK), command)
    }

    /// Returns whether the last run that had the lock failed or was cut, or has it still.
    ///
    /// # Errors
    /// When the lock cannot be read.
    pub fn is_left_behind(&self) -> Result<bool> {
        let opened = match Directory::open(&self.root, &self.directory) {
            Ok(Some(directory)) => directory.read(OsStr::new(LOCK)),
            Ok(None) => return Ok(false),
            Err(err) => Err(err),
        };
        match opened {
            Ok(text) => Ok(text.is_some_and(|it| !it.is_empty())),
            // Whoever may not read it has never run anything here.
            Err(err) if err.kind() == io::ErrorKind::PermissionDenied => Ok(false),
            Err(err) => Err(err.into()),
        }
    }

    /// Returns the files beside which a run that was cut may have left something: those of every run, for one that was
    /// cut before it had a record does not say which it began with, and what runs after a boot writes has none.
    ///
    /// # Errors
    /// When the records cannot be listed.
    pub fn files_left_behind(&self) -> Result<BTreeSet<PathBuf>> {
        // What a cut run leaves harms nobody; that it cannot be found must not keep the next from running.
        let readable = self.newest_first()?.filter_map(|(_, found)| found.ok());
        Ok(readable.flat_map(|it| it.files).map(|it| it.path).collect())
    }

    /// Removes what a run that was cut began to write here. Whoever calls it has the lock.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn clear(&self) -> Result<()> {
        let (directory, runs) = self.make()?;
        let owners = directory.child(OsStr::new(memories::OWNERS))?;
        for place in [&directory, &runs].into_iter().chain(&owners) {
            place.remove(OsStr::new(NEW))?;
        }
        Ok(())
    }

    /// Returns the names of all records in the order in which the runs were, oldest first; those that do not tell are
    /// where their names put them.
    ///
    /// # Errors
    /// When the directory exists and cannot be read.
    pub fn filed(&self) -> Result<Vec<Filed>> {
        let Some(runs) = self.runs()? else { return Ok(Vec::new()) };
        let mut filed = Vec::new();
        for file in runs.names()? {
            let Some(id) = file.strip_suffix(".json").filter(|it| !it.starts_with('.')) else { continue };
            filed.push(Filed { id: id.to_owned(), sequence: sequence(&runs, OsStr::new(&file)) });
        }
        Ok(in_order(filed))
    }

    /// Returns the ids of all runs, oldest first.
    ///
    /// # Errors
    /// As for [`Self::filed`].
    pub fn ids(&self) -> Result<Vec<String>> {
        Ok(self.filed()?.into_iter().map(|it| it.id).collect())
    }

    /// Returns the newest run whose record can be read.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn newest(&self) -> Result<Option<RunRecord>> {
        Ok(self.newest_first()?.find_map(|(_, found)| found.ok()))
    }

    /// Returns the runs, the newest first; for a record that cannot be read, why.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn newest_first(
        &self,
    ) -> Result<impl ExactSizeIterator<Item = (Filed, Result<RunRecord, Unreadable>)>> {
        let filed = self.filed()?;
        Ok(filed.into_iter().rev().map(|it| {
            let found = self.read_filed(&it.id);
            (it, found)
        }))
    }

    /// Returns a run.
    ///
    /// # Errors
    /// When there is no such run, or its record cannot be read.
    pub fn read(&self, id: &str) -> Result<RunRecord> {
        let none = || Error::invalid(format!("there is no run {id:?}"), "`hoststate history` lists them.");
        let is_name = id.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-');
        let file = format!("{id}.json");
        if !is_name || !self.runs()?.ok_or_else(none)?.names()?.contains(&file) {
            return Err(none());
        }
        self.read_filed(id).map_err(|it| Error::invalid(it.to_string(), it.hint()))
    }

    /// Returns what the beginning of a record tells; `None` where it does not tell.
    pub fn heading(&self, id: &str) -> Option<Heading> {
        let runs = self.runs().ok().flatten()?;
        let file = runs.file(OsStr::new(&format!("{id}.json"))).ok().flatten()?;
        heading::of(file)
    }

    /// Reads a record that is there.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub fn read_filed(&self, id: &str) -> Result<RunRecord, Unreadable> {
        let path = self.directory.join(RUNS).join(format!("{id}.json"));
        let unreadable = |what: String, is_newer| Unreadable { path: path.clone(), what, is_newer };
        let name = format!("{id}.json");
        let read = self.runs().and_then(|it| Ok(it.map(|it| it.read(OsStr::new(&name))).transpose()?));
        let text = match read {
            Ok(text) => text.flatten().ok_or_else(|| unreadable("it is gone".to_owned(), false))?,
            Err(err) => {
                let of_file = if let Error::Io(err) = &err { FileError::of(err) } else { None };
                let what = of_file.map_or_else(|| err.to_string(), |it| it.what.clone());
                return Err(unreadable(what, false));
            }
        };
        let record: RunRecord = match serde_json::from_str(&text) {
            Ok(record) => record,
            Err(err) => {
                let format =
                    format_of(&text).filter(|it| ![RUN_FORMAT, OLD_RUN_FORMAT].contains(&it.as_str()));
                return Err(match format {
                    Some(format) => unreadable(format!("its format is {format:?}"), true),
                    None => unreadable(err.to_string(), false),
                });
            }
        };
        if ![RUN_FORMAT, OLD_RUN_FORMAT].contains(&record.format.as_str()) {
            return Err(unreadable(format!("its format is {:?}", record.format), true));
        }
        if record.format == RUN_FORMAT && record.sequence == 0 {
            return Err(unreadable("its number is missing".to_owned(), false));
        }
        if record.id != id {
            return Err(unreadable(format!("it is a copy: it says it is run {}", record.id), false));
        }
        Ok(record)
    }

    fn runs(&self) -> Result<Option<Directory>> {
        match Directory::open(&self.root, &self.directory)? {
            Some(directory) => Ok(directory.child(OsStr::new(RUNS))?),
            None => Ok(None),
        }
    }

    /// Makes the directories, and takes from everyone else what is there.
    pub(super) fn make(&self) -> Result<(Directory, Directory)> {
        let (parent, name) = match (self.directory.parent(), self.directory.file_name()) {
            (Some(parent), Some(name)) => (parent, name),
            _ => (Path::new("/"), OsStr::new("hoststate")),
        };
        let directory = private(&Directory::make(&self.root, parent)?, name)?;
        let runs = private(&directory, OsStr::new(RUNS))?;
        Ok((directory, runs))
    }

    pub(super) fn keep(&self, name: &OsStr, text: &str) -> Result<()> {
        let (directory, _) = self.make()?;
        directory.create(OsStr::new(NEW), text.as_bytes())?;
        Ok(directory.rename(OsStr::new(NEW), name)?)
    }

    pub(super) fn save(&self, record: &RunRecord) -> Result<()> {
        let text = serde_json::to_string_pretty(record).map_err(io::Error::from)?;
        let (_, runs) = self.make()?;
        runs.create(OsStr::new(NEW), text.as_bytes())?;
        runs.rename(OsStr::new(NEW), OsStr::new(&format!("{}.json", record.id)))?;
        Ok(runs.sync()?)
    }
}

fn private(parent: &Directory, name: &OsStr) -> io::Result<Directory> {
    let directory = match parent.child(name)? {
        Some(directory) => directory,
        None => parent.make_child(name, DIRECTORY_MODE)?,
    };
    if directory.status()?.st_mode & 0o7777 != DIRECTORY_MODE {
        directory.set_mode(DIRECTORY_MODE)?;
    }
    Ok(directory)
}

/// Returns which run a record is of, from its first bytes, which hold format and number. Where a program or a person has
/// put them elsewhere, the whole text tells.
fn sequence(runs: &Directory, name: &OsStr) -> Option<u64> {
    let mut bytes = Vec::new();
    runs.file(name).ok().flatten()?.take(HEAD).read_to_end(&mut bytes).ok()?;
    let head = String::from_utf8_lossy(&bytes);
    let number = |rest: &str| {
        let digits = rest.trim_start().strip_prefix(':')?.trim_start();
        digits.split_at(digits.find(|it: char| !it.is_ascii_digit())?).0.parse().ok()
    };
    if head.contains(&format!("\"{OLD_RUN_FORMAT}\"")) {
        Some(0)
    } else if let Some(number) = head.split_once("\"sequence\"").and_then(|it| number(it.1)) {
        Some(number)
    } else {
        let text = runs.read(name).ok().flatten()?;
        let head: Head = serde_json::from_str(&text).ok()?;
        head.sequence.or_else(|| (head.format == OLD_RUN_FORMAT).then_some(0))
    }
}

/// What every record has, of whatever format.
#[derive(Deserialize)]
struct Head {
    format: String,
    sequence: Option<u64>,
}

/// Returns what a text says its format is, whatever else is in it.
fn format_of(text: &str) -> Option<String> {
    serde_json::from_str::<Head>(text).ok().map(|it| it.format)
}
