//! What a run did: the previous text of every file, kept so that it can be put back. A log and a backup, never the
//! truth.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::language::declaration::Declaration;
use crate::machine::metadata::Metadata;
use crate::plan::declared_device::DeclaredDevice;
use crate::plan::planned::{FileChange, PlannedActivation};
use crate::record::command::RunCommand;
use crate::record::devices::DeviceBefore;
use crate::record::output::Output;
use crate::record::owned::Remembrance;
use crate::record::provenance::Provenance;
use crate::record::refused_boot::RefusedBoot;
use crate::record::report::{Outcome, StepReport};

pub mod command;
pub mod devices;
pub mod heading;
pub mod history;
pub mod lock;
pub mod output;
pub mod owned;
pub mod past;
pub mod provenance;
pub mod recorder;
pub mod refused_boot;
pub mod report;
pub mod store;

/// Format of a run record.
pub const RUN_FORMAT: &str = "hoststate.run/2";

/// The format before it, which is read as well: without number, provenance and what was left.
pub const OLD_RUN_FORMAT: &str = "hoststate.run/1";

/// Where a host keeps its run records and the lock.
pub const STATE_DIRECTORY: &str = "/var/lib/hoststate";

/// One recorded run. The first two fields come first in its file: runs are put in order without reading more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunRecord {
    /// [`RUN_FORMAT`], or [`OLD_RUN_FORMAT`].
    pub format: String,
    /// Which run of this host it is, from 1; a later run has a greater number, whatever the clock says. 0 for records of
    /// the old format.
    #[serde(default)]
    pub sequence: u64,
    /// Name of the run: the second it began, in UTC.
    pub id: String,
    /// `converge`, or `rollback` with the id of the run it undid.
    pub command: RunCommand,
    /// Who ran it, from where, and with what; absent in records of the old format.
    #[serde(default)]
    pub provenance: Option<Provenance>,
    /// Boot id of the kernel it ran under; absent for a tree without `/proc`.
    pub boot_id: Option<String>,
    /// The declarations it converged to.
    pub declarations: Vec<Declaration>,
    /// The PCI devices that they were about; absent in records of runs before this was kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub meant: Vec<DeclaredDevice>,
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
    /// The PCI devices it moved, as they were before.
    #[serde(default)]
    pub devices: Vec<DeviceBefore>,
    /// For a rollback: what tools make, as it was before they ran again.
    #[serde(default)]
    pub outputs: Vec<Output>,
    /// What was still to do when it ended, a boot left out.
    #[serde(default)]
    pub left: Vec<String>,
    /// For a run after a boot that was tried: that boot, if it is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused_boot: Option<RefusedBoot>,
    /// How it changed what is remembered of its owner; absent where nobody owns it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remembrance: Option<Remembrance>,
}

impl RunRecord {
    /// Returns the run that this one undid or set out to undo; `None` for one that is no rollback.
    pub fn undoes(&self) -> Option<&str> {
        match &self.command {
            RunCommand::Rollback(run) => Some(run),
            _ => None,
        }
    }

    /// Returns whether there is something to undo.
    pub fn has_changed(&self) -> bool {
        !self.files.is_empty() || !self.activations.is_empty() || !self.devices.is_empty()
    }

    /// Returns whether a boot is tried for it, if it came to its end and left something to a boot.
    pub fn left_to_a_boot(&self) -> Option<bool> {
        let is_ready = self.is_complete() && !self.files.is_empty();
        match self.command {
            RunCommand::ConfirmBoot if is_ready => Some(true),
            RunCommand::ConvergeAtBoot if is_ready => Some(false),
            _ => None,
        }
    }

    /// Returns whose declarations it converged to, where the record tells.
    pub fn owner(&self) -> Option<&str> {
        self.provenance.as_ref()?.owner.as_deref()
    }

    /// Returns whether it came to its end and nothing was left to do, a boot left out.
    pub fn has_left_nothing(&self) -> bool {
        self.is_complete() && self.left.is_empty()
    }

    /// Returns whether it came to its end, whatever is left to others.
    pub fn is_complete(&self) -> bool {
        self.outcome.is_some_and(|it| !it.is_unfinished())
    }
}
