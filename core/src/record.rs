//! What runs did: the previous text of every file, kept so that it can be put back. A log and a backup, never the
//! truth.

#![expect(clippy::disallowed_methods, reason = "this is where runs are recorded")]

use std::fs::{OpenOptions, Permissions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::declaration::Declaration;
use crate::error::{Error, Result};
use crate::host::{make_directories, sync_directory};
use crate::plan::{FileChange, Plan, PlannedActivation};
use crate::report::{Outcome, StepReport};

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
    /// The activations it set out to run.
    pub activations: Vec<PlannedActivation>,
    /// How it ended; absent for a run that was cut.
    pub outcome: Option<Outcome>,
    /// What it did.
    pub steps: Vec<StepReport>,
}

/// The directory of the run records, on the machine hoststate runs on.
#[derive(Debug, Clone)]
pub struct RecordStore {
    directory: PathBuf,
}

/// Holds the lock while it lives. The lock is the kernel's: it is gone with the process.
#[derive(Debug)]
pub struct Lock {
    _file: std::fs::File,
}

impl RecordStore {
    /// Returns the store of a host, where [`STATE_DIRECTORY`] resolved is `directory`.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into() }
    }

    /// Takes the lock against a second run.
    ///
    /// # Errors
    /// When another run holds it: the error says which.
    pub fn lock(&self) -> Result<Lock> {
        self.make()?;
        let path = self.directory.join("lock");
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let holder = fs_err::read_to_string(&path)?.trim().to_owned();
                return Err(Error::Locked { path, holder });
            }
            Err(TryLockError::Error(err)) => return Err(err.into()),
        }
        file.set_len(0)?;
        writeln!(
            file,
            "process {} since {}",
            std::process::id(),
            humantime::format_rfc3339_seconds(SystemTime::now())
        )?;
        Ok(Lock { _file: file })
    }

    /// Returns the ids of all runs, oldest first.
    ///
    /// # Errors
    /// When the directory exists and cannot be read.
    pub fn ids(&self) -> Result<Vec<String>> {
        let entries = match fs_err::read_dir(self.runs()) {
            Ok(entries) => entries,
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(err) => return Err(err.into()),
        };
        let mut ids = Vec::new();
        for entry in entries {
            if let Some(id) = entry?.file_name().to_str().and_then(|it| it.strip_suffix(".json")) {
                ids.push(id.to_owned());
            }
        }
        ids.sort();
        Ok(ids)
    }

    /// Returns a run.
    ///
    /// # Errors
    /// When there is no such run, or its record cannot be read.
    pub fn read(&self, id: &str) -> Result<RunRecord> {
        let path = self.runs().join(format!("{id}.json"));
        if !id.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-') || !path.exists() {
            return Err(Error::invalid(format!("there is no run {id:?}"), "`hoststate history` lists them."));
        }
        let text = fs_err::read_to_string(&path)?;
        let record: RunRecord = serde_json::from_str(&text).map_err(|err| Error::Malformed {
            path: path.clone(),
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

    fn runs(&self) -> PathBuf {
        self.directory.join("runs")
    }

    /// Makes the directories: run records hold the text of files that not everyone may read.
    fn make(&self) -> Result<()> {
        if let Some(parent) = self.directory.parent() {
            make_directories(parent)?;
        }
        for directory in [&self.directory, &self.runs()] {
            match std::fs::DirBuilder::new().mode(0o700).create(directory) {
                Ok(()) => sync_directory(directory.parent().unwrap_or(Path::new("/")))?,
                Err(err) if err.kind() == io::ErrorKind::AlreadyExists => {}
                Err(err) => {
                    let what = format!("{}: {err}", directory.display());
                    return Err(io::Error::new(err.kind(), what).into());
                }
            }
        }
        Ok(())
    }

    fn save(&self, record: &RunRecord) -> Result<()> {
        let text = serde_json::to_string_pretty(record).map_err(io::Error::from)?;
        let mut new = tempfile::Builder::new()
            .prefix(".run-")
            .permissions(Permissions::from_mode(0o600))
            .tempfile_in(self.runs())?;
        new.write_all(text.as_bytes())?;
        new.as_file().sync_all()?;
        new.persist(self.runs().join(format!("{}.json", record.id))).map_err(|err| err.error)?;
        sync_directory(&self.runs())?;
        Ok(())
    }
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

    /// Records what a round is about to change. When this returns, the old texts are on the disk.
    ///
    /// # Errors
    /// When the record cannot be written: then nothing may be changed.
    pub fn begin(&mut self, plan: &Plan) -> Result<()> {
        let mut record = match self.record.take() {
            Some(record) => record,
            None => {
                self.store.make()?;
                RunRecord {
                    format: RUN_FORMAT.to_owned(),
                    id: self.new_id()?,
                    command: self.command.clone(),
                    boot_id: self.boot_id.clone(),
                    declarations: plan.declarations.clone(),
                    files: Vec::new(),
                    activations: Vec::new(),
                    outcome: None,
                    steps: Vec::new(),
                }
            }
        };
        for change in &plan.files {
            match record.files.iter_mut().find(|it| it.path == change.path) {
                Some(known) => known.after.clone_from(&change.after),
                None => record.files.push(change.clone()),
            }
        }
        record.activations.extend(plan.activations.iter().cloned());
        self.store.save(&record)?;
        self.record = Some(record);
        Ok(())
    }

    /// Records how the run ended. Returns its id, absent when it never began to change anything, and why the record
    /// could not be written, if it could not.
    pub fn finish(&mut self, outcome: Outcome, steps: &[StepReport]) -> (Option<String>, Option<Error>) {
        let Some(record) = &mut self.record else { return (None, None) };
        record.outcome = Some(outcome);
        record.steps = steps.to_vec();
        (Some(record.id.clone()), self.store.save(record).err())
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
