//! The process of a plugin: started with nothing it does not need, asked line by line, and never waited for too long.

#![expect(clippy::disallowed_methods, reason = "this is where plugins start")]

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use hoststate_abi::message::User;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, FdFlags};
use rustix::process::{Pid, Signal};

use crate::plugins::plugin::confinement::{self, Lack};

/// An answer of this size was not meant to be one: ten thousand settings take a tenth of it.
const LARGEST_ANSWER: usize = 8 << 20;

/// How much of what a plugin writes to standard error is kept.
const STDERR_TAIL: usize = 2048;

/// How long a process may take to end after it closed its output.
const LAST_GRACE: Duration = Duration::from_secs(1);

/// Where plugins that are scripts find their interpreter.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How a plugin failed to answer. Its process is gone.
#[derive(Debug)]
pub(super) enum Failure {
    /// It took too long.
    Silent,
    /// It wrote more than [`LARGEST_ANSWER`].
    TooMuch,
    /// It wrote more than the line that was asked for.
    Surplus(Vec<u8>),
    /// It ended.
    Ended {
        /// How.
        status: String,
        /// Its exit status, if it exited.
        code: Option<i32>,
        /// The end of what it wrote to standard error.
        stderr: String,
    },
    /// The system failed.
    Io(io::Error),
}

impl From<io::Error> for Failure {
    fn from(err: io::Error) -> Self {
        Self::Io(err)
    }
}

/// A plugin that runs.
#[derive(Debug)]
pub(super) struct Process {
    child: Option<Child>,
    group: Pid,
    stdin: ChildStdin,
    stdout: ChildStdout,
    stderr: ChildStderr,
    stderr_open: bool,
    /// Whether no namespace ends what it started.
    searched: bool,
    tail: Vec<u8>,
}

impl Process {
    /// Starts the plugin in `file`, by way of `program`, which is hoststate: there it loses every right it does not need.
    pub(super) fn start(
        program: &Path,
        file: &OwnedFd,
        name: &OsStr,
        root: &Path,
        user: User,
    ) -> io::Result<Self> {
        let user = match user {
            User::Nobody => "nobody",
            User::Root => "root",
        };
        let mut command = Command::new(program);
        command.arg(super::HOST_COMMAND).arg(user).arg(file.as_raw_fd().to_string()).arg(name).arg(root);
        command.env_clear().env("PATH", PATH).env("LC_ALL", "C").current_dir("/");
        command.env(confinement::RESERVE.0, confinement::RESERVE.1);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        rustix::io::fcntl_setfd(file, FdFlags::empty())?;
        let spawned = command.spawn();
        rustix::io::fcntl_setfd(file, FdFlags::CLOEXEC)?;
        let mut child = spawned?;
        let group = Pid::from_child(&child);
        let lost = || io::Error::other("a pipe to the plugin is missing");
        let stdin = child.stdin.take().ok_or_else(lost)?;
        let stdout = child.stdout.take().ok_or_else(lost)?;
        let stderr = child.stderr.take().ok_or_else(lost)?;
        for pipe in [stdin.as_fd(), stdout.as_fd(), stderr.as_fd()] {
            rustix::io::ioctl_fionbio(pipe, true)?;
        }
        Ok(Self {
            child: Some(child),
            group,
            stdin,
            stdout,
            stderr,
            stderr_open: true,
            searched: false,
            tail: Vec::new(),
        })
    }

    /// Writes a line and returns the line that answers it, both without their ends.
    ///
    /// # Errors
    /// When there is no such line within `limit`; then the process is ended.
    pub(super) fn exchange(&mut self, line: &[u8], limit: Duration) -> Result<Vec<u8>, Failure> {
        let result = self.talk(line, Instant::now() + limit);
        if result.is_err() {
            self.end();
        }
        result
    }

