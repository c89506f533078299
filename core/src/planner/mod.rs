//! Making a plan: every resource is inspected on the host as it will be, then once more to find conflicts.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use hoststate_abi::about::About;
use hoststate_abi::activation::Activation;
use hoststate_abi::host_view::HostView;
use hoststate_abi::lines::LineEdit;
use hoststate_abi::setting::{Remedy, Scope, Setting, State};
use hoststate_abi::step::Step;

use crate::error::Result;
use crate::guards::ineffective_parameters::running;
use crate::language::declaration::{Declaration, Origin, ResourceId};
use crate::language::parts;
use crate::language::registry::Declared;
use crate::language::resource::Context;
use crate::mechanism::distro::Distro;
use crate::mechanism::host_summary::HostSummary;
use crate::plan::diff::unified;
use crate::plan::doubts::{self, Doubt};
use crate::plan::finding::Finding;
use crate::plan::planned::{
    Change, Conflict, Deferred, FileChange, PLAN_FORMAT, Plan, PlannedActivation, Reboot, Summary, reason,
};
use crate::plan::scene::{Guard, Severity};
use crate::planner::leftovers::{Leftovers, Owner};
use crate::record::past::Past;
use crate::verdict;

mod booting;
mod contradicted;
pub mod declared_devices;
mod guarded;
pub mod leftovers;
pub(crate) mod missing;
mod named;
mod other_owners;
mod rebound;
mod recalled;
mod remade;
mod rewritten;
mod unknown_drivers;
mod unknown_ids;
mod unread;

/// What a plan is made from, besides the host.
#[derive(Debug, Clone, Copy)]
pub struct Planner<'a> {
    /// The declarations, in the order of the playbook.
    pub declared: &'a [Declared],
    /// The mechanisms of the host.
    pub distro: &'a Distro,
    /// The guards that look at the changes.
    pub guards: &'a [Guard],
    /// Ids of hazards the user accepts.
    pub accepted: &'a [String],
    /// When settings of the running system can be changed.
    pub runtime: Runtime,
    /// What earlier runs tell about the last boot.
    pub past: Past<'a>,
    /// Whose declarations they are; `None` where nobody is remembered for them.
    pub owner: Option<Owner<'a>>,
}

/// When settings of the running system can be changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Runtime {
    /// Now: the host is the machine itself.
    #[default]
    Now,
    /// When the host boots: it is a tree, and the kernel behind its `/sys` is another's or a record.
    AtBoot,
}

