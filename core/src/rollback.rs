//! Undoing a recorded run: the plan that puts the previous texts of its files back.

use std::path::{Path, PathBuf};

use hoststate_abi::activation::Activation;
use hoststate_abi::host_view::HostView;
use hoststate_abi::setting::{Disruption, Scope};
use hoststate_abi::step::Step;

use crate::declaration::ResourceId;
use crate::diff::unified;
use crate::distro::Distro;
use crate::error::{Error, Result};
use crate::facts::HostSummary;
use crate::host::metadata::Metadata;
use crate::kernels;
use crate::plan::{Change, FileChange, PLAN_FORMAT, Plan, Reboot, Summary};
use crate::record::{RecordStore, RunRecord};

/// What undoing a run means for the host as it is now.
#[derive(Debug, Clone)]
pub struct Rollback {
    /// The plan: one change for each file, and the activations of the run again.
    pub plan: Plan,
    /// Files whose text is no longer what the run left: from that to what is there now.
    pub changed_since: Vec<FileChange>,
    /// Kernel attributes the run wrote. They are not put back: the kernel has them as they are until it boots.
    pub attributes: Vec<String>,
}

/// Returns the run to undo: `id`, or the newest that set out to change a file.
///
/// # Errors
/// When there is no such run, or a record cannot be read.
pub fn select(store: &RecordStore, id: Option<&str>) -> Result<RunRecord> {
    if let Some(id) = id {
        return store.read(id);
    }
    for id in store.ids()?.iter().rev() {
        let record = store.read(id)?;
        if !record.files.is_empty() {
            return Ok(record);
        }
    }
    Err(Error::invalid("no recorded run changed a file", "`hoststate history` lists the runs."))
}

/// Returns what undoing `record` means for the host in `view`.
///
/// A file that the run never came to write, or that was put back since, is left out.
///
/// # Errors
/// When a file of the host cannot be read.
pub fn plan(record: &RunRecord, view: &HostView, distro: &Distro) -> Result<Rollback> {
    let mut files = Vec::new();
    let mut changed_since = Vec::new();
    for FileChange { path, before, after, .. } in &record.files {
        let now = view.read_lossy(path)?;
        if now == *before {
            continue;
        }
        if now != *after {
            changed_since.push(file_change(path, after.clone(), now.clone(), None));
        }
        let as_before = record.metadata.get(path).filter(|_| now.is_none()).cloned();
        files.push(file_change(path, now, before.clone(), as_before));
    }
    let changes: Vec<Change> = files.iter().map(|it| change(record, it)).collect();
    let installed = kernels::installed(view)?;
    let mut activations = Vec::new();
    for planned in record.activations.iter().filter(|_| !files.is_empty()) {
        let mut planned = planned.clone();
        let is_possible = match &planned.activation {
            Activation::Initramfs { kernel } if installed.0.contains(kernel) => {
                // The run may have made a first image, which now is there.
                planned.argv = distro.initramfs.rebuild(view, kernel)?;
                true
            }
            Activation::UdevReload | Activation::BootConfig => true,
            Activation::Initramfs { .. } | Activation::Reboot => false,
        };
        planned.because = vec![format!("run {} did the same", record.id)];
        if is_possible && !activations.contains(&planned) {
            activations.push(planned);
        }
    }
    activations.sort_by(|a, b| a.activation.cmp(&b.activation));
    let summary = Summary { to_change: changes.len(), ..Summary::default() };
    let plan = Plan {
        format: PLAN_FORMAT.to_owned(),
        host: HostSummary::read(view, distro)?,
        declarations: Vec::new(),
        changes,
        files,
        activations,
        reboot: Reboot::default(),
        after_boot: Vec::new(),
        guards: Vec::new(),
        deferred: Vec::new(),
        conflicts: Vec::new(),
        summary,
        once_confirmed: None,
        cmdline: Vec::new(),
    };
    Ok(Rollback { plan, changed_since, attributes: attributes(record) })
}

fn file_change(
    path: &Path,
    before: Option<String>,
    after: Option<String>,
    as_before: Option<Metadata>,
) -> FileChange {
    let diff = unified(path, before.as_deref(), after.as_deref());
    FileChange { path: path.to_owned(), before, after, diff, as_before }
}

fn change(record: &RunRecord, file: &FileChange) -> Change {
    let path: PathBuf = file.path.clone();
    let (desired, step) = match &file.after {
        Some(text) => {
            let besides = file.as_before.as_ref().map_or(String::new(), |it| format!(", {it}"));
            (Some(format!("its text before that run{besides}")), Step::WriteFile { path, text: text.clone() })
        }
        None => (None, Step::RemoveFile { path }),
    };
    Change {
        resource: ResourceId { kind: "rollback".to_owned(), name: record.id.clone() },
        playbook: None,
        scope: Scope::Persistent,
        subject: file.path.display().to_string(),
        actual: file.before.as_ref().map(|_| "its text now".to_owned()),
        desired,
        steps: vec![step],
        activation: None,
        disruption: Disruption::None,
        in_vain: false,
    }
}

fn attributes(record: &RunRecord) -> Vec<String> {
    // Steps are recorded in words; only writes to attributes say what was written where.
    let is_attribute = |what: &&String| what.starts_with("write \"");
    record.steps.iter().map(|it| &it.what).filter(is_attribute).cloned().collect()
}