    fn talk(&mut self, line: &[u8], deadline: Instant) -> Result<Vec<u8>, Failure> {
        let request = [line, b"\n"].concat();
        let mut rest = request.as_slice();
        let mut answer = Vec::new();
        loop {
            self.wait(!rest.is_empty(), deadline)?;
            self.keep_stderr()?;
            if !rest.is_empty() {
                match self.stdin.write(rest) {
                    Ok(length) => rest = &rest[length..],
                    Err(err) if err.kind() == io::ErrorKind::WouldBlock => {}
                    // It does not listen any more; what it says, or how it ended, tells why.
                    Err(err) if err.kind() == io::ErrorKind::BrokenPipe => rest = &[],
                    Err(err) => return Err(err.into()),
                }
            }
            let before = answer.len();
            if read_some(&mut self.stdout, &mut answer)? == Some(0) {
                return Err(self.ended());
            }
            if let Some(end) = answer[before..].iter().position(|it| *it == b'\n') {
                let surplus = answer.split_off(before + end + 1);
                answer.pop();
                return if surplus.is_empty() { Ok(answer) } else { Err(Failure::Surplus(surplus)) };
            }
            if answer.len() > LARGEST_ANSWER {
                return Err(Failure::TooMuch);
            }
        }
    }

    /// Waits until something can be read, or written if there is something to write.
    fn wait(&self, writes: bool, deadline: Instant) -> Result<(), Failure> {
        loop {
            let left = deadline.checked_duration_since(Instant::now()).ok_or(Failure::Silent)?;
            let left = Timespec::try_from(left).map_err(|_| Failure::Silent)?;
            let mut pipes = vec![PollFd::new(&self.stdout, PollFlags::IN)];
            // Standard error that was closed is always ready, and says nothing about the answer.
            pipes.extend(self.stderr_open.then(|| PollFd::new(&self.stderr, PollFlags::IN)));
            pipes.extend(writes.then(|| PollFd::new(&self.stdin, PollFlags::OUT)));
            match poll(&mut pipes, Some(&left)) {
                Ok(0) => return Err(Failure::Silent),
                Ok(_) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(err) => return Err(Failure::Io(err.into())),
            }
        }
    }

    fn keep_stderr(&mut self) -> io::Result<()> {
        if read_some(&mut self.stderr, &mut self.tail)? == Some(0) {
            self.stderr_open = false;
        }
        self.hear_lacks();
        let surplus = self.tail.len().saturating_sub(STDERR_TAIL);
        self.tail.drain(..surplus);
        Ok(())
    }

    fn hear_lacks(&mut self) {
        let lacks = confinement::take(&mut self.tail);
        self.searched |= lacks.contains(&Lack::Processes);
    }

    /// Returns how the process ended, after it closed its output.
    fn ended(&mut self) -> Failure {
        let (status, code) = match self.child.take() {
            None => ("ended".to_owned(), None),
            Some(mut child) => {
                let (sender, receiver) = mpsc::channel();
                // The receiver is gone only when nobody wants the status any more.
                thread::spawn(move || sender.send(child.wait()).unwrap_or_default());
                match receiver.recv_timeout(LAST_GRACE) {
                    Ok(Ok(status)) => (describe(status), status.code()),
                    Ok(Err(_)) | Err(_) => ("closed its standard output".to_owned(), None),
                }
            }
        };
        // All of it is in the pipe when the process has ended.
        while let Ok(Some(1..)) = read_some(&mut self.stderr, &mut self.tail) {}
        self.hear_lacks();
        let from = self.tail.len().saturating_sub(STDERR_TAIL);
        let stderr = String::from_utf8_lossy(&self.tail[from..]).trim().to_owned();
        Failure::Ended { status, code, stderr }
    }

    /// Ends the process and everything it started in its group.
    fn end(&mut self) {
        if self.searched {
            confinement::end_descendants(self.group);
        }
        match rustix::process::kill_process_group(self.group, Signal::KILL) {
            // It is gone already, or is about to go.
            Ok(()) | Err(_) => {}
        }
        // It is not waited for, as it may hang in the kernel: init does that when this program has ended.
        self.child = None;
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal().and_then(Signal::from_named_raw)) {
        (Some(code), _) => format!("exited with status {code}"),
        (None, Some(Signal::SEGV)) => "crashed (segmentation fault)".to_owned(),
        (None, Some(Signal::ABORT)) => "aborted".to_owned(),
        (None, _) => format!("was killed by signal {}", status.signal().unwrap_or_default()),
    }
}

/// Reads what there is. Returns how much; 0 is the end, `None` that there is nothing yet.
fn read_some(stream: &mut impl Read, into: &mut Vec<u8>) -> io::Result<Option<usize>> {
    let mut chunk = [0; 65536];
    match stream.read(&mut chunk) {
        Ok(length) => {
            into.extend_from_slice(&chunk[..length]);
            Ok(Some(length))
        }
        Err(err) if matches!(err.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Ok(None),
        Err(err) => Err(err),
    }
}
