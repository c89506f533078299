//! Running the distribution's tools, and kernel writes in a child that may be abandoned.

#![expect(clippy::disallowed_methods, reason = "this is where processes start")]

use std::io::{self, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use hoststate_abi::host_view::HostView;
use rustix::io::Errno;
use rustix::process::{Pid, Signal};

use crate::error::{Error, Result};
use crate::host::{Done, LiveHost, stuck};

/// An initramfs of a slow machine takes minutes; nothing a distribution runs here takes half an hour.
const TOOL_LIMIT: Duration = Duration::from_secs(1800);

/// The sriov-network-operator gives drivers two minutes for the same write.
const ATTRIBUTE_LIMIT: Duration = Duration::from_secs(120);

/// How much of a tool's standard error is kept.
const STDERR_TAIL: usize = 4096;

/// How long standard error may stay open after its process has ended.
const STDERR_GRACE: Duration = Duration::from_secs(2);

/// How long a killed process may take to be gone; one that waits in the kernel stays.
const KILL_GRACE: Duration = Duration::from_secs(2);

/// Where the distributions keep the tools that run here.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Runs a tool; below another root than `/`, inside that root.
pub(super) fn run(program: &Path, root: &Path, argv: &[String]) -> Result<Done> {
    let mut command = match (root == Path::new("/"), argv.split_first()) {
        (_, None) => return Err(Error::invalid("an empty command", "This is a bug of the resource.")),
        (true, Some((tool, arguments))) => {
            let mut command = Command::new(tool);
            command.args(arguments);
            command
        }
        (false, Some(_)) => {
            let mut command = Command::new(program);
            command.arg(LiveHost::ENTER_COMMAND).arg(root).args(argv);
            command
        }
    };
    command.env_clear().env("PATH", PATH).env("LC_ALL", "C").env("HOME", "/root").current_dir("/");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).process_group(0);
    let failed = |status: String, code, stderr| Error::Tool { argv: argv.to_vec(), status, code, stderr };
    let child =
        command.spawn().map_err(|err| failed(format!("cannot be run: {err}"), None, String::new()))?;
    let Waited { status, stderr, .. } = wait(child, TOOL_LIMIT, String::new)?;
    match status {
        Some(status) if status.success() => Ok(Done { status: Some(0), stderr }),
        Some(status) => Err(failed(describe(status), status.code(), stderr)),
        None => Err(failed(format!("did not end within {} s", TOOL_LIMIT.as_secs()), None, stderr)),
    }
}

/// Writes an attribute in a child, so that a driver that never returns does not take the run with it.
pub(super) fn write_attribute(program: &Path, path: &Path, real: &Path, value: &str) -> Result<()> {
    write_attribute_within(ATTRIBUTE_LIMIT, program, path, real, value)
}

fn write_attribute_within(
    limit: Duration,
    program: &Path,
    path: &Path,
    real: &Path,
    value: &str,
) -> Result<()> {
    let mut command = Command::new(program);
    command.arg(LiveHost::ATTRIBUTE_COMMAND).arg(real).arg(value).env_clear().current_dir("/");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).process_group(0);
    let child = command.spawn()?;
    let id = child.id();
    let explain = || stuck::explain(&HostView::new("/"), id, path, value);
    let Waited { status, stderr, stuck, ended } = wait(child, limit, explain)?;
    let refused = |why: String, hint: Option<String>| Error::Attribute {
        path: path.to_owned(),
        value: value.to_owned(),
        why,
        hint,
    };
    match status.map(|it| it.code()) {
        Some(Some(0)) => Ok(()),
        Some(Some(errno)) => {
            let why = io::Error::from_raw_os_error(errno);
            Err(refused(why.to_string(), attribute_hint(path, Errno::from_raw_os_error(errno))))
        }
        Some(None) => Err(refused(format!("the writing process was killed{stderr}"), None)),
        None => {
            let end = match ended {
                true => "The writing process was killed.",
                false => "It cannot be killed: it stays until the kernel lets it go, or until a reboot.",
            };
            let (path, value, hint) = (path.to_owned(), value.to_owned(), format!("{stuck} {end}"));
            Err(Error::Unanswered { path, value, limit, hint })
        }
    }
}

