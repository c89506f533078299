//! `hoststate status`: the last run, what waits for a reboot, and what drifted since, in three lines.

use hoststate_abi::host_view::HostView;
use hoststate_core::error::Error as EngineError;
use hoststate_core::host::Host;
use hoststate_core::plan::finding::{Finding, Verdict};
use hoststate_core::plan::planned::{Change, Plan};
use hoststate_core::record::history::{self, InEffect, State};
use hoststate_core::record::store::RecordStore;
use hoststate_core::run::rollback::select::select;
use hoststate_core::trial::pending;
use schemars::JsonSchema;
use serde::Serialize;

use crate::args::StatusArguments;
use crate::commands::history::{Entry, entry};
use crate::commands::rollback::undo;
use crate::error::Result;
use crate::exit::Exit;
use crate::render;
use crate::render::leftovers;
use crate::render::screen::Screen;
use crate::render::shown::Shown;
use crate::render::together::{Together, together};
use crate::session::Session;
use crate::target::Target;

/// Format of the answer.
const STATUS_FORMAT: &str = "hoststate.status/1";

/// How it is with a host.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Status {
    /// The format of this object.
    format: String,
    /// The last run whose record can be read; null for a host without one.
    pub(crate) last: Option<Entry>,
    /// With what the host is compared: for each owner of declarations, the last run that was not undone; the newest
    /// first.
    pub(crate) owners: Vec<Owner>,
    /// What waits for a reboot, or is about to happen at one: a boot that is to be tried, a return to the default entry.
    pub(crate) reboot: Vec<String>,
    /// What was tried by a boot and is refused, so that no reboot brings it.
    pub(crate) refused: Vec<String>,
    /// What is not as wanted, and no reboot makes it so; what is left of a rollback is among it.
    pub(crate) drift: Vec<String>,
    /// What earlier runs of the owners set, what is still in place, and what is no longer declared.
    pub(crate) no_longer_declared: Vec<String>,
    /// How many settings are as wanted.
    pub(crate) in_desired_state: usize,
}

/// Whose declarations the host is compared with, and what came of it.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Owner {
    /// The owner: the path of the playbook; null where the run does not tell.
    pub(crate) owner: Option<String>,
    /// The run.
    run: String,
    /// How many settings are not as wanted, those that wait for a reboot left out.
    pub(crate) drift: usize,
}

/// Runs the command.
///
/// # Errors
/// When the host or its records cannot be read.
pub(crate) fn run(arguments: &StatusArguments, session: &Session) -> Result<Exit> {
    let target = Target::open_to_look(&arguments.host)?;
    let machine = HostView::new("/");
    let records = target.records()?;
    let mut status = Status {
        format: STATUS_FORMAT.to_owned(),
        last: None,
        owners: Vec::new(),
        reboot: Vec::new(),
        refused: Vec::new(),
        drift: Vec::new(),
        no_longer_declared: Vec::new(),
        in_desired_state: 0,
    };
    let mut exit = Exit::Success;
    if let Some(told) = history::newest_first(&records, &machine)?.find_map(Result::ok) {
        let is_rollback = told.record.undoes().is_some();
        status.last = Some(entry(told, target.host.view().root().to_owned()));
        if !status.is_running() {
            if is_rollback {
                exit = exit.or_worse(status.of_rollback(&target, &records, &machine)?);
            }
            exit = exit.or_worse(status.of_declarations(&target, &records, &machine)?);
        }
    }
    let is_of_boot = |it: &Finding| it.verdict != Verdict::RunInProgress;
    let standing = pending::findings(&target.host.view(), target.past().boot_id)?;
    // A long list is cut at its end.
    let told = standing.iter().filter(|it| is_of_boot(it)).filter_map(render::verify::told);
    status.reboot.splice(..0, told);
    session.show(&status)?;
    Ok(exit)
}

impl Shown for Status {
    fn text(&self, screen: &Screen) -> String {
        render::status::text(screen, self)
    }
}

impl Status {
    /// Returns whether a run goes on: what it is in the middle of is neither drift nor left.
    pub(crate) fn is_running(&self) -> bool {
        self.last.as_ref().is_some_and(|it| matches!(it.state, State::Running { .. }))
    }

    fn of_rollback(&mut self, target: &Target, records: &RecordStore, machine: &HostView) -> Result<Exit> {
        let undo = undo(target, select(records, None, machine)?)?;
        let plan = target.plan(&[undo.declared()])?;
        self.add(&plan);
        Ok(Exit::of_verify(&plan))
    }

    fn of_declarations(
        &mut self,
        target: &Target,
        records: &RecordStore,
        machine: &HostView,
    ) -> Result<Exit> {
        let mut exit = Exit::Success;
        for InEffect { owner, record } in history::in_effect(records, machine)? {
            let declared = target.registry.decode_all(record.declarations)?;
            let plan = target.plan_in(&mut target.host.view(), &declared, owner.as_deref())?;
            self.no_longer_declared.extend(plan.no_longer_declared.iter().map(leftovers::line));
            let known = self.drift.len();
            self.add(&plan);
            self.owners.push(Owner { owner, run: record.id, drift: self.drift.len() - known });
            exit = exit.or_worse(Exit::of_verify(&plan));
        }
        Ok(exit)
    }

    fn add(&mut self, plan: &Plan) {
        let (reboot, drift): (Vec<&Change>, Vec<&Change>) =
            plan.changes.iter().partition(|it| it.waits_for_reboot());
        self.reboot.extend(together(reboot).iter().map(difference));
        self.drift.extend(together(drift).iter().map(difference));
        self.drift.extend(plan.deferred.iter().map(|it| format!("{}: {}", it.resource, it.reason)));
        self.drift.extend(plan.conflicts.iter().map(|it| format!("{}: {}", it.about, it.reason)));
        let is_refused = |it: &&Finding| it.verdict == Verdict::BootRefused;
        for it in plan.after_boot.iter().filter(is_refused) {
            if !self.refused.contains(&it.reason) {
                self.refused.push(it.reason.clone());
            }
        }
        self.reboot.dedup();
        self.drift.dedup();
        self.in_desired_state += plan.summary.in_desired_state;
    }
}

fn difference(setting: &Together<'_>) -> String {
    let (first, actual) = (setting.first(), setting.actual());
    if let Some(lacks) = actual.as_ref().filter(|_| setting.is_made_anew() && !first.waits_for_reboot()) {
        return format!("{}: {lacks}", first.about);
    }
    let value = |it: Option<String>| it.unwrap_or_else(|| "(absent)".to_owned());
    format!("{}: {} -> {}", first.about, value(actual), value(setting.desired()))
}

/// Returns the last run that stands and has declarations, whoever's they are.
///
/// # Errors
/// When there is none.
pub(crate) fn last_declared(target: &Target) -> Result<hoststate_core::record::RunRecord> {
    let runs = history::in_effect(&target.records()?, &HostView::new("/"))?;
    let none = || {
        EngineError::invalid("no recorded run is left whose declarations could be used", "Name a playbook.")
    };
    Ok(runs.into_iter().next().ok_or_else(none)?.record)
}
