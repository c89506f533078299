//! What runs did: the previous text of every file, kept so that it can be put back. A log and a backup, never the
//! truth.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::declaration::Declaration;
use crate::error::{Error, Result};
use crate::host::Host;
use crate::host::directory::Directory;
use crate::host::metadata::Metadata;
use crate::image_contents::IMAGES;
use crate::plan::{FileChange, Plan, PlannedActivation};
use crate::record::lock::Lock;
use crate::report::{Outcome, Report, StepReport};

pub mod lock;

/// Format of a run record.
pub const RUN_FORMAT: &str = "hoststate.run/1";

/// Where a host keeps its run records and the lock.
pub const STATE_DIRECTORY: &str = "/var/lib/hoststate";

/// One recorded run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// [`RUN_FORMAT`].
    pub format: String,
    /// Name of the run: the second it began, in UTC.
    pub id: String,
    /// `converge`, or `rollback` with the id of the run it undid.
    pub command: String,
    /// Boot id of the kernel it ran under; absent for a tree without `/proc`.
    pub boot_id: Option<String>,
    /// The declarations it converged to.
    pub declarations: Vec<Declaration>,
    /// The files it set out to change, over all rounds, with their text before and after.
    pub files: Vec<FileChange>,
    /// What each of these files that was there was besides its text, before the run; absent in records of runs before
    /// this was kept.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<PathBuf, Metadata>,
    /// The activations it set out to run.
    pub activations: Vec<PlannedActivation>,
    /// How it ended; absent for a run that was cut.
    pub outcome: Option<Outcome>,
    /// Why it ended so, where that needs a reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What it did.
    pub steps: Vec<StepReport>,
}

/// Mode of the directories: run records hold the text of files that not everyone may read.
const DIRECTORY_MODE: u32 = 0o700;

/// The lock, in [`STATE_DIRECTORY`]. It names the run that holds it; what it names when nobody holds it did not end
/// well.
const LOCK: &str = "lock";

/// The run records, in [`STATE_DIRECTORY`].
const RUNS: &str = "runs";

/// A file that is being written, in the directory it is for.
const NEW: &str = ".new";

/// The directory of the run records, on the machine hoststate runs on.
#[derive(Debug, Clone)]
pub struct RecordStore {
    root: PathBuf,
    directory: PathBuf,
}

