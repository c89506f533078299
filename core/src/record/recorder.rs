//! Writes the record of a run while it goes on.

use std::cell::LazyCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::SystemTime;

use crate::error::{Error, Result};
use crate::host::Host;
use crate::language::declaration::Declaration;
use crate::machine::image_contents::IMAGES;
use crate::plan::planned::Plan;
use crate::record::command::RunCommand;
use crate::record::devices;
use crate::record::output::Output;
use crate::record::owned::Remembrance;
use crate::record::provenance::Provenance;
use crate::record::refused_boot::RefusedBoot;
use crate::record::report::{Left, Outcome, Report, StepReport};
use crate::record::store::RecordStore;
use crate::record::{RUN_FORMAT, RunRecord};

/// Who runs it, from where, and with what: asked when something is recorded.
type Asked = LazyCell<Provenance, Box<dyn FnOnce() -> Provenance>>;

/// Writes the record of one run: before the first change, at the start of each round, and at the end.
#[derive(Debug)]
pub struct Recorder {
    store: RecordStore,
    command: RunCommand,
    boot_id: Option<String>,
    provenance: Option<Asked>,
    outputs: Vec<Output>,
    record: Option<RunRecord>,
}

impl Recorder {
    /// Returns a recorder for a run of `command`; nothing is written before the run changes something.
    pub fn new(store: RecordStore, command: RunCommand, boot_id: Option<String>) -> Self {
        Self { store, command, boot_id, provenance: None, outputs: Vec::new(), record: None }
    }

    /// Says how to ask who runs it, from where, and with what. When it begins is noted when it does.
    #[must_use]
    pub fn by(self, provenance: impl FnOnce() -> Provenance + 'static) -> Self {
        Self { provenance: Some(LazyCell::new(Box::new(provenance))), ..self }
    }

    /// Says what tools made before, for a rollback: that they made it anew shows by the difference.
    #[must_use]
    pub fn undoing(self, outputs: Vec<Output>) -> Self {
        Self { outputs, ..self }
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
        for device in devices::of(plan, &host.view())? {
            if !record.devices.iter().any(|it| it.address == device.address) {
                record.devices.push(device);
            }
        }
        for device in &plan.devices {
            record.meant.retain(|it| it.resource != device.resource);
            record.meant.push(device.clone());
        }
        record.activations.extend(plan.activations.iter().cloned());
        self.store.save(&record)?;
        self.record = Some(record);
        Ok(())
    }

    /// Returns the run, once it began to change something.
    pub fn run(&self) -> Option<&str> {
        self.record.as_ref().map(|it| it.id.as_str())
    }

    /// Returns where it is recorded.
    pub fn store(&self) -> &RecordStore {
        &self.store
    }

    /// Returns the run that this one undoes, if it is a rollback.
    pub fn undone(&self) -> Option<&str> {
        match &self.command {
            RunCommand::Rollback(run) => Some(run),
            _ => None,
        }
    }

    /// Says how the run changes what is remembered of its owner.
    pub fn remembers(&mut self, remembrance: Remembrance) {
        if let Some(record) = &mut self.record {
            record.remembrance = Some(remembrance);
        }
    }

    /// Records how the run ended. Returns its id, absent when it never began to change anything, and why the record
    /// could not be written, if it could not.
    pub fn finish(
        &mut self,
        outcome: Outcome,
        reason: Option<&str>,
        steps: &[StepReport],
        left: &Left,
    ) -> (Option<String>, Option<Error>) {
        let Some(record) = &mut self.record else { return (None, None) };
        record.outcome = Some(outcome);
        record.reason = reason.map(str::to_owned);
        record.steps = steps.to_vec();
        record.left = left.in_words();
        (Some(record.id.clone()), self.store.save(record).err())
    }

    /// Keeps what a run that changed something knows of the images. Without it the next run takes longer, so that it
    /// cannot be written is no failure.
    pub fn keep_images(&self, known: Option<&str>) {
        if let (Some(text), Some(_), Some(name)) = (known, &self.record, Path::new(IMAGES).file_name()) {
            self.store.keep(name, text).unwrap_or_default();
        }
    }

    /// Records a verdict, also that of a run that changed nothing: nobody watched it. `refused` is the boot that was
    /// tried, if it is refused.
    ///
    /// # Errors
    /// When the record cannot be written.
    pub fn verdict(&mut self, report: &mut Report, refused: Option<RefusedBoot>) -> Result<()> {
        let record = RunRecord { refused_boot: refused, ..self.take(&report.plan.declarations)? };
        report.run = Some(record.id.clone());
        self.record = Some(record);
        let obstacles = || report.plan.obstacles().filter(|_| report.outcome == Outcome::Refused);
        let reason = report.error.as_ref().map(ToString::to_string).or_else(obstacles);
        match self.finish(report.outcome, reason.as_deref(), &report.steps, &report.left) {
            (_, Some(err)) => Err(err),
            (_, None) => Ok(()),
        }
    }

    fn take(&mut self, declarations: &[Declaration]) -> Result<RunRecord> {
        if let Some(record) = self.record.take() {
            return Ok(record);
        }
        self.store.make()?;
        let filed = self.store.filed()?;
        let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        let base: String = now.chars().filter(char::is_ascii_alphanumeric).collect();
        let numbered = (2..).map(|it| format!("{base}-{it}"));
        let is_free = |id: &String| !filed.iter().any(|it| it.id == *id);
        Ok(RunRecord {
            format: RUN_FORMAT.to_owned(),
            sequence: filed.iter().filter_map(|it| it.sequence).max().unwrap_or(0).saturating_add(1),
            id: std::iter::once(base.clone()).chain(numbered).find(is_free).unwrap_or(base),
            command: self.command.clone(),
            provenance: self.provenance.as_deref().map(|it| Provenance { began: now, ..it.clone() }),
            boot_id: self.boot_id.clone(),
            declarations: declarations.to_vec(),
            meant: Vec::new(),
            files: Vec::new(),
            metadata: BTreeMap::new(),
            activations: Vec::new(),
            outcome: None,
            reason: None,
            steps: Vec::new(),
            devices: Vec::new(),
            outputs: self.outputs.clone(),
            left: Vec::new(),
            refused_boot: None,
            remembrance: None,
        })
    }
}
