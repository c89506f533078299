//! Undoing a recorded run, judged by effect: its files as they were, images and boot configuration made from them, and
//! the kernel's attributes, as one declaration that is converged to like any other.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use hoststate_abi::activation::Activation;
use hoststate_abi::host_view::HostView;
use hoststate_abi::setting::{Disruption, Remedy, Setting, State};
use hoststate_abi::step::Step;
use serde_json::Map;

use crate::error::Result;
use crate::formats::kernel_cmdline::{Cmdline, CmdlineEdit};
use crate::language::declaration::{Declaration, ResourceId};
use crate::language::ensure::Ensure;
use crate::language::registry::Declared;
use crate::language::resource::{Context, Resource};
use crate::machine::kernels;
use crate::mechanism::distro::Distro;
use crate::mechanism::distro::cmdline::running;
use crate::plan::diff::unified;
use crate::plan::planned::{FileChange, Plan};
use crate::record::command::UNDO;
use crate::record::output::{Output, output};
use crate::record::report::StepStatus;
use crate::record::{OLD_RUN_FORMAT, RunRecord};

mod devices;
mod merge;
mod parameters;
pub mod select;

/// A file that a run changed, and what it shall be without that.
#[derive(Debug, Clone)]
struct Restored {
    path: PathBuf,
    /// What the run left.
    after: Option<String>,
    /// What was there when this was made.
    seen: Option<String>,
    /// What shall be there: what was there before the run, with what others changed since.
    wanted: Option<String>,
    /// Whether others changed something in it, and that stays.
    is_merged: bool,
    /// Whether others changed what the run changed, and the line of that; then it is lost.
    collision: Option<Option<usize>>,
}

impl Restored {
    /// Returns what becomes of a file of a run; `put_back` is what the last rollback of that run made of it.
    fn new(change: &FileChange, seen: Option<String>, put_back: Option<&Option<String>>) -> Self {
        let FileChange { path, before, after, .. } = change;
        let (path, after, before) = (path.clone(), after.clone(), before.clone());
        let mut file = Self { path, after, seen, wanted: before.clone(), is_merged: false, collision: None };
        if file.seen == before || file.seen == file.after {
            return file;
        }
        if put_back == Some(&file.seen) {
            file.wanted = file.seen.clone();
            return file;
        }
        let (Some(after), Some(seen)) = (&file.after, &file.seen) else {
            file.collision = Some(None);
            return file;
        };
        match merge::without(before.as_deref().unwrap_or_default(), after, seen) {
            // A file that the run made goes when nothing else is in it, and so does one of hoststate's.
            Ok(text) if text.trim().is_empty() && (before.is_none() || is_own(&file.path)) => {
                file.wanted = None
            }
            Ok(text) => (file.wanted, file.is_merged) = (Some(text), true),
            Err(line) => file.collision = Some(Some(line)),
        }
        file
    }
}

/// Returns whether only hoststate makes files of this name.
fn is_own(path: &Path) -> bool {
    path.file_name().is_some_and(|it| it.to_string_lossy().contains("hoststate"))
}

/// A file in which others changed what a run changed: undoing the run loses that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collision {
    /// The change from what the run left to what is there now.
    pub change: FileChange,
    /// The first line of it, counted from 1; none where the whole file came or went.
    pub line: Option<usize>,
}

/// How a run is undone on the host as it is now.
#[derive(Debug, Clone)]
pub struct Undo {
    /// The run.
    record: RunRecord,
    /// Its files; none when they were put back, and what they hold now is somebody else's.
    files: Vec<Restored>,
    /// The activations that are to be run again, each with its output as it is before that.
    outputs: BTreeMap<Activation, Output>,
    /// What the run changed of the command line, the other way round.
    parameters: Option<CmdlineEdit>,
    /// Whether the host was booted into what the run made, and not yet again.
    needs_boot: bool,
}

