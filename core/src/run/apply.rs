//! Carrying out a plan in rounds, each read back from the host, until nothing is left that may be done.

use std::collections::HashSet;
use std::path::Path;
use std::time::Instant;

use hoststate_abi::activation::Activation;
use hoststate_abi::host_view::HostView;
use hoststate_abi::setting::Scope;
use hoststate_abi::step::Step;

use crate::error::{Error, Result};
use crate::host::Host;
use crate::language::declaration::Origin;
use crate::machine::pci_bus;
use crate::plan::planned::{Change, Plan, PlannedActivation};
use crate::planner::{Planner, Runtime};
use crate::record::recorder::Recorder;
use crate::record::report::{Report, StepReport, StepStatus};
use crate::run::restore_driver;

mod boot_menu;
mod ending;
mod remembering;

use remembering::Remembering;

/// A playbook whose devices come and go would never end; no real one needs more than three rounds.
const MAX_ROUNDS: usize = 8;

/// Who watches a run: shows it, and may stop it.
pub trait Watcher {
    /// Is shown the plan of a round before it is carried out.
    fn round(&mut self, plan: &Plan);
    /// A step begins.
    fn begin(&mut self, what: &str);
    /// That step ended.
    fn end(&mut self, step: &StepReport);
    /// Returns whether the user wants the run to stop after the current step.
    fn interrupted(&self) -> bool;
}

/// Whether the distribution's tools are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activate {
    /// They are run on the host.
    Run,
    /// They are named and left to the user.
    Skip,
}

/// What was agreed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agreed {
    /// The first plan, and what it says it waits for. A later round that brings anything else is not begun.
    Plan,
    /// Whatever the declarations ask for.
    Declarations,
}

/// Why a run stopped before its end.
enum Stop {
    Failed { err: Error, at: Option<Box<Origin>> },
    Interrupted,
}

impl Stop {
    fn failed(err: Error) -> Self {
        Self::Failed { err, at: None }
    }

    /// Says which line of the playbook asked for what failed.
    fn of(self, change: &Change) -> Self {
        match self {
            Self::Failed { err, at: None } => Self::Failed { err, at: change.playbook.clone().map(Box::new) },
            other => other,
        }
    }
}

/// A run that is under way.
pub struct Run<'a> {
    /// What the plans are made from.
    pub planner: Planner<'a>,
    /// What is changed.
    pub host: &'a dyn Host,
    /// Whether the distribution's tools are run.
    pub activate: Activate,
    /// What was agreed to.
    pub agreed: Agreed,
    /// Keeps the previous text of every file.
    pub recorder: &'a mut Recorder,
    /// Who watches.
    pub watcher: &'a mut dyn Watcher,
}

