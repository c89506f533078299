//! What is about to happen by itself, for every command that looks: a boot to be tried, what is left for after a boot, a
//! way back.

use std::io;

use hoststate_abi::host_view::HostView;

use super::{AtBoot, UNIT, go_back, pending};
use crate::after_boot::{Finding, Verdict};
use crate::error::{Error, Result};

/// Returns what is about to happen; `boot_id` is the boot the host runs since.
///
/// # Errors
/// When the host cannot be read. The record is for root: nobody else is told of it.
pub fn findings(host: &HostView, boot_id: Option<&str>) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
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

fn told(record: &AtBoot, boot_id: Option<&str>) -> Finding {
    let verdict = if record.trial.is_some() { Verdict::TrialPending } else { Verdict::AtBootPending };
    let is_this_boot = |it: &Option<String>| it.as_deref() == boot_id;
    let reason = match (&record.begun, is_this_boot(&record.boot_id)) {
        (begun @ Some(_), _) if is_this_boot(begun) => format!("{UNIT} is at it, or was cut"),
        (Some(_), _) => format!("{UNIT} began it in an earlier boot and did not end"),
        (None, false) => format!("the host was booted, and {UNIT} has not begun yet"),
        (None, true) if record.trial.is_some() => {
            "the next boot tries it, and until then nothing else is changed; `hoststate rollback` takes it back"
                .to_owned()
        }
        (None, true) => format!("{UNIT} finishes it after the next boot"),
    };
    Finding::about_all(verdict, reason)
}
