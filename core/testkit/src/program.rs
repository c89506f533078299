//! Programs that tests run, with an environment that says nothing, and what they answer.

#![expect(clippy::disallowed_methods, reason = "tests start programs here")]

use std::ffi::OsStr;
use std::fmt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// What a program answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its exit status; `None` where a signal ended it.
    pub status: Option<i32>,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl Answer {
    /// Returns what a program that ended answered.
    ///
    /// # Panics
    /// When that is not UTF-8.
    pub fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("a program that writes UTF-8");
        Self { status: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Returns what was answered, with every text as `change` makes it.
    #[must_use]
    pub fn map(self, change: impl Fn(&str) -> String) -> Self {
        Self { stdout: change(&self.stdout), stderr: change(&self.stderr), ..self }
    }
}

/// What a person sees, and what a script would look at.
impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.status.map_or("signal".to_owned(), |it| it.to_string());
        writeln!(f, "{}{}exit {status}", self.stdout, self.stderr)
    }
}

/// Returns `program` with the words of a line as its arguments, to be run in `directory`: without the environment of the
/// test, and without anything to read.
pub fn program(program: impl AsRef<OsStr>, words: &str, directory: &Path) -> Command {
    let mut command = Command::new(program);
    command.args(words.split_whitespace()).current_dir(directory).env_clear().stdin(Stdio::null());
    command
}

/// Runs a command to its end.
///
/// # Panics
/// When it cannot be started, or answers something that is not UTF-8.
pub fn answer(command: &mut Command) -> Answer {
    Answer::of(command.output().unwrap_or_else(|err| panic!("{command:?}: {err}")))
}

/// Runs a command that is to succeed, and returns what it wrote to standard output.
///
/// # Panics
/// When it does not succeed.
pub fn succeed(command: &mut Command) -> String {
    let answer = answer(command);
    assert_eq!(answer.status, Some(0), "{command:?}: {answer}");
    answer.stdout
}