impl Run<'_> {
    /// Carries out `first`, which was just made from the host, and what becomes possible through it.
    ///
    /// Whatever happens on the way, the report names what was done: a failed step, a host that cannot be read again
    /// and a record that cannot be written are reported, not returned.
    pub fn converge(mut self, first: Plan) -> Report {
        let mut steps = Vec::new();
        let mut plan = first.clone();
        let mut stop = None;
        let mut given_back = Vec::new();
        let mut memory = self.remembering(&first);
        for round in 0.. {
            if !is_actionable(&plan, self.activate) {
                break;
            }
            if round == MAX_ROUNDS {
                let what = format!("the host still changes after {MAX_ROUNDS} rounds");
                stop = Some(Stop::failed(Error::Invalid { what, hint: None }));
                break;
            }
            if self.agreed == Agreed::Plan {
                let beyond = plan.beyond(&first, |it| can_remedy(it, self.activate));
                if !beyond.is_empty() {
                    stop = Some(Stop::failed(not_agreed(&beyond)));
                    break;
                }
            }
            if let Err(why) = self.round(&plan, &mut memory, &mut steps) {
                stop = Some(why);
                given_back = self.restore_driver(&plan, stop.as_ref(), &mut steps);
                // A host that cannot be read now was not changed into the plan: that stays what is left.
                if let Ok(after) = self.planner.plan(&mut self.host.view()) {
                    plan = after;
                }
                break;
            }
            match self.read_back(&plan) {
                Ok((after, ineffective)) => {
                    let done = std::mem::replace(&mut plan, after);
                    if let Some(change) = ineffective {
                        // Who is asked to stop does not wait until a driver has its device.
                        stop = Some(match self.watcher.interrupted() {
                            true => Stop::Interrupted,
                            false => Stop::failed(no_effect(&change)).of(&change),
                        });
                        given_back = self.restore_driver(&done, stop.as_ref(), &mut steps);
                        if let (false, Ok(after)) =
                            (given_back.is_empty(), self.planner.plan(&mut self.host.view()))
                        {
                            plan = after;
                        }
                        break;
                    }
                }
                Err(err) => {
                    stop = Some(Stop::failed(err));
                    break;
                }
            }
        }
        self.report(first, plan, steps, stop, given_back, memory)
    }

    /// Gives the devices that `done` left without a driver back to those they had, and says what came of it.
    fn restore_driver(
        &mut self,
        done: &Plan,
        stop: Option<&Stop>,
        steps: &mut Vec<StepReport>,
    ) -> Vec<String> {
        let driverless = match restore_driver::driverless(done, &self.host.view()) {
            Ok(driverless) => driverless,
            Err(err) => return vec![format!("whether every device has a driver cannot be read: {err}")],
        };
        let mut outcomes = Vec::new();
        for it in driverless {
            if let Some(Stop::Failed { err, .. }) = stop
                && it.is_being_taken(err)
            {
                outcomes.push(it.in_between());
                continue;
            }
            // Even when the user wants to stop: what was taken away in the middle of a change is put back first.
            let result = it.steps.iter().try_for_each(|step| self.perform(step, steps));
            let device = pci_bus::device(&self.host.view(), it.address);
            outcomes.push(match (result, device) {
                (Ok(()), Ok(device)) => it.outcome(device.and_then(|it| it.driver).as_deref()),
                (Err(err), _) | (_, Err(err)) => format!("{} Giving it back failed: {err}", it.outcome(None)),
            });
        }
        outcomes
    }

    /// Plans again until every change of the round is gone or time is up. Returns a change that stayed.
    fn read_back(&self, done: &Plan) -> Result<(Plan, Option<Change>)> {
        let done: HashSet<_> = done.changes.iter().map(Change::setting).collect();
        for attempt in 0.. {
            let plan = self.planner.plan(&mut self.host.view())?;
            let stayed =
                plan.changes.iter().find(|it| can_remedy(it, self.activate) && done.contains(&it.setting()));
            let defers = !plan.deferred.is_empty() && self.planner.runtime == Runtime::Now;
            let waits = stayed.is_some_and(|it| it.scope == Scope::Runtime) || defers;
            let stayed = stayed.cloned();
            if !waits || self.watcher.interrupted() || !self.host.wait_for_devices(attempt) {
                return Ok((plan, stayed));
            }
        }
        unreachable!("the loop above ends when the host stops settling")
    }

    fn round(
        &mut self,
        plan: &Plan,
        memory: &mut Remembering,
        steps: &mut Vec<StepReport>,
    ) -> Result<(), Stop> {
        self.watcher.round(plan);
        self.recorder.begin(plan, self.host).map_err(Stop::failed)?;
        self.remember_first(memory);
        let done = self.persistent(plan, steps);
        // Tools read what is on the disk, and what a cut run says it did must be there.
        let synced = self.host.sync().map_err(Stop::failed);
        done.and(synced)?;
        let activated = self.activate(&plan.activations, steps);
        // Tools write their results and do not wait for the disk.
        let synced = self.host.sync().map_err(Stop::failed);
        activated.and(synced)?;
        for change in plan.changes.iter().filter(|it| it.scope == Scope::Runtime) {
            for step in &change.steps {
                self.step(step, steps).map_err(|it| it.of(change))?;
            }
        }
        Ok(())
    }

    /// Performs the steps of all persistent settings. A file that several declarations edit is written once, with all
    /// their edits in it.
    fn persistent(&mut self, plan: &Plan, steps: &mut Vec<StepReport>) -> Result<(), Stop> {
        let texts = plan.texts();
        let mut view = self.host.view();
        let mut seen = HashSet::new();
        for step in plan.changes.iter().filter(|it| it.scope == Scope::Persistent).flat_map(|it| &it.steps) {
            let Some(named) = step.file() else {
                self.host.sync().map_err(Stop::failed)?;
                self.step(step, steps)?;
                // It may have changed the links on the way to the files.
                view = self.host.view();
                continue;
            };
            let path = view.resolve(named).map_err(|err| Stop::failed(err.into()))?;
            if !seen.insert(path.clone().into_os_string()) {
                continue;
            }
            unchanged(&view, named, &path, plan).map_err(Stop::failed)?;
            let step = match texts.get(&path) {
                Some(Some(text)) => Step::WriteFile { path, text: text.clone() },
                Some(None) => Step::RemoveFile { path },
                None => continue,
            };
            self.step(&step, steps)?;
        }
        Ok(())
    }

    /// Runs the activations. When the image of one kernel fails, those of the others are still made, but nothing
    /// after them is done: new boot entries must not meet old images.
    fn activate(
        &mut self,
        activations: &[PlannedActivation],
        steps: &mut Vec<StepReport>,
    ) -> Result<(), Stop> {
        let mut failed: Option<Stop> = None;
        for PlannedActivation { activation, argv, .. } in activations {
            let run = Step::Run { argv: argv.clone() };
            let skip = |reason: &str| StepReport {
                what: run.to_string(),
                status: StepStatus::Skipped,
                seconds: 0.0,
                argv: Some(argv.clone()),
                exit_status: None,
                stderr: None,
                reason: Some(reason.to_owned()),
            };
            if self.activate == Activate::Skip {
                steps.push(skip("activation is left to you"));
            } else if failed.is_some() && !matches!(activation, Activation::Initramfs { .. }) {
                steps.push(skip("a step before it failed"));
            } else if let Err(why) = self.tool(activation, argv, steps) {
                match why {
                    Stop::Failed { .. } if matches!(activation, Activation::Initramfs { .. }) => {
                        failed = failed.or(Some(why));
                    }
                    _ => return Err(why),
                }
            }
        }
        failed.map_or(Ok(()), Err)
    }

    fn step(&mut self, step: &Step, steps: &mut Vec<StepReport>) -> Result<(), Stop> {
        if self.watcher.interrupted() {
            return Err(Stop::Interrupted);
        }
        self.perform(step, steps).map_err(Stop::failed)
    }

    fn perform(&mut self, step: &Step, steps: &mut Vec<StepReport>) -> Result<()> {
        let what = step.to_string();
        self.watcher.begin(&what);
        let start = Instant::now();
        let result = self.host.perform(step);
        let (argv, is_tool) = match step {
            Step::Run { argv } => (Some(argv.clone()), true),
            _ => (None, false),
        };
        let mut report = StepReport {
            what,
            status: StepStatus::Done,
            seconds: start.elapsed().as_secs_f64(),
            argv,
            exit_status: None,
            stderr: None,
            reason: None,
        };
        let outcome = match result {
            Ok(done) => {
                report.exit_status = done.status;
                report.stderr = is_tool.then_some(done.stderr);
                Ok(())
            }
            Err(err) => {
                report.status = StepStatus::Failed;
                if let Error::Tool { code, stderr, .. } = &err {
                    report.exit_status = *code;
                    report.stderr = Some(stderr.clone());
                }
                report.reason = Some(err.to_string());
                Err(err)
            }
        };
        self.watcher.end(&report);
        steps.push(report);
        outcome
    }
}

