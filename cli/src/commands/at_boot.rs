//! `hoststate converge --at-boot` and `--confirm-boot`: what is left for after the boot, and that boot.

use std::path::{Path, PathBuf};

use hoststate_abi::about::About;
use hoststate_abi::host_view::HostView;
use hoststate_core::host::Host;
use hoststate_core::language::registry::Declared;
use hoststate_core::machine::trust::require_own;
use hoststate_core::plan::planned::{Change, Plan, Reboot};
use hoststate_core::planner::Planner;
use hoststate_core::record::command::RunCommand;
use hoststate_core::record::lock::LockedHost;
use hoststate_core::run::apply::Agreed;
use hoststate_core::run::finish::{Finish, Finished};
use hoststate_core::trial::confirm;
use hoststate_core::trial::go_back::IfRefused;
use hoststate_core::trial::{self, AtBoot, RECORD};

use serde_json::Value;

use crate::args::{ActivateMode, ConvergeArguments, HostOptions};
use crate::commands::converge::{Converge, lock};
use crate::commands::plan::show;
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::journal;
use crate::playbook::Playbook;
use crate::plugins::without_playbook;
use crate::progress::Progress;
use crate::render::report::Goal;
use crate::render::shown::ShownRefusal;
use crate::saved;
use crate::session::Session;
use crate::target::{Target, root_of};

/// What is to be done now, and what after the boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    /// All that can be done now.
    Now,
    /// All that can be done now, and the rest after the boot.
    AlsoAtBoot,
    /// A boot is tried first.
    OnceConfirmed,
}

/// The declarations of a run of `converge`.
pub(crate) struct Wanted<'a> {
    /// Those of the playbook; behind them, that they are finished after the boot.
    declared: Vec<Declared>,
    /// How many are the playbook's.
    own: usize,
    owner: Option<String>,
    /// The boot that is tried, instead of them.
    trial: Vec<Declared>,
    saved: Option<Value>,
    when: When,
    accepted: &'a [String],
    if_refused: IfRefused,
    is_check: bool,
}

impl<'a> Wanted<'a> {
    /// Returns what a playbook wants.
    pub(crate) fn new(playbook: Playbook, arguments: &'a ConvergeArguments) -> Self {
        let when = match (arguments.at_boot, arguments.confirm_boot) {
            (true, _) => When::AlsoAtBoot,
            (_, true) => When::OnceConfirmed,
            (false, false) => When::Now,
        };
        let if_refused = if arguments.stay { IfRefused::Stay } else { IfRefused::GoBack };
        let is_check = arguments.check;
        Self { when, if_refused, is_check, ..Self::trial(playbook, &arguments.host) }
    }

    /// Returns what a playbook wants, to be shown as a boot that is tried.
    pub(crate) fn trial(playbook: Playbook, options: &'a HostOptions) -> Self {
        let Playbook { declared, owner, saved, .. } = playbook;
        let (own, accepted, trial) = (declared.len(), &options.accept[..], Vec::new());
        let (when, if_refused) = (When::OnceConfirmed, IfRefused::GoBack);
        Self { declared, own, owner, trial, saved, when, accepted, if_refused, is_check: true }
    }

    /// Returns what the plan was made of.
    pub(crate) fn declared(&self) -> &[Declared] {
        if self.trial.is_empty() { &self.declared } else { &self.trial }
    }

    /// Returns whose declarations they are.
    pub(crate) fn owner(&self) -> Option<&str> {
        self.owner.as_deref()
    }

    /// Returns whose what the plan was made of is: nobody owns a boot that is tried.
    pub(crate) fn planned_owner(&self) -> Option<&str> {
        self.owner.as_deref().filter(|_| self.trial.is_empty())
    }

    /// Returns the command, as the record has it.
    pub(crate) fn command(&self) -> RunCommand {
        match self.when {
            When::Now => RunCommand::Converge,
            When::AlsoAtBoot => RunCommand::ConvergeAtBoot,
            When::OnceConfirmed => RunCommand::ConfirmBoot,
        }
    }

    /// Returns whether a saved plan wants it.
    pub(crate) fn is_saved(&self) -> bool {
        self.saved.is_some()
    }