impl Planner<'_> {
    /// Returns the plan for the host in `view`, which afterwards shows the host as the plan leaves its files.
    ///
    /// # Errors
    /// When a resource cannot be inspected, or a guard cannot read what it must.
    pub fn plan(&self, view: &mut HostView) -> Result<Plan> {
        Ok(self.judged(view)?.0)
    }

    /// Returns the plan, and what was found about the last boot.
    ///
    /// # Errors
    /// As for [`Self::plan`].
    pub fn judged(&self, view: &mut HostView) -> Result<(Plan, Vec<Finding>)> {
        let all = parts::expanded(self.declared, Context::new(view, self.distro))?;
        let declarations = self.declared.iter().map(|it| it.declaration.clone()).collect();
        let Leftovers { found, trouble, owned, .. } = self.leftovers(view)?;
        let owned = parts::expanded(&owned, Context::new(view, self.distro))?;
        let planner = Planner { declared: &all, ..*self };
        let (mut plan, findings) = planner.of_parts(declarations, &owned, view)?;
        plan.owner = self.owner.map(|it| it.name.to_owned());
        plan.prune = self.owner.is_some_and(|it| it.prunes);
        plan.no_longer_declared = found.into_iter().map(|it| it.told).collect();
        plan.guards.extend(trouble.into_iter().chain(self.differing_owners(view)?));
        Ok((plan, findings))
    }

    fn of_parts(
        &self,
        declarations: Vec<Declaration>,
        owned: &[Declared],
        view: &mut HostView,
    ) -> Result<(Plan, Vec<Finding>)> {
        let host = HostSummary::read(view, self.distro)?;
        let missing = missing::devices(self.declared, view, self.past)?;
        let unknown = unknown_drivers::find(self.declared, view)?;
        let mut impossible = unknown.resources;
        impossible.extend(missing.iter().map(|it| it.resource.clone()));
        let found = self.declared_devices(view)?;
        impossible.extend(found.left_alone.iter().cloned());
        let conflicts = missing.into_iter().chain(unknown.conflicts).collect();
        let mut draft = Draft { runtime: self.runtime, conflicts, found, ..Draft::default() };
        let before = recalled::views(self.declared, view, self.past, self.owner)?;
        let mut inspected = Vec::with_capacity(self.declared.len());
        for (index, declared) in self.declared.iter().enumerate() {
            inspected.push(self.inspect(declared, view, &impossible, before[index].as_deref())?);
            draft.predict(index, &mut inspected[index], view).map_err(|err| err.of(&declared.id))?;
        }
        for (index, mut settings) in self.rewritten(owned, &draft, view)? {
            draft.predict(index, &mut settings, view).map_err(|err| err.of(&self.declared[index].id))?;
            inspected[index].extend(settings);
        }
        let written: Vec<Vec<Setting>> = if draft.files.is_empty() {
            self.declared.iter().map(|_| Vec::new()).collect()
        } else {
            let file_changes =
                inspected.drain(..).map(|it| it.into_iter().filter(writes_files).collect()).collect();
            for (declared, before) in self.declared.iter().zip(&before) {
                inspected.push(self.inspect(declared, view, &impossible, before.as_deref())?);
            }
            file_changes
        };
        for (index, (written, mut settled)) in written.into_iter().zip(inspected).enumerate() {
            draft.put_unread_aside(&self.declared[index], !written.is_empty(), &mut settled, view);
            draft.merge(self.declared, index, written, settled);
        }
        missing::add_doubts(self.declared, view, &mut draft.deferred)?;
        draft.defer_rebound(Context::new(view, self.distro))?;
        draft.defer_remade(view)?;
        self.finish(host, declarations, draft, view)
    }

    /// Returns the settings of a resource; none where its device or driver is not there, for that is told already.
    fn inspect(
        &self,
        declared: &Declared,
        view: &HostView,
        impossible: &BTreeSet<ResourceId>,
        before: Option<&HostView>,
    ) -> Result<Vec<Setting>> {
        if impossible.contains(&declared.id) {
            return Ok(Vec::new());
        }
        let cx = Context { before, ..Context::new(view, self.distro) };
        declared.resource.inspect(cx).map_err(|err| err.of(&declared.id))
    }

    fn finish(
        &self,
        host: HostSummary,
        declarations: Vec<Declaration>,
        mut draft: Draft,
        view: &HostView,
    ) -> Result<(Plan, Vec<Finding>)> {
        draft.contradict(self.declared);
        let booting = self.booting(view, &draft)?;
        let mut files = Vec::with_capacity(draft.files.len());
        for (path, Draw { before, .. }) in draft.files {
            let after = view.read(&path)?;
            if before != after {
                let diff = unified(&path, before.as_deref(), after.as_deref());
                files.push(FileChange { path, before, after, diff, as_before: None });
            }
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let mut activations = Vec::new();
        for (activation, because) in draft.activations {
            let argv = match &activation {
                // What it is for is told from the changes.
                Activation::Reboot => continue,
                Activation::UdevReload => ["udevadm", "control", "--reload"].map(str::to_owned).to_vec(),
                Activation::Initramfs { kernel } => self.distro.initramfs.rebuild(view, kernel)?,
                Activation::BootConfig => self.distro.bootloader.regenerate(view)?,
            };
            activations.push(PlannedActivation { activation, argv, because });
        }
        let mut guards = self.guarded(view, &draft.changes, &booting)?;
        running::warn(view, self.declared, &mut guards)?;
        guards.extend(draft.found.hazards);
        let doubts = doubts::find(self.declared);
        guards.extend(doubts.iter().map(Doubt::hazard));
        if !draft.changes.is_empty() {
            guards.extend(unknown_ids::hazards(self.declared, view)?);
        }
        guards.extend(missing::unseen(self.declared, view)?.filter(|_| !draft.changes.is_empty()));
        for hazard in &mut guards {
            hazard.accepted = self.accepted.contains(&hazard.id);
        }
        let has_news = !draft.changes.is_empty() && !booting.edits.is_empty();
        let cmdline = if has_news { booting.compared(view, self.distro, &files)? } else { Vec::new() };
        for index in booting.in_vain {
            draft.changes[index].in_vain = true;
        }
        draft.changes.extend(booting.changes);
        named::name(&mut draft.found.devices, &draft.changes, &mut guards, view)?;
        let refused = guards.iter().filter(|it| it.severity == Severity::Refuse && !it.accepted).count();
        // Several resources may ask for the same image or boot entries: that is one thing to change.
        let count = |waits: bool| {
            let counted = draft.changes.iter().filter(|it| it.waits_for_reboot() == waits);
            counted.map(|it| (it.scope, &it.about)).collect::<BTreeSet<_>>().len()
        };
        let summary = Summary {
            in_desired_state: draft.converged,
            to_change: count(false),
            only_reboot: count(true),
            deferred: draft.deferred.len(),
            refused: refused + draft.conflicts.len(),
        };
        let plan = Plan {
            format: PLAN_FORMAT.to_owned(),
            host,
            owner: None,
            prune: false,
            declarations,
            no_longer_declared: Vec::new(),
            devices: draft.found.devices,
            changes: draft.changes,
            files,
            activations,
            reboot: Reboot::default(),
            next_boot: booting.next_boot,
            after_boot: booting.findings,
            guards,
            deferred: draft.deferred,
            conflicts: draft.conflicts,
            unread: unread::told(draft.unread, view),
            summary,
            once_confirmed: None,
            cmdline,
        };
        let (host, distro) = (&view.without_predictions(), self.distro);
        verdict::judge(plan, self.declared, host, distro, self.past, self.accepted)
    }
}