/// Returns whether there is something in `plan` that a run may do.
pub fn is_actionable(plan: &Plan, activate: Activate) -> bool {
    plan.conflicts.is_empty()
        && plan.refusals().next().is_none()
        && plan.changes.iter().any(|it| can_remedy(it, activate))
}

fn can_remedy(change: &Change, activate: Activate) -> bool {
    match &change.activation {
        None => true,
        Some(Activation::Reboot) => false,
        Some(_) => activate == Activate::Run,
    }
}

/// Makes sure that a file of the plan lies at `path`, where it lay when the plan was shown, and has the text the plan
/// began with.
fn unchanged(view: &HostView, named: &Path, path: &Path, plan: &Plan) -> Result<()> {
    match plan.files.iter().find(|it| it.path == path) {
        None if path != named => Err(Error::invalid(
            format!("{}: leads to {} now, which is not in the plan", named.display(), path.display()),
            "Find out who made that link; a new plan shows where it leads.",
        )),
        Some(known) if view.read(path)? != known.before => Err(Error::invalid(
            format!("{}: changed while this run had it in its plan", path.display()),
            "Run again: a new plan begins with what the file holds now.",
        )),
        Some(_) | None => Ok(()),
    }
}

/// The host asks for more than anybody was shown.
fn not_agreed(beyond: &[String]) -> Error {
    let what = format!(
        "the plan that was agreed to does not include what is to be done next: {}",
        beyond.join("; ")
    );
    Error::invalid(what, "Run again: the new plan shows it, and asks.")
}

/// The steps succeeded, and the host is as it was.
fn no_effect(change: &Change) -> Error {
    let wanted = change.desired.as_deref().unwrap_or("(nothing)");
    let found = change.actual.as_deref().unwrap_or("(nothing)");
    let what =
        format!("{}: every step succeeded, but {} is {found}, not {wanted}", change.resource, change.about);
    let hint = restore_driver::hint(change).unwrap_or_else(|| {
        "Something undoes the change or ignores it; the steps above show what ran.".to_owned()
    });
    Error::Invalid { what, hint: Some(hint) }
}