impl Undo {
    /// Returns how `record` is undone; `rollbacks` are the runs that set out to do so before, the newest first. Where
    /// `is_undone`, its files stay as they are: they were put back, and what they hold now is somebody else's.
    ///
    /// # Errors
    /// When the host cannot be read.
    pub fn new(
        record: RunRecord,
        rollbacks: &[RunRecord],
        is_undone: bool,
        (host, distro): (&HostView, &Distro),
        boot_id: Option<&str>,
    ) -> Result<Self> {
        let parameters = parameters::undone(host, distro, &record.files);
        let mut files = Vec::new();
        for change in record.files.iter().filter(|_| !is_undone) {
            let of_path = |run: &'_ RunRecord| run.files.iter().position(|it| it.path == change.path);
            let last = rollbacks.iter().find_map(|run| Some(&run.files[of_path(run)?].after));
            files.push(Restored::new(change, host.read_lossy(&change.path)?, last));
        }
        let mut undo = Self { record, files, outputs: BTreeMap::new(), parameters, needs_boot: false };
        let differs = undo.differs(host)?;
        for activation in undo.activations(host)? {
            let now = output(host, distro, &activation)?;
            let found = if differs { Some(now) } else { undo.before(host, &activation, rollbacks, now)? };
            undo.outputs.extend(found.map(|it| (activation, it)));
        }
        let elsewhere = |it: &RunRecord| it.boot_id.as_deref() != boot_id;
        let was_booted = undo.record.boot_id.is_some() && boot_id.is_some() && elsewhere(&undo.record);
        // The newest run that worked on it did so before this boot, and left nothing to do.
        let is_done = !differs && undo.outputs.is_empty();
        let is_gone = is_done && rollbacks.iter().find(|it| it.has_changed()).is_some_and(elsewhere);
        undo.needs_boot = was_booted && !undo.record.files.is_empty() && !is_gone;
        if is_gone {
            undo.parameters = None;
        }
        Ok(undo)
    }

    /// Returns the run.
    pub fn record(&self) -> &RunRecord {
        &self.record
    }

    /// Returns the outputs of the tools before they run again, to be kept in the record.
    pub fn outputs(&self) -> Vec<Output> {
        self.outputs.values().cloned().collect()
    }

    /// Returns what is converged to.
    pub fn declared(&self) -> Declared {
        let declaration = Declaration {
            kind: UNDO.to_owned(),
            name: Some(self.record.id.clone()),
            ensure: Ensure::Present,
            playbook: None,
            composite: None,
            desired: Map::new(),
        };
        Declared { id: self.id(), declaration, resource: Rc::new(self.clone()) }
    }

