//! `hoststate converge`: the plan shown, consented to, carried out, and the host read again.

use std::path::PathBuf;

use hoststate_core::host::Host;
use hoststate_core::host::returning::ReturningHost;
use hoststate_core::language::registry::Declared;
use hoststate_core::plan::planned::Plan;
use hoststate_core::record::lock::{Lock, LockedHost};
use hoststate_core::record::recorder::Recorder;
use hoststate_core::record::report::{Outcome, Report};
use hoststate_core::run::apply::{Agreed, Run, is_actionable};
use hoststate_core::run::owning;

use crate::args::ConvergeArguments;
use crate::commands::at_boot::{self, Wanted};
use crate::commands::consented::{Consent, Leave, host_name};
use crate::commands::plan::{self, show};
use crate::error::Result;
use crate::exit::Exit;
use crate::journal;
use crate::progress::Progress;
use crate::render::amount::amount;
use crate::render::escape::visible_line;
use crate::render::report::Goal;
use crate::render::shown::ShownReport;
use crate::session::{Session, say};
use crate::signals::Interrupt;
use crate::target::Target;

/// Runs the command.
///
/// # Errors
/// When the playbook or the host cannot be read, a saved plan differs, or another run has the lock.
pub(crate) fn run(arguments: &ConvergeArguments, session: &Session) -> Result<Exit> {
    let Some(path) = &arguments.playbook else { return at_boot::finish(arguments, session) };
    at_boot::check_options(arguments)?;
    let mut target = Target::open(&arguments.host)?;
    let playbook = match arguments.check {
        true => target.playbook(path)?,
        false => target.playbook_to_obey(path)?,
    };
    let playbook = target.owned(playbook, &arguments.owned)?;
    let name = format!("converge {}", playbook.name);
    let mut wanted = Wanted::new(playbook, arguments);
    let mut view = target.host.view().remembering();
    let mut plan = wanted.plan(&target, &mut view)?;
    if arguments.check {
        show(&plan, &target, session)?;
        return Ok(Exit::of_plan(&plan, target.detail));
    }
    // Where the plan is refused nothing is cleared up either: the disk may be read-only since the last run failed.
    if plan.refusals().next().is_none() && target.records()?.is_left_behind()? {
        lock(&target, &name)?.end();
        view = target.host.view().remembering();
        plan = wanted.plan(&target, &mut view)?;
    }
    let recorder = target.recorder(wanted.command(), Some(path), wanted.owner())?;
    // Who reviewed a plan, or was shown one and asked, agreed to that plan; who says yes beforehand, to what the
    // playbook asks for.
    let agreed = match arguments.yes && !wanted.is_saved() {
        true => Agreed::Declarations,
        false => Agreed::Plan,
    };
    let owner = wanted.planned_owner();
    let converge = Converge { target: &target, declared: wanted.declared(), owner, agreed, session };
    if !is_actionable(&plan, target.activate) {
        // What was in place before is remembered as well, which is the only thing written then. That it cannot be is no
        // failure: the host is as wanted.
        let (lock, trouble) = match converge.has_news(&plan)?.then(|| lock(&target, &name)).transpose() {
            Ok(lock) => (lock, None),
            Err(err) => (None, Some(format!("what is declared cannot be remembered: {err}"))),
        };
        let converge = Converge { owner: owner.filter(|_| trouble.is_none()), ..converge };
        let mut report = converge.nothing_to_do(plan, recorder)?;
        report.not_remembered = trouble.or(report.not_remembered);
        lock.into_iter().for_each(Lock::end);
        return converge.finish(&report, Goal::DesiredState);
    }
    let interrupt = session.interrupt()?;
    let consent =
        Consent { target: &target, session, is_given: arguments.yes, interrupt: &interrupt, command: &name };
    // A plan depends on nothing but the declarations and what was read, so it is made again only if something reads
    // differently now.
    let again = || {
        if wanted.is_for_now() && view.is_still_true() {
            return Ok(None);
        }
        view = target.host.view().remembering();
        wanted.plan(&target, &mut view).map(Some)
    };
    let leave = consent.obtain(plan, |plan| question(plan, &target), again)?;
    let owner = wanted.planned_owner();
    let converge = Converge { target: &target, declared: wanted.declared(), owner, agreed, session };
    let report = match leave {
        Leave::Given(plan, lock) => converge.carry_out(*plan, recorder, interrupt, lock),
        Leave::Nothing(plan) => converge.nothing_to_do(*plan, recorder)?,
        Leave::Not(report) => *report,
    };
    converge.finish(&report, Goal::DesiredState)
}