/// What the errno of a refused write means, where the kernel's words do not say it (drivers/pci/iov.c,
/// drivers/base/bus.c).
fn attribute_hint(path: &Path, errno: Errno) -> Option<String> {
    let hint = match (path.file_name()?.to_str()?, errno) {
        ("sriov_numvfs", Errno::NOENT) => {
            "No driver that supports SR-IOV is bound to the physical function; bind its own driver first."
        }
        ("sriov_numvfs", Errno::NOMEM) => {
            "The firmware left too little address space or too few bus numbers; `dmesg` says which. Enable \
             SR-IOV and \"Above 4G decoding\" in the firmware, or add pci=realloc to the command line."
        }
        ("sriov_numvfs", Errno::PERM | Errno::BUSY) => {
            "Virtual functions are in use; stop the guests that hold them."
        }
        ("bind" | "drivers_probe", Errno::INVAL) => {
            "vfio-pci needs an IOMMU group: is the IOMMU on? `hoststate inspect` tells."
        }
        ("bind", Errno::NODEV) => "The driver does not know this device.",
        ("bind", Errno::BUSY) => "Another driver holds the device, or a guest holds its IOMMU group.",
        _ => return None,
    };
    Some(hint.to_owned())
}

fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited with status {code}"),
        (None, Some(signal)) => format!("was killed by signal {signal}"),
        (None, None) => "ended in an unknown way".to_owned(),
    }
}

/// How a child was waited for.
struct Waited {
    /// Its status; `None` when the limit passed first.
    status: Option<ExitStatus>,
    /// The end of what it wrote to standard error.
    stderr: String,
    /// What was seen when the limit had passed, before it was killed.
    stuck: String,
    /// Whether it is gone.
    ended: bool,
}

/// Waits for a child; past the limit `look` is called, and its process group is killed and left behind.
fn wait(mut child: Child, limit: Duration, look: impl FnOnce() -> String) -> io::Result<Waited> {
    let group = Pid::from_child(&child);
    let tail = Arc::new(Mutex::new(Vec::new()));
    let (ended, stderr_ended) = mpsc::channel::<()>();
    if let Some(stderr) = child.stderr.take() {
        let tail = Arc::clone(&tail);
        thread::spawn(move || {
            keep_tail(stderr, &tail);
            drop(ended);
        });
    }
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        // The receiver is gone only when the limit has passed: nobody wants the status any more.
        sender.send(child.wait()).unwrap_or_default();
    });
    let (mut stuck, mut ended) = (String::new(), true);
    let status = match receiver.recv_timeout(limit) {
        Ok(status) => Some(status?),
        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
            stuck = look();
            match rustix::process::kill_process_group(group, Signal::KILL) {
                // Gone between the limit and now.
                Ok(()) | Err(Errno::SRCH) => {}
                Err(err) => return Err(err.into()),
            }
            ended = receiver.recv_timeout(KILL_GRACE).is_ok();
            None
        }
    };
    // A daemon that the tool left behind may hold standard error open for ever.
    match stderr_ended.recv_timeout(STDERR_GRACE) {
        Ok(()) | Err(RecvTimeoutError::Disconnected | RecvTimeoutError::Timeout) => {}
    }
    let bytes = tail.lock().map(|it| it.clone()).unwrap_or_default();
    Ok(Waited { status, stderr: String::from_utf8_lossy(&bytes).into_owned(), stuck, ended })
}

fn keep_tail(mut stream: impl Read, tail: &Mutex<Vec<u8>>) {
    let mut chunk = [0; STDERR_TAIL];
    while let Ok(length @ 1..) = stream.read(&mut chunk) {
        if let Ok(mut tail) = tail.lock() {
            tail.extend_from_slice(&chunk[..length]);
            let surplus = tail.len().saturating_sub(STDERR_TAIL);
            tail.drain(..surplus);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::{PATH, run, write_attribute_within};

    #[test]
    fn tools_get_an_environment_of_their_own() {
        let argv = ["sh", "-c", "env >&2"].map(str::to_owned);
        let done = run(Path::new("/nowhere"), Path::new("/"), &argv).unwrap();
        // Those in the middle are made by shells themselves.
        let of_shells = ["PWD", "OLDPWD", "SHLVL", "_"];
        let mut given: Vec<&str> = done.stderr.lines().collect();
        given.retain(|it| !of_shells.contains(&it.split('=').next().unwrap_or_default()));
        given.sort_unstable();
        assert_eq!(given, ["HOME=/root", "LC_ALL=C", &format!("PATH={PATH}")]);
    }

    #[test]
    fn a_write_that_does_not_end_is_given_up() {
        // yes(1) never ends, whatever its arguments are.
        let limit = Duration::from_millis(50);
        let attribute = Path::new("/sys/bus/pci/devices/0000:01:00.0/sriov_numvfs");
        let given_up = write_attribute_within(limit, Path::new("/usr/bin/yes"), attribute, attribute, "4");
        let err = given_up.unwrap_err();
        assert!(err.to_string().ends_with("sriov_numvfs: the kernel did not answer within 50ms"), "{err}");
        let hint = err.hint().unwrap();
        assert!(hint.starts_with("Process ") && hint.ends_with("The writing process was killed."), "{hint}");
    }
}
