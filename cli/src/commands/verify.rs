//! `hoststate verify`: whether the host is in the desired state, one line for each setting.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use hoststate_core::error::Error as EngineError;
use hoststate_core::plan::Plan;
use hoststate_core::record::RunRecord;

use crate::args::{Format, VerifyArguments};
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::render;
use crate::session::Session;
use crate::target::Target;

/// How often the host is read again under `--wait`.
const PAUSE: Duration = Duration::from_millis(500);

/// Runs the command.
///
/// # Errors
/// When the playbook or the host cannot be read.
pub(crate) fn run(arguments: &VerifyArguments, session: &Session) -> Result<Exit> {
    let target = Target::open(&arguments.host)?;
    let playbook = target.playbook(&arguments.playbook)?;
    let limit = Duration::from_secs(arguments.wait.into());
    let start = Instant::now();
    let mut plan = target.plan(&playbook.declared)?;
    while !plan.in_desired_state() && start.elapsed() < limit {
        thread::sleep(PAUSE);
        plan = target.plan(&playbook.declared)?;
    }
    match session.format {
        Format::Json => session.print_json(&plan)?,
        Format::Text => {
            let note = if plan.reboot.required { reboot_note(&target, &plan)? } else { None };
            let declared = &playbook.declared;
            let text = render::verify::text(&session.screen, &plan, declared, note.as_deref());
            session.print(&text)?;
        }
    }
    Ok(Exit::of_verify(&plan))
}

/// Tells "not rebooted yet" from "rebooted, and still not as wanted", by the boot the last run was under.
fn reboot_note(target: &Target, plan: &Plan) -> Result<Option<String>> {
    let Some(boot) = target.boot_id()? else { return Ok(None) };
    let Some(run) = last_run(target)? else { return Ok(None) };
    let is_same_boot = run.boot_id.as_ref() == Some(&boot);
    Ok(Some(match (is_same_boot, plan.has_work()) {
        (true, _) => format!("The host was not booted since run {}.", run.id),
        (false, true) => format!("The host was booted since run {}, before everything was in place.", run.id),
        (false, false) => format!(
            "The host was booted since run {}, and still runs without it: another boot entry was started, or the \
             boot loader reads another configuration. `hoststate inspect cmdline` compares them.",
            run.id
        ),
    }))
}

fn last_run(target: &Target) -> Result<Option<RunRecord>> {
    let records = target.records()?;
    let read = records.ids().and_then(|ids| ids.last().map(|it| records.read(it)).transpose());
    match read {
        Ok(record) => Ok(record),
        // Records are for root; a monitor that is not gets the check without the note.
        Err(EngineError::Io(err)) if err.kind() == io::ErrorKind::PermissionDenied => Ok(None),
        Err(err) => Err(Error::from(err)),
    }
}
