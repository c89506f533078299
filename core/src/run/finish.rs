//! What happens after the boot: the tried boot is judged, the host converged to what was recorded, and all of it
//! taken away again, whatever came of it.

use std::path::Path;
use std::time::Instant;

use hoststate_abi::host_view::HostView;
use hoststate_abi::step::Step;

use crate::error::{Error, Result};
use crate::formats::kernel_cmdline::{Cmdline, CmdlineEdit};
use crate::host::Host;
use crate::plan::planned::Plan;
use crate::planner::Planner;
use crate::record::recorder::Recorder;
use crate::record::refused_boot::RefusedBoot;
use crate::record::report::{Failure, Outcome, Report, StepReport, StepStatus};
use crate::run::apply::{Activate, Agreed, Run, Watcher};
use crate::trial::confirm::{TrialRecord, edits};
use crate::trial::{self, AtBoot, RECORD, go_back};

/// Finishes what was recorded, in the boot after.
pub struct Finish<'a> {
    /// The declarations of the record, decoded.
    pub planner: Planner<'a>,
    /// The host.
    pub host: &'a dyn Host,
    /// What was recorded.
    pub record: AtBoot,
    /// Boot id of the kernel that runs.
    pub boot_id: Option<String>,
    /// Keeps the verdict.
    pub recorder: &'a mut Recorder,
    /// Who watches.
    pub watcher: &'a mut dyn Watcher,
}

/// What a boot led to.
#[derive(Debug)]
pub struct Finished {
    /// What was done.
    pub report: Report,
    /// Whether a boot was tried and nothing was made permanent: the host is, or will be, what it was before.
    pub is_refused: bool,
}

/// What was decided about the boot.
enum Decision {
    /// The host was converged to what was recorded.
    Carried(Box<Report>),
    /// It was begun and did not end.
    GivenUp(String),
    /// The boot that was to be tried is not confirmed.
    Refused(Box<Refusal>),
}

/// A boot that is not confirmed.
struct Refusal {
    boot: RefusedBoot,
    why: String,
    /// The trial, where the host runs in it; a boot that did not come up is back already.
    runs: Option<TrialRecord>,
}