impl RecordStore {
    /// Returns the store of the host below `root`, where [`STATE_DIRECTORY`] resolved is `directory`.
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
        let mut files = BTreeSet::new();
        for id in self.ids()? {
            match self.read(&id) {
                Ok(record) => files.extend(record.files.into_iter().map(|it| it.path)),
                // What a cut run leaves harms nobody; that it cannot be found must not keep the next from running.
                Err(Error::Malformed { .. } | Error::Invalid { .. }) => {}
                Err(err) => return Err(err),
            }
        }
        Ok(files)
    }

    /// Removes what a run that was cut began to write here. Whoever calls it has the lock.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn clear(&self) -> Result<()> {
        let (directory, runs) = self.make()?;
        for place in [&directory, &runs] {
            place.remove(OsStr::new(NEW))?;
        }
        Ok(())
    }

    /// Returns the ids of all runs, oldest first.
    ///
    /// # Errors
    /// When the directory exists and cannot be read.
    pub fn ids(&self) -> Result<Vec<String>> {
        let Some(runs) = self.runs()? else { return Ok(Vec::new()) };
        let names = runs.names()?;
        let ids = names.iter().filter_map(|it| it.strip_suffix(".json").filter(|it| !it.starts_with('.')));
        let mut ids: Vec<String> = ids.map(str::to_owned).collect();
        ids.sort();
        Ok(ids)
    }

    /// Returns a run.
    ///
    /// # Errors
    /// When there is no such run, or its record cannot be read.
    pub fn read(&self, id: &str) -> Result<RunRecord> {
        let none = || Error::invalid(format!("there is no run {id:?}"), "`hoststate history` lists them.");
        if !id.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-') {
            return Err(none());
        }
        let runs = self.runs()?.ok_or_else(none)?;
        let name = format!("{id}.json");
        let text = runs.read(OsStr::new(&name))?.ok_or_else(none)?;
        let record: RunRecord = serde_json::from_str(&text).map_err(|err| Error::Malformed {
            path: runs.path().join(&name),
            line: err.line(),
            what: err.to_string(),
            hint: Some("The record is damaged; its `files` still hold the old texts.".to_owned()),
        })?;
        if record.format == RUN_FORMAT {
            Ok(record)
        } else {
            let what = format!("run {id} has the format {:?}, not {RUN_FORMAT:?}", record.format);
            Err(Error::invalid(what, "It was written by another version of hoststate; use that one."))
        }
    }

    fn runs(&self) -> Result<Option<Directory>> {
        match Directory::open(&self.root, &self.directory)? {
            Some(directory) => Ok(directory.child(OsStr::new(RUNS))?),
            None => Ok(None),
        }
    }

    /// Makes the directories, and takes from everyone else what is there.
    fn make(&self) -> Result<(Directory, Directory)> {
        let (parent, name) = match (self.directory.parent(), self.directory.file_name()) {
            (Some(parent), Some(name)) => (parent, name),
            _ => (Path::new("/"), OsStr::new("hoststate")),
        };
        let directory = private(&Directory::make(&self.root, parent)?, name)?;
        let runs = private(&directory, OsStr::new(RUNS))?;
        Ok((directory, runs))
    }

    fn keep(&self, name: &OsStr, text: &str) -> Result<()> {
        let (directory, _) = self.make()?;
        directory.create(OsStr::new(NEW), text.as_bytes())?;
        Ok(directory.rename(OsStr::new(NEW), name)?)
    }

    fn save(&self, record: &RunRecord) -> Result<()> {
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

/// Writes the record of one run: before the first change, at the start of each round, and at the end.
#[derive(Debug)]
pub struct Recorder {
    store: RecordStore,
    command: String,
    boot_id: Option<String>,
    record: Option<RunRecord>,
}

impl Recorder {
    /// Returns a recorder for a run of `command`; nothing is written before the run changes something.
    pub fn new(store: RecordStore, command: impl Into<String>, boot_id: Option<String>) -> Self {
        Self { store, command: command.into(), boot_id, record: None }
    }

    /// Records what a round is about to change on `host`. When this returns, the old texts are on the disk.
    ///
    /// # Errors
    /// When a file cannot be read or the record cannot be written: then nothing may be changed.
    pub fn begin(&mut self, plan: &Plan, host: &dyn Host) -> Result<()> {
        let mut record = self.take(&plan.declarations)?;
        for change in &plan.files {
            match record.files.iter_mut().find(|it| it.path == change.path) {
                Some(known) => known.after.clone_from(&change.after),
                None => {
                    if change.before.is_some()
                        && let Some(metadata) = host.metadata(&change.path)?
                    {
                        record.metadata.insert(change.path.clone(), metadata);
                    }
                    record.files.push(change.clone());
                }
            }
        }
        record.activations.extend(plan.activations.iter().cloned());
        self.store.save(&record)?;
        self.record = Some(record);
        Ok(())
    }

    /// Records how the run ended. Returns its id, absent when it never began to change anything, and why the record
    /// could not be written, if it could not.
    pub fn finish(
        &mut self,
        outcome: Outcome,
        reason: Option<&str>,
        steps: &[StepReport],
    ) -> (Option<String>, Option<Error>) {
        let Some(record) = &mut self.record else { return (None, None) };
        record.outcome = Some(outcome);
        record.reason = reason.map(str::to_owned);
        record.steps = steps.to_vec();
        (Some(record.id.clone()), self.store.save(record).err())
    }

    /// Keeps what a run that changed something knows of the images. Without it the next run takes longer, so that it
    /// cannot be written is no failure.
    pub fn keep_images(&self, known: Option<&str>) {
        if let (Some(text), Some(_), Some(name)) = (known, &self.record, Path::new(IMAGES).file_name()) {
            self.store.keep(name, text).unwrap_or_default();
        }
    }

    /// Records a verdict, also that of a run that changed nothing: nobody watched it.
    ///
    /// # Errors
    /// When the record cannot be written.
    pub fn verdict(&mut self, report: &mut Report) -> Result<()> {
        let record = self.take(&report.plan.declarations)?;
        report.run = Some(record.id.clone());
        self.record = Some(record);
        let obstacles = || report.plan.obstacles().filter(|_| report.outcome == Outcome::Refused);
        let reason = report.error.as_ref().map(ToString::to_string).or_else(obstacles);
        match self.finish(report.outcome, reason.as_deref(), &report.steps) {
            (_, Some(err)) => Err(err),
            (_, None) => Ok(()),
        }
    }

    fn take(&mut self, declarations: &[Declaration]) -> Result<RunRecord> {
        if let Some(record) = self.record.take() {
            return Ok(record);
        }
        self.store.make()?;
        Ok(RunRecord {
            format: RUN_FORMAT.to_owned(),
            id: self.new_id()?,
            command: self.command.clone(),
            boot_id: self.boot_id.clone(),
            declarations: declarations.to_vec(),
            files: Vec::new(),
            metadata: BTreeMap::new(),
            activations: Vec::new(),
            outcome: None,
            reason: None,
            steps: Vec::new(),
        })
    }

    fn new_id(&self) -> Result<String> {
        let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        let base: String = now.chars().filter(char::is_ascii_alphanumeric).collect();
        let known = self.store.ids()?;
        let free = |id: &String| !known.contains(id);
        let numbered = (2..).map(|it| format!("{base}-{it}"));
        Ok(std::iter::once(base.clone()).chain(numbered).find(free).unwrap_or(base))
    }
}
