//! Who ran a run, from where, and with what: what a colleague wants to know a week later.

use std::io;
use std::path::{Path, PathBuf};

use hoststate_abi::host_view::HostView;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who ran a run, from where, and with what.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Provenance {
    /// When it began, in UTC (RFC 3339).
    pub began: String,
    /// The process that carried it out.
    pub process: Process,
    /// Who started it.
    pub who: Who,
    /// Name of the machine it ran on.
    pub host_name: Option<String>,
    /// Absolute path of the playbook; absent for standard input and for what needs none.
    pub playbook: Option<PathBuf>,
    /// Whose declarations these are: the path of the playbook unless another name was given.
    pub owner: Option<String>,
    /// Ids of the guards that were let pass.
    pub accepted: Vec<String>,
    /// Version of the program.
    pub version: String,
}

/// A process, so that another one with its number is told apart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// When it started, in clock ticks since the machine booted (proc_pid_stat(5)); absent where `/proc` does not tell.
    pub start: Option<u64>,
    /// Boot id of the machine.
    pub boot_id: Option<String>,
}

/// A user.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Who {
    /// Name of the user who logged in, not of whom they became.
    pub user: String,
    /// Its number.
    pub uid: u32,
    /// How they became root: `sudo`, `pkexec`, `su`.
    pub via: Option<String>,
    /// Address they came from with ssh.
    pub from: Option<String>,
}

/// Where the kernel names the boot it runs since.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

impl Process {
    /// Returns this process; `machine` is the machine it runs on.
    pub fn this(machine: &HostView) -> Self {
        let pid = std::process::id();
        Self { pid, start: start_of(machine, pid), boot_id: boot_of(machine) }
    }

    /// Returns whether it still runs.
    pub fn is_running(&self, machine: &HostView) -> bool {
        self.start.is_some() && self.boot_id == boot_of(machine) && self.start == start_of(machine, self.pid)
    }
}

/// Returns the id of the boot that a host runs since; `None` for a tree without `/proc`.
///
/// # Errors
/// When it is there and cannot be read.
pub fn boot_id(machine: &HostView) -> io::Result<Option<String>> {
    machine.attribute(Path::new(BOOT_ID))
}

/// Returns the same for a process: of a machine that does not tell, no process is known to run.
fn boot_of(machine: &HostView) -> Option<String> {
    boot_id(machine).ok().flatten()
}

/// Reads the 22nd field. The second, the name of the program, may hold blanks and brackets.
fn start_of(machine: &HostView, pid: u32) -> Option<u64> {
    let stat = machine.read_bytes(Path::new(&format!("/proc/{pid}/stat"))).ok().flatten()?;
    let end = stat.iter().rposition(|it| *it == b')')?;
    let mut fields = stat[end + 1..].split(|it| *it == b' ').filter(|it| !it.is_empty());
    // A process that has ended and waits to be asked for its status does nothing any more.
    let state = fields.next()?;
    let start = fields.nth(18)?;
    (state != b"Z").then(|| std::str::from_utf8(start).ok()?.trim().parse().ok())?
}

#[cfg(test)]
mod tests {
    use hoststate_abi::host_view::HostView;
    use hoststate_testkit::tree::Tree;

    use super::{Process, boot_id};

    const BOOT_ID: (&str, &str) = ("/proc/sys/kernel/random/boot_id", "b\n");

    fn stat(name: &str, state: &str, start: &str) -> String {
        format!("7 ({name}) {state} 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 {start} 1 1 1\n")
    }

    #[test]
    fn a_process_runs_while_its_number_its_start_and_the_boot_are_the_same() {
        let it = Process { pid: 7, start: Some(500), boot_id: Some("b".to_owned()) };
        let runs = |stat: &str| it.is_running(&Tree::new(&[BOOT_ID, ("/proc/7/stat", stat)]).view());
        assert!(runs(&stat("hoststate", "S", "500")));
        assert!(runs(&stat("a) R 1 (b", "S", "500")));
        assert!(!runs(&stat("hoststate", "S", "501")), "another process has that number");
        assert!(!runs(&stat("hoststate", "Z", "500")), "it has ended");
        assert!(!it.is_running(&Tree::new(&[BOOT_ID]).view()));
        let elsewhere = Process { boot_id: Some("a".to_owned()), ..it.clone() };
        let tree = Tree::new(&[BOOT_ID, ("/proc/7/stat", &stat("hoststate", "S", "500"))]);
        assert!(!elsewhere.is_running(&tree.view()), "the machine was booted since");
    }

    #[test]
    fn a_boot_id_that_is_no_text_is_no_error() {
        let tree = Tree::new(&[BOOT_ID]);
        assert_eq!(boot_id(&tree.view()).expect("readable").as_deref(), Some("b"));
        tree.write(BOOT_ID.0, b"\xff\n");
        assert_eq!(boot_id(&tree.view()).expect("readable").as_deref(), Some("\\xff"));
    }

    #[test]
    fn this_process_runs() {
        let machine = HostView::new("/");
        assert!(Process::this(&machine).is_running(&machine));
    }
}