/// A file that some resource writes.
struct Draw {
    before: Option<String>,
    /// Who wrote it last.
    writer: usize,
}

#[derive(Default)]
struct Draft {
    runtime: Runtime,
    found: declared_devices::Found,
    changes: Vec<Change>,
    deferred: Vec<Deferred>,
    conflicts: Vec<Conflict>,
    activations: BTreeMap<Activation, Vec<String>>,
    files: HashMap<PathBuf, Draw>,
    attributes: BTreeMap<PathBuf, (usize, String)>,
    unread: BTreeMap<PathBuf, Vec<ResourceId>>,
    converged: usize,
}

impl Draft {
    /// Shows the later declarations what these settings do to files. A whole text becomes the edit that it is: a plan
    /// holds the text of each file once.
    fn predict(&mut self, writer: usize, settings: &mut [Setting], view: &mut HostView) -> Result<()> {
        for step in settings.iter_mut().flat_map(steps_of_mut) {
            let Some(named) = step.file().map(Path::to_owned) else { continue };
            let path = view.resolve(&named)?;
            if let Step::WriteFile { text, .. } = step {
                let before = view.read(&path)?.unwrap_or_default();
                let edits = LineEdit::between(&before, text).into_iter().collect();
                *step = Step::EditFile { path: named, edits };
            }
            let before = match self.files.remove(&path) {
                Some(draw) => draw.before,
                None => view.read(&path)?,
            };
            view.predict_step(step)?;
            self.files.insert(path, Draw { before, writer });
        }
        Ok(())
    }

    /// Takes over the file changes of the first pass and everything else from the second, where the files are
    /// already as they will be.
    fn merge(&mut self, all: &[Declared], index: usize, written: Vec<Setting>, settled: Vec<Setting>) {
        let declared = &all[index];
        let converged = settled.iter().filter(|it| it.state == State::Converged).count();
        self.converged += converged.saturating_sub(written.len());
        let made: BTreeSet<About> = written.iter().map(|it| it.about.clone()).collect();
        for setting in written {
            self.change(declared, setting);
        }
        for setting in settled {
            let still_drifts = writes_files(&setting) && !self.files.is_empty();
            match setting.state {
                State::Converged => {}
                State::Deferred { reason } => {
                    let (resource, playbook) = named(declared);
                    let waits_for_reboot = self.runtime == Runtime::AtBoot;
                    self.deferred.push(Deferred { resource, playbook, reason, waits_for_reboot });
                }
                State::Blocked { .. } => self.blocked(all, index, setting),
                State::Drifted { .. } if still_drifts => {
                    let twice = made.contains(&setting.about);
                    self.overwritten(all, index, twice, setting);
                }
                State::Drifted { .. } => {
                    self.compare_attributes(all, index, &setting);
                    self.change(declared, setting);
                }
            }
        }
    }

    fn change(&mut self, declared: &Declared, setting: Setting) {
        let State::Drifted { actual, desired, remedy } = setting.state else { return };
        let (resource, playbook) = named(declared);
        let waits = (self.runtime, setting.scope) == (Runtime::AtBoot, Scope::Runtime);
        let remedy = if waits { Remedy::Activation(Activation::Reboot) } else { remedy };
        let (steps, activation) = match remedy {
            Remedy::Steps(steps) => (steps, None),
            Remedy::Activation(activation) => {
                let because = self.activations.entry(activation.clone()).or_default();
                let reason = reason(&resource, &setting.about, desired.as_deref());
                // A resource says the same twice only in a row.
                if because.last() != Some(&reason) {
                    because.push(reason);
                }
                (Vec::new(), Some(activation))
            }
        };
        self.changes.push(Change {
            resource,
            playbook,
            scope: setting.scope,
            about: setting.about,
            actual,
            desired,
            steps,
            activation,
            disruption: setting.disruption,
            composite: declared.declaration.composite.clone(),
            ensure: declared.declaration.ensure,
            in_vain: false,
        });
    }
}

fn named(declared: &Declared) -> (ResourceId, Option<Origin>) {
    (declared.id.clone(), declared.declaration.playbook.clone())
}

fn steps_of(setting: &Setting) -> impl Iterator<Item = &Step> {
    match &setting.state {
        State::Drifted { remedy: Remedy::Steps(steps), .. } => steps.iter(),
        _ => [].iter(),
    }
}

fn steps_of_mut(setting: &mut Setting) -> impl Iterator<Item = &mut Step> {
    match &mut setting.state {
        State::Drifted { remedy: Remedy::Steps(steps), .. } => steps.iter_mut(),
        _ => [].iter_mut(),
    }
}

fn writes_files(setting: &Setting) -> bool {
    steps_of(setting).any(|it| it.file().is_some())
}
