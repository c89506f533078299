//! What goes on or is about to happen by itself, for every command that looks: a run in progress, a boot to be tried,
//! what is left for after a boot, a return.

use std::io;
use std::path::Path;

use hoststate_abi::host_view::HostView;

use super::{AtBoot, UNIT, go_back, pending};
use crate::error::{Error, Result};
use crate::machine::open_files;
use crate::plan::finding::{Finding, Verdict};

/// The lock of the runs. While one goes on, it says which.
const LOCK: &str = "/var/lib/hoststate/lock";

/// Returns what goes on or is about to happen; `boot_id` is the boot the host runs since.
///
/// # Errors
/// When the host cannot be read. Lock and record are for root: nobody else is told of them.
pub fn findings(host: &HostView, boot_id: Option<&str>) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    findings.extend(run_in_progress(host)?.map(|it| Finding::about_all(Verdict::RunInProgress, it)));
    match pending(host) {
        Ok(Some(record)) => findings.push(told(&record, boot_id)),
        Ok(None) => {}
        Err(Error::Io(err)) if err.kind() == io::ErrorKind::PermissionDenied => {}
        Err(err @ (Error::Malformed { .. } | Error::Invalid { .. })) => {
            findings.push(Finding::about_all(Verdict::AtBootPending, err.to_string()));
        }
        Err(err) => return Err(err),
    }
    if go_back::is_scheduled(host)? {
        let reason = format!(
            "the boot that was tried is refused, and the host reboots into the default entry by itself; `systemctl \
             stop {}` keeps it up",
            go_back::TIMER
        );
        findings.push(Finding::about_all(Verdict::GoingBack, reason));
    }
    Ok(findings)
}

/// Returns what the lock says of the run that has it. A run that was cut is named there as well: it has nothing open.
fn run_in_progress(host: &HostView) -> Result<Option<String>> {
    let said = match host.read(Path::new(LOCK)) {
        Ok(said) => said.map(|it| it.trim().to_owned()).filter(|it| !it.is_empty()),
        Err(err) if err.kind() == io::ErrorKind::PermissionDenied => None,
        Err(err) => return Err(err.into()),
    };
    let Some(said) = said else { return Ok(None) };
    // The host may be a tree on the machine, and the processes are the machine's.
    let machine = HostView::new("/");
    let inside = host.resolve(Path::new(LOCK))?;
    let outside = machine.resolve(&host.root().join(inside.strip_prefix("/").unwrap_or(&inside)))?;
    let is_open = !open_files::of(&machine, &[outside])?.found.is_empty();
    Ok(is_open.then_some(said))
}

fn told(record: &AtBoot, boot_id: Option<&str>) -> Finding {
    let verdict = if record.trial.is_some() { Verdict::TrialPending } else { Verdict::AtBootPending };
    let is_this_boot = |it: &Option<String>| it.as_deref() == boot_id;
    let reason = match (&record.begun, is_this_boot(&record.boot_id)) {
        (begun @ Some(_), _) if is_this_boot(begun) => format!("{UNIT} is working on it, or was interrupted"),
        (Some(_), _) => format!("{UNIT} began it in an earlier boot and did not finish"),
        (None, false) => format!("the host was booted, and {UNIT} has not begun yet"),
        (None, true) if record.trial.is_some() => {
            "the next boot tries it, and until then nothing else is changed; `hoststate rollback` takes it back"
                .to_owned()
        }
        (None, true) => format!("{UNIT} finishes it after the next boot"),
    };
    Finding::about_all(verdict, reason)
}
