//! What the journal of systemd is told beside the text: entries with a message id, which its catalogue explains
//! (`packaging/hoststate.catalog`, `journalctl -x`), and with fields to search for.

use std::os::unix::net::UnixDatagram;
use std::path::Path;

use hoststate_core::plan::planned::Plan;
use hoststate_core::record::report::{Outcome, Report};

use crate::render::plan::settings;

/// Where the journal takes entries in its own form (<https://systemd.io/JOURNAL_NATIVE_PROTOCOL>).
const SOCKET: &str = "/run/systemd/journal/socket";

/// A run that is in the history has ended.
const ENDED: &str = "e83ee94549a9406db324eb41a917d54d";
/// A boot that was tried is refused.
const REFUSED: &str = "e2de28aad5bb4b9b9829403b06ff32b8";
/// A look by a unit found that the host is not as wanted.
const DIFFERS: &str = "3d18555246ba4f48a6a0a3d02a26a568";

/// Priorities of syslog(3).
const ERROR: &str = "3";
const WARNING: &str = "4";
const NOTICE: &str = "5";

/// Tells how a run of this machine ended. One that wrote nothing is none.
pub(crate) fn ended(report: &Report, owner: Option<&str>) {
    let Some(run) = &report.run else { return };
    let outcome = word(report.outcome);
    let priority = match report.outcome {
        Outcome::Failed => ERROR,
        Outcome::Refused | Outcome::Interrupted => WARNING,
        _ => NOTICE,
    };
    let message = format!("run {run} ended: {outcome}");
    let of_owner = owner.map(|it| ("HOSTSTATE_OWNER", it));
    let fields = [("HOSTSTATE_RUN", run.as_str()), ("HOSTSTATE_OUTCOME", &outcome)];
    send(Path::new(SOCKET), &entry(ENDED, priority, &message, fields.into_iter().chain(of_owner)));
}

/// Tells that a boot that was tried is refused.
pub(crate) fn refused() {
    let message = "the boot that was tried is refused; `hoststate history` has the reason";
    send(Path::new(SOCKET), &entry(REFUSED, ERROR, message, []));
}

/// Tells that a unit of systemd found this machine not as wanted; people who look see it for themselves.
pub(crate) fn looked(plan: &Plan) {
    if plan.in_desired_state() || std::env::var_os("INVOCATION_ID").is_none() {
        return;
    }
    let summary = &plan.summary;
    let differing = summary.to_change + summary.refused + summary.deferred;
    let (all, waiting) = (settings(differing + summary.only_reboot), summary.only_reboot.to_string());
    let message = format!("{all} not as wanted, {waiting} of them only for want of a reboot");
    let differing = differing.to_string();
    let fields = [("HOSTSTATE_DIFFERING", differing.as_str()), ("HOSTSTATE_WAITING_FOR_REBOOT", &waiting)];
    send(Path::new(SOCKET), &entry(DIFFERS, WARNING, &message, fields));
}

/// Returns the word that a report has for how it ended.
fn word(outcome: Outcome) -> String {
    let value = serde_json::to_value(outcome).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

/// Returns an entry. A value with a line break would be another field: it has its length before it.
fn entry<'a>(
    id: &'a str,
    priority: &'a str,
    message: &'a str,
    fields: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Vec<u8> {
    let own = [
        ("MESSAGE", message),
        ("MESSAGE_ID", id),
        ("PRIORITY", priority),
        ("SYSLOG_IDENTIFIER", "hoststate"),
    ];
    let mut bytes = Vec::new();
    for (name, value) in own.into_iter().chain(fields) {
        bytes.extend_from_slice(name.as_bytes());
        if value.contains('\n') {
            bytes.push(b'\n');
            bytes.extend_from_slice(&(value.len() as u64).to_le_bytes());
        } else {
            bytes.push(b'=');
        }
        bytes.extend_from_slice(value.as_bytes());
        bytes.push(b'\n');
    }
    bytes
}

/// Hands an entry over; where there is no journal the text that was printed is all there is.
fn send(socket: &Path, entry: &[u8]) {
    let sent = UnixDatagram::unbound().and_then(|it| {
        // A journal that does not read must not keep a run from ending.
        it.set_nonblocking(true)?;
        it.send_to(entry, socket)
    });
    sent.map(drop).unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use super::{DIFFERS, ENDED, NOTICE, REFUSED, entry, send};

    #[test]
    fn an_entry_has_its_fields_and_a_value_of_several_lines_is_no_field() {
        let bytes = entry(ENDED, NOTICE, "run 1 ended", [("HOSTSTATE_OWNER", "a\nPRIORITY=0")]);
        let mut expected = format!(
            "MESSAGE=run 1 ended\nMESSAGE_ID={ENDED}\nPRIORITY=5\nSYSLOG_IDENTIFIER=hoststate\nHOSTSTATE_OWNER\n"
        )
        .into_bytes();
        expected.extend_from_slice(&[12, 0, 0, 0, 0, 0, 0, 0]);
        expected.extend_from_slice(b"a\nPRIORITY=0\n");
        assert_eq!(bytes, expected);
    }

    #[test]
    fn an_entry_reaches_the_socket_and_nobody_waits_for_one_that_is_not_there() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        send(&path, b"A=1\n");
        let journal = UnixDatagram::bind(&path).unwrap();
        send(&path, b"B=2\n");
        let mut bytes = [0; 16];
        let length = journal.recv(&mut bytes).unwrap();
        assert_eq!(&bytes[..length], b"B=2\n");
    }

    #[test]
    fn the_catalogue_explains_every_message() {
        let catalogue = include_str!("../../packaging/hoststate.catalog");
        for id in [ENDED, REFUSED, DIFFERS] {
            assert!(catalogue.lines().any(|it| it == format!("-- {id}")), "{id}");
        }
        assert_eq!(catalogue.lines().filter(|it| it.starts_with("-- ")).count(), 3);
    }
}