    /// Returns whether nothing is left for after the boot: then the plan depends on what was read, and nothing else.
    pub(crate) fn is_for_now(&self) -> bool {
        self.when == When::Now
    }

    /// Plans for the host in `view`, as it is now.
    ///
    /// # Errors
    /// When the host cannot be read, the saved plan differs, no boot can be tried, or something else is left for after
    /// the boot.
    pub(crate) fn plan(&mut self, target: &Target, view: &mut HostView) -> Result<Plan> {
        self.declared.truncate(self.own);
        self.trial.clear();
        if !self.is_check {
            self.refuse_other_pending(view)?;
        }
        let plan = target.plan_in(view, &self.declared, self.owner())?;
        if let Some(saved) = &self.saved {
            saved::compare(saved, &plan)?;
        }
        let is_refused = plan.refusals().next().is_some() || !plan.conflicts.is_empty();
        match self.when {
            When::AlsoAtBoot if !is_refused && (plan.reboot.required || !plan.deferred.is_empty()) => {
                let enabled =
                    trial::declared(&target.host.view(), self.record(target)?, &self.program(target)?)?;
                self.declared.push(enabled);
                target.plan_in(&mut target.host.view(), &self.declared, self.owner())
            }
            When::OnceConfirmed if !is_refused => self.plan_trial(target, plan),
            When::Now | When::AlsoAtBoot | When::OnceConfirmed => Ok(plan),
        }
    }

    fn plan_trial(&mut self, target: &Target, later: Plan) -> Result<Plan> {
        let (view, record) = (target.host.view(), self.record(target)?);
        let program = self.program(target)?;
        let trial =
            confirm::declared(&view, &target.distro, &self.declared, record, &program, self.if_refused)?;
        let Some(trial) = trial else {
            if !later.has_work() {
                return Ok(later);
            }
            let what = "the default boot entry already has every parameter that the playbook wants, so there \
                        is no boot to try";
            return Err(Error::input(what, "Converge without --confirm-boot."));
        };
        self.trial.push(trial);
        let mut plan = target.plan(&self.trial)?;
        // What the trial leads to is consented to now, its warnings included.
        for hazard in &later.guards {
            if !plan.guards.iter().any(|it| it.id == hazard.id) {
                plan.guards.push(hazard.clone());
            }
        }
        plan.once_confirmed = Some(Box::new(after_the_trial(later)));
        Ok(plan)
    }

    fn record(&self, target: &Target) -> Result<AtBoot> {
        let declared = &self.declared[..self.own];
        without_playbook(declared, &target.registry)?;
        Ok(AtBoot::new(target.past().boot_id.map(str::to_owned), declared, self.accepted))
    }

    /// Returns the program that the unit will start: this one, or what a package would bring into a tree.
    fn program(&self, target: &Target) -> Result<PathBuf> {
        if target.host.view().root() != Path::new("/") {
            return Ok(trial::SHIPPED_PROGRAM.into());
        }
        let program = std::env::current_exe().map_err(|err| Error::io("the path of this program", err))?;
        if !self.is_check {
            require_own(&program)?;
        }
        Ok(program)
    }

    /// What is left for after the boot would undo this run, or be undone by it.
    fn refuse_other_pending(&self, view: &HostView) -> Result<()> {
        let Some(pending) = trial::pending(view)? else { return Ok(()) };
        let is_same = self.declared.iter().map(|it| &it.declaration).eq(&pending.declarations);
        let (what, hint) = match (&pending.trial, self.when) {
            (Some(_), When::OnceConfirmed) if is_same => return Ok(()),
            (None, When::AlsoAtBoot) => return Ok(()),
            (None, When::Now) if is_same => return Ok(()),
            (Some(_), _) if pending.begun.is_some() => (
                "what was left to finish after a boot was begun and not finished",
                "Run `hoststate converge --at-boot` to clean up after it, then converge again.",
            ),
            (Some(_), _) => (
                "a boot is waiting to be tried, and until then nothing else is changed",
                "Reboot to try it; `hoststate history` names the run and `hoststate rollback` takes it back.",
            ),
            (None, _) => (
                "other declarations are to be finished after the next boot, and would undo these",
                "Converge with --at-boot to finish these instead; `hoststate rollback` takes the other run back.",
            ),
        };
        Err(Error::input(format!("{what} ({RECORD})"), hint))
    }
}

