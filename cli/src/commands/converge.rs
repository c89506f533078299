//! `hoststate converge`: the plan shown, consented to, carried out, and the host read again.

use std::path::PathBuf;

use hoststate_core::apply::Run;
use hoststate_core::host::Host;
use hoststate_core::host::returning::ReturningHost;
use hoststate_core::plan::Plan;
use hoststate_core::record::Recorder;
use hoststate_core::record::lock::{Lock, LockedHost};
use hoststate_core::registry::Declared;
use hoststate_core::report::Report;

use crate::args::{ConvergeArguments, Format};
use crate::commands::at_boot::{self, Wanted};
use crate::commands::plan::show;
use crate::consent::{Answer, ask, can_ask};
use crate::error::Result;
use crate::exit::Exit;
use crate::progress::Progress;
use crate::render;
use crate::render::escape::visible_line;
use crate::render::report::Goal;
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
    let target = Target::open(&arguments.host)?;
    let playbook = match arguments.check {
        true => target.playbook(path)?,
        false => target.playbook_to_obey(path)?,
    };
    let name = format!("converge {}", playbook.name);
    let mut wanted = Wanted::new(playbook, arguments);
    let mut view = target.host.view().remembering();
    let mut plan = wanted.plan(&target, &mut view)?;
    if arguments.check {
        show(&plan, &target, session)?;
        return Ok(Exit::of_plan(&plan, target.detail));
    }
    let mut taken = None;
    if target.records()?.is_left_behind()? {
        taken = Some(lock(&target, &name)?);
        view = target.host.view().remembering();
        plan = wanted.plan(&target, &mut view)?;
    }
    let mut recorder = target.recorder(wanted.command())?;
    let converge = Converge { target: &target, declared: wanted.declared(), session };
    if !converge.is_actionable(&plan, &mut recorder) {
        let report = converge.nothing_to_do(plan, recorder)?;
        if let Some(lock) = taken {
            lock.end();
        }
        return converge.finish(&report, Goal::DesiredState);
    }
    // From here on no other run can change the host under the plan that is shown. A plan depends on nothing but the
    // declarations and what was read, so it is made again only if something reads differently now.
    let lock = match taken {
        Some(lock) => lock,
        None => lock(&target, &name)?,
    };
    if !(wanted.is_for_now() && view.is_still_true()) {
        plan = wanted.plan(&target, &mut target.host.view())?;
    }
    let converge = Converge { target: &target, declared: wanted.declared(), session };
    let question = (!arguments.yes).then(|| wanted.question());
    match converge.carry_out(plan, recorder, question, lock)? {
        Carried::Out(report) => converge.finish(&report, Goal::DesiredState),
        Carried::Not(exit) => Ok(exit),
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
        let files = records.files_left_behind()?;
        for path in target.host.mend(files.iter().map(PathBuf::as_path))? {
            let path = path.display().to_string();
            say(format_args!("Cleared up behind the last run: {}\n", visible_line(&path)));
        }
    }
    Ok(lock)
}

/// Whether a plan was carried out.
pub(crate) enum Carried {
    /// It was, and this is what happened.
    Out(Box<Report>),
    /// It was not confirmed.
    Not(Exit),
}

/// What a run of `converge` or `rollback` needs besides its plan.
pub(crate) struct Converge<'a> {
    /// The host.
    pub(crate) target: &'a Target,
    /// What is planned again after each round.
    pub(crate) declared: &'a [Declared],
    /// Where it is shown.
    pub(crate) session: &'a Session,
}

impl Converge<'_> {
    /// Shows `plan`, asks `question` where there is somebody to answer, and carries it out under the lock.
    ///
    /// # Errors
    /// When the signals cannot be watched or the terminal fails; what goes wrong on the host is in the report.
    pub(crate) fn carry_out(
        &self,
        plan: Plan,
        mut recorder: Recorder,
        question: Option<&str>,
        lock: Lock,
    ) -> Result<Carried> {
        let interrupt = self.session.interrupt()?;
        if self.session.format == Format::Text {
            show(&plan, self.target, self.session)?;
            if let Some(question) = question.filter(|_| can_ask()) {
                match ask(self.session, question, &interrupt)? {
                    Answer::Yes => {}
                    Answer::No => {
                        lock.end();
                        self.session.print("Nothing was changed.\n")?;
                        return Ok(Carried::Not(Exit::Error));
                    }
                    Answer::Interrupted => {
                        lock.end();
                        return Ok(Carried::Not(Exit::Interrupted));
                    }
                }
            }
        }
        let mut progress = Progress::new(self.session, self.target.activate, interrupt);
        let host = LockedHost { host: &self.target.host, lock: &lock };
        let host = ReturningHost::new(&host, &plan);
        let report = Run { host: &host, ..self.run(&mut recorder, &mut progress) }.converge(plan);
        if !report.outcome.is_unfinished() {
            lock.end();
        }
        Ok(Carried::Out(Box::new(report)))
    }

    /// Shows a plan of which nothing can be done now, and returns its report; nothing is written anywhere.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub(crate) fn nothing_to_do(&self, plan: Plan, mut recorder: Recorder) -> Result<Report> {
        let has_something_to_say = !plan.in_desired_state() || !plan.guards.is_empty();
        if self.session.format == Format::Text && has_something_to_say {
            show(&plan, self.target, self.session)?;
        }
        let mut progress = Progress::new(self.session, self.target.activate, Interrupt::never());
        Ok(self.run(&mut recorder, &mut progress).converge(plan))
    }

    /// Prints a report. Returns the exit status that says the same.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub(crate) fn finish(&self, report: &Report, goal: Goal) -> Result<Exit> {
        match self.session.format {
            Format::Json => self.session.print_json(report)?,
            Format::Text => self.session.print(&render::report::text(&self.session.screen, report, goal))?,
        }
        Ok(Exit::of_report(report, self.target.detail))
    }

    fn is_actionable(&self, plan: &Plan, recorder: &mut Recorder) -> bool {
        let mut progress = Progress::new(self.session, self.target.activate, Interrupt::never());
        self.run(recorder, &mut progress).is_actionable(plan)
    }

    fn run<'a>(&'a self, recorder: &'a mut Recorder, progress: &'a mut Progress<'_>) -> Run<'a> {
        let (planner, host) = (self.target.planner(self.declared), &self.target.host);
        Run { planner, host, activate: self.target.activate, recorder, watcher: progress }
    }
}
