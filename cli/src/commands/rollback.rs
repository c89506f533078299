//! `hoststate rollback`: the files of a recorded run, as they were before it.

use std::fmt::Write;

use hoststate_core::apply::{Agreed, is_actionable};
use hoststate_core::host::Host;
use hoststate_core::plan::Plan;
use hoststate_core::rollback::{self, Rollback};

use crate::args::{Format, RollbackArguments};
use crate::commands::consented::{Consent, Leave, host_name};
use crate::commands::converge::{Converge, lock};
use crate::commands::plan::show;
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::render::amount::amount;
use crate::render::report::Goal;
use crate::session::Session;
use crate::target::Target;

/// Runs the command.
///
/// # Errors
/// When there is no such run, another run has the lock, or a file was changed since and `--force` is not given.
pub(crate) fn run(arguments: &RollbackArguments, session: &Session) -> Result<Exit> {
    let target = Target::open(&arguments.host)?;
    let records = target.records()?;
    if !arguments.check && records.is_left_behind()? {
        lock(&target, "rollback")?.end();
    }
    let undone = rollback::select(&records, arguments.run.as_deref())?;
    let read = |target: &Target| rollback::plan(&undone, &target.host.view(), &target.distro);
    let found = read(&target)?;
    refuse_changed(&found, &undone.id, arguments)?;
    let converge = Converge { target: &target, declared: &[], agreed: Agreed::Plan, session };
    let command = format!("rollback {}", undone.id);
    if arguments.check {
        tell_attributes(&found, &undone.id, session)?;
        show(&found.plan, &target, session)?;
        return Ok(Exit::of_plan(&found.plan, target.detail));
    }
    let recorder = target.recorder(&command)?;
    if !is_actionable(&found.plan, target.activate) {
        let report = converge.nothing_to_do(found.plan, recorder)?;
        return converge.finish(&report, Goal::FilesAsBefore);
    }
    tell_attributes(&found, &undone.id, session)?;
    let interrupt = session.interrupt()?;
    let consent = Consent {
        target: &target,
        session,
        is_given: arguments.yes,
        interrupt: &interrupt,
        command: &command,
    };
    let again = || {
        let found = read(&target)?;
        refuse_changed(&found, &undone.id, arguments)?;
        Ok(Some(found.plan))
    };
    let report = match consent.obtain(found.plan, |plan| question(plan, &target), again)? {
        Leave::Given(plan, lock) => converge.carry_out(*plan, recorder, interrupt, lock),
        Leave::Nothing(plan) => converge.nothing_to_do(*plan, recorder)?,
        Leave::Not(report) => *report,
    };
    converge.finish(&report, Goal::FilesAsBefore)
}

/// Returns what the user is asked: how much is put back, and where.
fn question(plan: &Plan, target: &Target) -> String {
    format!("Put back {}: {}?", host_name(target), amount(plan, target.activate))
}

/// Says what of the run a rollback does not take back.
fn tell_attributes(found: &Rollback, run: &str, session: &Session) -> Result<()> {
    if session.format != Format::Text || found.attributes.is_empty() {
        return Ok(());
    }
    let mut text = format!("Run {run} also changed the running system; that lasts until it boots:\n");
    for attribute in &found.attributes {
        session.screen.prose(&mut text, 4, attribute);
    }
    text.push('\n');
    session.print(&text)
}

fn refuse_changed(found: &Rollback, run: &str, arguments: &RollbackArguments) -> Result<()> {
    if found.changed_since.is_empty() || arguments.force {
        return Ok(());
    }
    let paths = found.changed_since.iter().map(|it| it.path.clone()).collect();
    let mut diff = String::new();
    for file in &found.changed_since {
        write!(diff, "{}", file.diff).expect("writing to a string does not fail");
    }
    Err(Error::ChangedSince { run: run.to_owned(), paths, diff })
}
