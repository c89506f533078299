//! strace: which calls a command makes, and one of them killed or failed.

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It does nothing and returns this error.
    Error(&'static str),
    /// The process gets this signal when it makes the call.
    Signal(&'static str),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(name) | Self::Signal(name) => f.write_str(name),
        }
    }
}

/// A line of a trace.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) name: String,
    text: String,
}

impl Line {
    /// Returns whether the file is opened to change it.
    pub(crate) fn opens_to_write(&self) -> bool {
        ["O_WRONLY", "O_RDWR", "O_CREAT"].iter().any(|it| self.text.contains(it))
    }

    /// Returns whether the call has this word.
    pub(crate) fn names(&self, word: &str) -> bool {
        self.text.contains(word)
    }

    /// Returns whether the call names a file below `root`, or one by a descriptor of it.
    pub(crate) fn is_below(&self, root: &Path) -> bool {
        // A library that cannot be read keeps the program from being one.
        self.text.contains(&*root.to_string_lossy())
            && ![".so", "/usr/bin/hoststate"].iter().any(|it| self.text.contains(it))
    }
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Exit status; 128 plus the number for a signal, as shells count.
    pub(crate) status: i32,
    /// Everything it said.
    pub(crate) said: String,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}exit {}", self.said, self.status)
    }
}

/// Runs a command to its end.
pub(crate) fn answer(command: &mut Command) -> Answer {
    let output = command.output().unwrap();
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let status = output.status.code().unwrap_or_else(|| 128 + output.status.signal().unwrap_or(0));
    Answer { status, said }
}

/// Returns the calls of these names that a command makes, in order.
pub(crate) fn calls(command: &Command, names: &[&str]) -> Vec<Line> {
    let log = tempfile::NamedTempFile::new().unwrap();
    let known = existing(names);
    let options = ["--follow-forks", "--decode-fds=path", "--string-limit=200", "--quiet=all", "--output"];
    let mut options: Vec<OsString> = options.map(OsString::from).to_vec();
    options.extend([log.path().into(), format!("--trace={known}").into()]);
    let done = answer(&mut under(&options, command));
    assert_eq!(done.status, 0, "{done}");
    let text = fs::read_to_string(log.path()).unwrap();
    let lines = text.lines().filter_map(|line| {
        let call = line.trim_start_matches(|it: char| it.is_ascii_digit() || it == ' ');
        let (name, _) = call.split_once('(')?;
        Some(Line { name: name.to_owned(), text: call.to_owned() })
    });
    lines.collect()
}

/// Runs a command with `fault` at its `number`-th call of that name.
pub(crate) fn traced(command: &Command, call: &str, number: usize, fault: Fault) -> Answer {
    let inject = match fault {
        Fault::Error(error) => format!("--inject={call}:error={error}:when={number}"),
        Fault::Signal(signal) => format!("--inject={call}:signal={signal}:when={number}"),
    };
    // With --seccomp-bpf, strace 6.1 injects nothing into calls that begin before it looks.
    let options = ["--follow-forks", "--quiet=all", "--output=/dev/null"];
    let mut options: Vec<OsString> = options.map(OsString::from).to_vec();
    options.extend([format!("--trace={call}").into(), inject.into()]);
    answer(&mut under(&options, command))
}

/// A name with `?` is no error on a machine that has no such call.
fn existing(names: &[&str]) -> String {
    names.iter().map(|it| format!("?{it}")).collect::<Vec<_>>().join(",")
}

/// In a room of its own for processes: the program looks who has a file open, and every other process of the machine
/// would move the numbers of its calls. A shell is the first process there: orphans of plugins fall to the first, and
/// strace 6.1 crashes now and then over a process that it traced and then inherits.
fn under(options: &[OsString], command: &Command) -> Command {
    let mut tracer = Command::new("unshare");
    tracer.args(["--pid", "--mount-proc", "--fork", "--kill-child", "--"]);
    tracer.args(["sh", "-c", r#""$@"; exit $?"#, "sh", "strace"]);
    tracer.args(options).arg("--").arg(command.get_program()).args(command.get_args());
    tracer.env_clear().env("PATH", "/usr/bin:/bin").stdin(std::process::Stdio::null());
    tracer
}
