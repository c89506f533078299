//! `hoststate rollback`: the files of a recorded run, as they were before it.

use std::fmt::Write;

use hoststate_core::host::Host;
use hoststate_core::rollback::{self, Rollback};

use crate::args::{Format, RollbackArguments};
use crate::commands::converge::{Carried, Converge, lock};
use crate::error::{Error, Result};
use crate::exit::Exit;
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
    let undone = rollback::select(&records, arguments.run.as_deref())?;
    let read = |target: &Target| rollback::plan(&undone, &target.host.view(), &target.distro);
    let mut found = read(&target)?;
    refuse_changed(&found, &undone.id, arguments)?;
    let converge = Converge { target: &target, declared: &[], session };
    let recorder = target.recorder(format!("rollback {}", undone.id))?;
    if found.plan.files.is_empty() {
        let report = converge.nothing_to_do(found.plan, recorder)?;
        return converge.finish(&report, Goal::FilesAsBefore);
    }
    let lock = lock(&target, &format!("rollback {}", undone.id))?;
    found = read(&target)?;
    refuse_changed(&found, &undone.id, arguments)?;
    if session.format == Format::Text && !found.attributes.is_empty() {
        let mut text =
            format!("Run {} also changed the running system; that lasts until it boots:\n", undone.id);
        for attribute in &found.attributes {
            session.screen.prose(&mut text, 4, attribute);
        }
        text.push('\n');
        session.print(&text)?;
    }
    let question = (!arguments.yes).then_some("Put these files back?");
    match converge.carry_out(found.plan, recorder, question, lock)? {
        Carried::Out(report) => converge.finish(&report, Goal::FilesAsBefore),
        Carried::Not(exit) => Ok(exit),
    }
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