/// Returns what is left of a plan when the kernel parameters that it waits for are there.
fn after_the_trial(mut plan: Plan) -> Plan {
    let is_there = |it: &Change| it.waits_for_reboot() && it.about == About::RunningParameters;
    let (there, left): (Vec<Change>, Vec<Change>) = plan.changes.into_iter().partition(is_there);
    plan.changes = left;
    if !there.is_empty() {
        plan.summary.only_reboot = plan.summary.only_reboot.saturating_sub(1);
        plan.reboot = Reboot::of(&plan.changes, &plan.deferred);
    }
    plan
}

/// Refuses what has no meaning together.
///
/// # Errors
/// When the host is not this machine, or its tools are not to be run.
pub(crate) fn check_options(arguments: &ConvergeArguments) -> Result<()> {
    let option = match (arguments.at_boot, arguments.confirm_boot) {
        (true, _) => "--at-boot",
        (_, true) => "--confirm-boot",
        (false, false) => return Ok(()),
    };
    if arguments.check && arguments.playbook.is_some() {
        return Ok(());
    }
    if root_of(&arguments.host)? != Path::new("/") {
        let hint = "Run it on the machine itself; with --check it shows what it would do there.";
        return Err(Error::input(
            format!("{option} is about the next boot of this machine, not of a tree"),
            hint,
        ));
    }
    if arguments.host.activate == ActivateMode::Skip {
        let what = format!(
            "{option} cannot leave the distribution's tools to you: it runs by itself after \
                            the boot"
        );
        return Err(Error::input(what, "Leave out --activate skip."));
    }
    Ok(())
}

/// Finishes what was left for this boot.
///
/// # Errors
/// When the record cannot be trusted or read, or another run has the lock.
pub(crate) fn finish(arguments: &ConvergeArguments, session: &Session) -> Result<Exit> {
    check_options(arguments)?;
    let target = Target::open(&arguments.host)?;
    let Some(record) = trial::pending(&target.host.view())? else {
        session.print("Nothing was left to do after a boot.\n")?;
        return Ok(Exit::Success);
    };
    require_own(Path::new(RECORD))?;
    let boot_id = target.past().boot_id.map(str::to_owned);
    let declared = target.registry.decode_all(record.declarations.clone())?;
    let accepted = record.accepted.clone();
    // The run that left it says whose it is.
    let left_by = target.past().newest(|it| it.left_to_a_boot().is_some())?;
    let owner = left_by.and_then(|it| it.owner().map(str::to_owned));
    let planner = Planner { accepted: &accepted, ..target.planner(&declared, owner.as_deref()) };
    if arguments.check {
        let plan = planner.plan(&mut target.host.view()).map_err(|err| Error::planning(err, &declared))?;
        show(&plan, &target, session)?;
        return Ok(Exit::of_plan(&plan, target.detail));
    }
    if record.boot_id == boot_id {
        session.print("The host has not been rebooted yet: what is left waits for the next boot.\n")?;
        return Ok(Exit::Success);
    }
    let lock = lock(&target, &RunCommand::ConvergeAtBoot.to_string())?;
    let mut recorder = target.recorder(RunCommand::AtBoot, None, owner.as_deref())?;
    let interrupt = session.interrupt()?;
    let mut watcher = Progress::from_the_start(session, target.activate, interrupt);
    let (recorder, watcher) = (&mut recorder, &mut watcher);
    let host = LockedHost { host: &target.host, lock: &lock };
    let finish = Finish { planner, host: &host, record, boot_id, recorder, watcher };
    let Finished { mut report, is_refused } = finish.run().map_err(|err| Error::planning(err, &declared))?;
    lock.end();
    if is_refused {
        // Nothing was made permanent: there is nothing to undo. The verdict is in the history.
        report.run = None;
        report.changed = false;
        if target.is_machine() {
            journal::refused();
        }
        session.show(&ShownRefusal(&report))?;
        // The unit has done what it is for, and shall not stand among those that failed.
        return Ok(Exit::Success);
    }
    let (owner, agreed) = (owner.as_deref(), Agreed::Declarations);
    Converge { target: &target, declared: &declared, owner, agreed, session }
        .finish(&report, Goal::DesiredState)
}
