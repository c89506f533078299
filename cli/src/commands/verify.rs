//! `hoststate verify`: whether the host is in the desired state, one line for each setting.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use hoststate_core::after_boot::{Finding, Judged, LastRun};
use hoststate_core::error::Error as EngineError;
use hoststate_core::host::Host;
use hoststate_core::plan::Plan;
use hoststate_core::record::RunRecord;
use schemars::JsonSchema;
use serde::Serialize;

use crate::args::{Format, VerifyArguments};
use crate::commands::at_boot;
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
    let findings = findings(&target, &plan)?;
    match session.format {
        Format::Json => session.print_json(&Verification { plan: &plan, findings: &findings })?,
        Format::Text => {
            let text = render::verify::text(&session.screen, &plan, &playbook.declared, &findings);
            session.print(&text)?;
        }
    }
    Ok(Exit::of_verify(&plan, &findings))
}

/// A plan, and what was found about the boot.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Verification<'a> {
    #[serde(flatten)]
    plan: &'a Plan,
    findings: &'a [Finding],
}

fn findings(target: &Target, plan: &Plan) -> Result<Vec<Finding>> {
    let boot_id = target.boot_id()?;
    let last = last_run(target)?.map(|it| LastRun {
        failed_at_boot: it.reason.filter(|_| it.command == at_boot::COMMAND),
        id: it.id,
        boot_id: it.boot_id,
    });
    let host = &target.host.view();
    let judged =
        Judged { host, distro: &target.distro, plan, last: last.as_ref(), boot_id: boot_id.as_deref() };
    Ok(judged.findings()?)
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