/// Returns what the user is asked: which host, and what would be done to it.
fn question(plan: &Plan, target: &Target) -> String {
    let (host, amount) = (host_name(target), amount(plan, target.activate));
    match plan.once_confirmed {
        Some(_) => format!("Try this in the next boot of {host}: {amount}?"),
        None => format!("Change {host}: {amount}?"),
    }
}

/// Takes the lock, and clears up behind a run that did not end well.
///
/// # Errors
/// When another run has it, or what is left cannot be removed.
pub(crate) fn lock(target: &Target, command: &str) -> Result<Lock> {
    let records = target.records()?;
    let is_left_behind = records.is_left_behind()?;
    let lock = records.lock(command)?;
    if is_left_behind {
        records.clear()?;
        let files = records.files_left_behind()?;
        for path in target.host.mend(files.iter().map(PathBuf::as_path))? {
            let path = path.display().to_string();
            say(format_args!("Cleaned up after the last run: {}\n", visible_line(&path)));
        }
    }
    Ok(lock)
}

/// What a run of `converge` or `rollback` needs besides its plan.
pub(crate) struct Converge<'a> {
    /// The host.
    pub(crate) target: &'a Target,
    /// What is planned again after each round.
    pub(crate) declared: &'a [Declared],
    /// Whose that is.
    pub(crate) owner: Option<&'a str>,
    /// What was agreed to.
    pub(crate) agreed: Agreed,
    /// Where it is shown.
    pub(crate) session: &'a Session,
}

impl Converge<'_> {
    /// Carries out `plan`, which was consented to, under the lock. What goes wrong is in the report.
    pub(crate) fn carry_out(
        &self,
        plan: Plan,
        mut recorder: Recorder,
        interrupt: Interrupt,
        lock: Lock,
    ) -> Report {
        let mut progress = Progress::new(self.session, self.target.activate, interrupt);
        let host = LockedHost { host: &self.target.host, lock: &lock };
        let host = ReturningHost::new(&host, &plan);
        let report = Run { host: &host, ..self.run(&mut recorder, &mut progress) }.converge(plan);
        if !report.outcome.is_unfinished() {
            lock.end();
        }
        report
    }

    /// Returns whether a run that has nothing to do remembers something. Who may not write to the machine owns nothing.
    fn has_news(&self, plan: &Plan) -> Result<bool> {
        let is_refused = plan.refusals().next().is_some() || !plan.conflicts.is_empty();
        if is_refused || (self.target.is_machine() && !rustix::process::geteuid().is_root()) {
            return Ok(false);
        }
        Ok(owning::has_news(&self.target.planner(self.declared, self.owner), plan, &self.target.host.view())?)
    }

    /// Shows a plan of which nothing can be done now, and returns its report; nothing is written anywhere.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub(crate) fn nothing_to_do(&self, plan: Plan, mut recorder: Recorder) -> Result<Report> {
        let has_something_to_say = !plan.in_desired_state() || !plan.guards.is_empty();
        if has_something_to_say {
            plan::tell(&plan, self.target, self.session)?;
        }
        let mut progress = Progress::new(self.session, self.target.activate, Interrupt::never());
        Ok(self.run(&mut recorder, &mut progress).converge(plan))
    }

    /// Prints a report. Returns the exit status that says the same.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub(crate) fn finish(&self, report: &Report, goal: Goal) -> Result<Exit> {
        if let (Outcome::Declined, Some(why)) = (report.outcome, &report.error) {
            self.session.say_failure(why);
        }
        if self.target.is_machine() {
            journal::ended(report, self.owner);
        }
        self.session.show(&ShownReport { report, goal })?;
        Ok(Exit::of_report(report, self.target.detail))
    }

    fn run<'a>(&'a self, recorder: &'a mut Recorder, progress: &'a mut Progress<'_>) -> Run<'a> {
        let (planner, host) = (self.target.planner(self.declared, self.owner), &self.target.host);
        let (activate, agreed) = (self.target.activate, self.agreed);
        Run { planner, host, activate, agreed, recorder, watcher: progress }
    }
}