impl Finish<'_> {
    /// Does what the record says, once, and leaves nothing for the boot after this one. The verdict is in the run
    /// record.
    ///
    /// # Errors
    /// When the host cannot be planned for, or neither the verdict nor its absence can be written.
    pub fn run(mut self) -> Result<Finished> {
        let decision = self.decide();
        // Also when nothing could be decided: a unit that fails in every boot helps nobody.
        let mut cleaned = self.clean();
        let is_cleaned = cleaned.iter().any(|it| it.status == StepStatus::Done);
        let is_refused = matches!(decision, Ok(Decision::Refused(_)))
            && cleaned.iter().all(|it| it.status == StepStatus::Done);
        let (mut report, refused) = match decision? {
            Decision::Carried(report) => (*report, None),
            Decision::GivenUp(why) => (failed(self.plan()?, why), None),
            Decision::Refused(refusal) => {
                let Refusal { boot, mut why, runs } = *refusal;
                if let Some(trial) = runs {
                    let back = self.go_back(&trial, &why, &mut cleaned);
                    why = format!("{why}. {back}");
                }
                (failed(self.plan()?, why), Some(boot))
            }
        };
        report.steps.extend(cleaned);
        let is_failed = |it: &&StepReport| it.status == StepStatus::Failed;
        if let Some(why) = report.steps.iter().rev().find(is_failed).and_then(|it| it.reason.clone())
            && report.outcome != Outcome::Failed
        {
            report.outcome = Outcome::Failed;
            report.error = Some(Failure::new(why));
        }
        // A failure says whether anything was changed, and the entry and the unit are something.
        report.changed |= report.outcome.is_unfinished() && is_cleaned;
        self.recorder.verdict(&mut report, refused)?;
        Ok(Finished { report, is_refused })
    }

    fn decide(&mut self) -> Result<Decision> {
        if let Some(boot) = &self.record.begun {
            let why = format!(
                "this was begun in boot {boot} and was not finished: the machine went down meanwhile. It is \
                 not started again by itself"
            );
            return Ok(Decision::GivenUp(why));
        }
        let begun = AtBoot { begun: self.boot_id.clone(), ..self.record.clone() };
        let path = self.host.view().resolve(Path::new(RECORD))?;
        self.host.perform(&Step::WriteFile { path, text: begun.text()? })?;
        self.host.sync()?;
        if let Some(trial) = self.record.trial.clone()
            && let Some(decision) = self.judge(&trial)?
        {
            return Ok(decision);
        }
        let plan = self.plan_when_settled()?;
        let run = Run {
            planner: self.planner,
            host: self.host,
            activate: Activate::Run,
            // Nobody can be asked; that it is done by itself was said when the trial was agreed to.
            agreed: Agreed::Declarations,
            recorder: &mut *self.recorder,
            watcher: &mut *self.watcher,
        };
        Ok(Decision::Carried(Box::new(run.converge(plan))))
    }

    fn plan(&self) -> Result<Plan> {
        self.planner.plan(&mut self.host.view())
    }

    /// Plans when nothing stands in the way any more, or time is up: so early in a boot a driver may not have its
    /// device yet.
    fn plan_when_settled(&self) -> Result<Plan> {
        for attempt in 0.. {
            let plan = self.plan()?;
            let is_early = plan.obstacles().is_some() || !plan.deferred.is_empty();
            if !is_early || self.watcher.interrupted() || !self.host.wait_for_devices(attempt) {
                return Ok(plan);
            }
        }
        unreachable!("the loop above ends when the host stops settling")
    }

    /// Returns why the tried boot is not confirmed. The network may come up late, so what is lost is looked for until
    /// the host has settled.
    fn judge(&self, trial: &TrialRecord) -> Result<Option<Decision>> {
        let host = self.host.view();
        let running = Cmdline::parse(&host.attribute(Path::new("/proc/cmdline"))?.unwrap_or_default());
        let wanted = edits(&host, self.planner.distro, self.planner.declared)?;
        let holds = wanted.iter().all(|it| running.satisfies(it));
        if !running.parameters().any(|it| it.raw() == trial.mark) && !holds {
            let because = "it did not come up, and the default entry was booted in its place".to_owned();
            let why = format!(
                "the boot that was to be tried did not come up: this one was started by the default entry ({} is not in \
                 /proc/cmdline). Nothing else was changed, and that entry is gone",
                trial.mark
            );
            let boot = RefusedBoot::new(&wanted, because);
            return Ok(Some(Decision::Refused(Box::new(Refusal { boot, why, runs: None }))));
        }
        if !holds {
            let because = "/proc/cmdline does not have what the playbook wants".to_owned();
            return Ok(Some(not_confirmed(trial, &wanted, because)));
        }
        for attempt in 0.. {
            let lost = trial.witness.lost(&self.host.view())?;
            if lost.is_empty() {
                return Ok(None);
            }
            if !self.host.wait_for_devices(attempt) {
                return Ok(Some(not_confirmed(trial, &wanted, lost.join("; "))));
            }
        }
        unreachable!("the loop above ends when the host stops settling")
    }

    /// Lets the host reboot into the default entry. Returns what happens when, and how to stop it.
    fn go_back(&mut self, trial: &TrialRecord, why: &str, steps: &mut Vec<StepReport>) -> String {
        let Some(seconds) = trial.back_after else {
            return "The host stays up as it is (--stay); a reboot goes back".to_owned();
        };
        let obstacle = match go_back::obstacle(&self.host.view(), self.planner.distro) {
            Ok(obstacle) => obstacle,
            Err(err) => Some(err.to_string()),
        };
        if let Some(obstacle) = obstacle {
            return format!("It does not reboot by itself: {obstacle}");
        }
        self.perform(&go_back::schedule(seconds), steps);
        if steps.last().is_some_and(|it| it.status == StepStatus::Failed) {
            return "It could not be made to reboot by itself; a reboot goes back".to_owned();
        }
        let in_words = go_back::in_words(seconds);
        let back = format!(
            "In {in_words} the host reboots into the default entry; `systemctl stop {}` keeps it up",
            go_back::TIMER
        );
        let announced = self.host.perform(&go_back::announce(&format!("hoststate: {why}. {back}.")));
        match announced {
            // A system without wall(1) has the console and the journal, which the unit writes to.
            Ok(_) | Err(_) => back,
        }
    }

    /// Performs a step. Adds how it ended.
    fn perform(&mut self, it: &Step, steps: &mut Vec<StepReport>) {
        let what = it.to_string();
        self.watcher.begin(&what);
        let start = Instant::now();
        let report = step(&what, start, self.host.perform(it).map(drop));
        self.watcher.end(&report);
        steps.push(report);
    }

    /// Takes away the tried entry, the unit and the record. Returns what was done.
    fn clean(&mut self) -> Vec<StepReport> {
        let host = self.host.view();
        let steps = match self.leftovers(&host) {
            Ok(steps) => steps,
            Err(err) => return vec![step("look for what is left of it", Instant::now(), Err(err))],
        };
        let mut reports = Vec::new();
        for it in steps {
            self.perform(&it, &mut reports);
            if reports.last().is_some_and(|it| it.status == StepStatus::Failed) {
                // The record goes last: while it is there, the next boot clears up.
                break;
            }
        }
        if let Err(err) = self.host.sync() {
            reports.push(step("sync what was removed", Instant::now(), Err(err)));
        }
        reports
    }

    fn leftovers(&self, host: &HostView) -> Result<Vec<Step>> {
        let mut steps = Vec::new();
        if self.record.trial.is_some() {
            steps.extend(self.planner.distro.bootloader.end_trial(host)?);
        }
        steps.extend(trial::disarm(host)?);
        for it in &mut steps {
            if let Step::WriteFile { path, .. } | Step::EditFile { path, .. } | Step::RemoveFile { path } = it
            {
                *path = host.resolve(path)?;
            }
        }
        Ok(steps)
    }
}

fn not_confirmed(trial: &TrialRecord, wanted: &[CmdlineEdit], because: String) -> Decision {
    let why = format!(
        "the boot that was tried is not confirmed: {because}. Nothing was made permanent; the next boot uses \
         the default entry, as before"
    );
    let boot = RefusedBoot::new(wanted, because);
    Decision::Refused(Box::new(Refusal { boot, why, runs: Some(trial.clone()) }))
}

fn failed(plan: Plan, why: String) -> Report {
    Report::nothing_done(plan, Outcome::Failed, Some(Failure::new(why)))
}

fn step(what: &str, start: Instant, result: Result<(), Error>) -> StepReport {
    StepReport {
        what: what.to_owned(),
        status: if result.is_ok() { StepStatus::Done } else { StepStatus::Failed },
        seconds: start.elapsed().as_secs_f64(),
        argv: None,
        exit_status: None,
        stderr: None,
        reason: result.err().map(|it| it.to_string()),
    }
}