    /// Returns the files in which others changed what the run changed, and those that were changed while somebody was
    /// asked.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn collisions(&self, host: &HostView) -> Result<Vec<Collision>> {
        let mut collisions = Vec::new();
        for it in &self.files {
            let now = host.read_lossy(&it.path)?;
            if now == it.wanted || (now == it.seen && it.collision.is_none()) {
                continue;
            }
            let diff = unified(&it.path, it.after.as_deref(), now.as_deref());
            let (path, before) = (it.path.clone(), it.after.clone());
            let change = FileChange { path, before, after: now, diff, as_before: None };
            collisions.push(Collision { change, line: it.collision.flatten() });
        }
        Ok(collisions)
    }

    /// Returns the plan with what the files were besides their text that were removed since: they come back with it.
    #[must_use]
    pub fn furnished(&self, mut plan: Plan) -> Plan {
        for it in plan.files.iter_mut().filter(|it| it.before.is_none()) {
            it.as_before = self.record.metadata.get(&it.path).cloned();
        }
        plan
    }

    fn id(&self) -> ResourceId {
        ResourceId { kind: UNDO.to_owned(), name: self.record.id.clone() }
    }

    /// Returns whether a file is not as it shall be.
    fn differs(&self, host: &HostView) -> Result<bool> {
        for it in &self.files {
            if host.read_lossy(&it.path)? != it.wanted {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Returns the activations of the run that this host can do.
    fn activations(&self, host: &HostView) -> Result<Vec<Activation>> {
        let installed = kernels::installed(host)?;
        let is_possible = |it: &Activation| match it {
            Activation::Initramfs { kernel } => installed.0.contains(kernel),
            Activation::BootConfig => true,
            // udevd sees a changed rule by itself.
            Activation::UdevReload | Activation::Reboot => false,
        };
        let mut activations: Vec<Activation> =
            self.record.activations.iter().map(|it| it.activation.clone()).filter(is_possible).collect();
        activations.sort();
        activations.dedup();
        Ok(activations)
    }

    /// Returns the output of an activation as it was before it should have been made again, unless it was: the files
    /// are back, and what is made of them may not be.
    fn before(
        &self,
        host: &HostView,
        activation: &Activation,
        rollbacks: &[RunRecord],
        now: Output,
    ) -> Result<Option<Output>> {
        let argv = |run: &RunRecord| {
            let planned = run.activations.iter().find(|it| it.activation == *activation);
            planned.map(|it| it.argv.clone()).unwrap_or_default()
        };
        for rollback in rollbacks {
            if let Some(found) = rollback.outputs.iter().find(|it| it.activation == *activation) {
                if found.is_as_in(&now) {
                    return Ok(Some(found.clone()));
                }
                // A tool that was killed may have left a part.
                let is_whole = rollback.is_complete() || now.is_readable(host)?;
                return Ok((!is_whole).then_some(now));
            }
            if rollback.format == OLD_RUN_FORMAT {
                let is_done = has_step(rollback, &argv(rollback), |it| it == StepStatus::Done);
                return Ok((!is_done).then_some(now));
            }
        }
        // Nobody set out to make it again. Of a run that was cut nobody knows how far it came.
        let was_made = self.record.outcome.is_none() || has_step(&self.record, &argv(&self.record), |_| true);
        Ok((rollbacks.is_empty() && was_made).then_some(now))
    }

    fn file(&self, host: &HostView, it: &Restored) -> Result<Option<Setting>> {
        let Restored { path, wanted, is_merged, .. } = it;
        let now = host.read_lossy(path)?;
        if now == *wanted {
            return Ok(None);
        }
        let leads_to = host.resolve(path)?;
        let metadata = self.record.metadata.get(path).filter(|_| now.is_none());
        let besides = metadata.map(|it| format!(", {it}")).unwrap_or_default();
        let without =
            if *is_merged { "its text without what that run changed" } else { "its text before that run" };
        let desired = wanted.as_ref().map(|_| format!("{without}{besides}"));
        let actual = now.as_ref().map(|_| "its text now".to_owned());
        let state = if leads_to == *path {
            let path = path.clone();
            let step = match wanted {
                Some(text) => Step::WriteFile { path, text: text.clone() },
                None => Step::RemoveFile { path },
            };
            State::Drifted { actual, desired, remedy: Remedy::Steps(vec![step]) }
        } else {
            let reason = format!(
                "it leads to {} now, which is not the file that the run wrote; find out who made that link",
                leads_to.display()
            );
            State::Blocked { actual, desired, by: None, reason }
        };
        Ok(Some(Setting::persistent(path, state)))
    }

    /// Compares what tools make with what they made before: the boot configuration by its parameters, everything by
    /// whether it was written again since the files are back.
    fn made(&self, cx: Context<'_>) -> Result<Vec<Setting>> {
        let mut settings = Vec::new();
        for (activation, before) in &self.outputs {
            let by_parameters = match activation {
                Activation::BootConfig => self.boot_config(cx)?,
                _ => None,
            };
            if let Some(setting) = by_parameters {
                settings.push(setting);
            } else if before.is_as_in(&output(cx.host, cx.distro, activation)?) {
                let state = State::Drifted {
                    actual: before.found.map(|_| "made from the files of that run".to_owned()),
                    desired: Some("made from the files as they were before".to_owned()),
                    remedy: Remedy::Activation(activation.clone()),
                };
                settings.push(Setting::persistent(before.about(), state));
            }
        }
        if !self.outputs.contains_key(&Activation::BootConfig)
            && self.activations(cx.host)?.contains(&Activation::BootConfig)
        {
            settings.extend(self.boot_config(cx)?);
        }
        Ok(settings)
    }

    /// Returns the generated boot configuration, if its entries still have the parameters of that run.
    fn boot_config(&self, cx: Context<'_>) -> Result<Option<Setting>> {
        let Some(parameters) = &self.parameters else { return Ok(None) };
        let settings = cx.distro.bootloader.cmdline(cx.host, parameters)?;
        let is_stale = |it: &Setting| {
            let remedy = match &it.state {
                State::Drifted { remedy, .. } => Some(remedy),
                _ => None,
            };
            remedy.is_some_and(|it| matches!(it, Remedy::Activation(Activation::BootConfig)))
        };
        Ok(settings.into_iter().find(is_stale))
    }

    fn boot(&self, host: &HostView) -> Result<Option<Setting>> {
        if let (Some(parameters), Some(text)) =
            (&self.parameters, host.attribute(Path::new("/proc/cmdline"))?)
        {
            let setting = running(&Cmdline::parse(&text), parameters);
            if setting.state != State::Converged {
                return Ok(Some(setting));
            }
        }
        if !self.needs_boot {
            return Ok(None);
        }
        let state = State::Drifted {
            actual: Some("booted with what that run made".to_owned()),
            desired: Some("booted without".to_owned()),
            remedy: Remedy::Activation(Activation::Reboot),
        };
        Ok(Some(Setting::runtime("the running system", Disruption::Reboot, state)))
    }
}

impl Resource for Undo {
    fn inspect(&self, cx: Context<'_>) -> Result<Vec<Setting>> {
        let mut settings = Vec::new();
        for it in &self.files {
            settings.extend(self.file(cx.host, it)?);
        }
        settings.extend(self.made(cx)?);
        settings.extend(self.boot(cx.host)?);
        settings.extend(devices::settings(cx.host, &self.record)?);
        Ok(settings)
    }
}

fn has_step(run: &RunRecord, argv: &[String], ended: fn(StepStatus) -> bool) -> bool {
    run.steps.iter().any(|it| ended(it.status) && it.argv.as_deref() == Some(argv))
}
