//! Starts every process of the testbeds: bounded in time and in a group of its own.
#![expect(
    clippy::disallowed_methods,
    reason = "a testbed drives real tools from outside; it is not part of the engine and starts them here only"
)]

use std::{
    ffi::{OsStr, OsString},
    io::{Read, Write},
    os::unix::process::{CommandExt, ExitStatusExt},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::error::{Error, Result};

/// Enough for any single tool that is not a build.
const USUAL_LIMIT: Duration = Duration::from_secs(120);
/// How often a running process is looked at; short beside the fastest tool that matters here.
const POLL: Duration = Duration::from_millis(2);
/// How much of an output an error repeats.
const SHOWN_OUTPUT: usize = 2000;

/// A program to start, with its arguments, environment and time limit.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    argv: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    limit: Duration,
    input: Vec<u8>,
}

/// What a process left behind.
#[derive(Debug)]
pub(crate) struct Finished {
    /// Exit status; 128 plus the number for a signal, as shells count.
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Call {
    /// The first word is the program; it is looked up in `PATH`.
    pub(crate) fn new<S: AsRef<OsStr>>(argv: impl IntoIterator<Item = S>) -> Self {
        Self {
            argv: argv.into_iter().map(|it| it.as_ref().into()).collect(),
            environment: vec![("LC_ALL".into(), "C".into())],
            limit: USUAL_LIMIT,
            input: Vec::new(),
        }
    }

    /// Appends arguments.
    pub(crate) fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.argv.extend(args.into_iter().map(|it| it.as_ref().into()));
        self
    }

    /// Adds a variable to the inherited environment.
    pub(crate) fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Replaces the usual time limit.
    pub(crate) fn within(mut self, seconds: u64) -> Self {
        self.limit = Duration::from_secs(seconds);
        self
    }

    /// What it reads on standard input; nothing unless this is said.
    pub(crate) fn input(mut self, bytes: &[u8]) -> Self {
        self.input = bytes.into();
        self
    }

    /// Runs to the end and returns status and output, whatever the status is.
    pub(crate) fn finish(&self) -> Result<Finished> {
        let mut child = self.spawn(Stdio::piped)?;
        if let Some(pipe) = child.stdin.take() {
            feed(pipe, self.input.clone());
        }
        let stdout = drain(child.stdout.take());
        let stderr = drain(child.stderr.take());
        let status = self.wait(&mut child);
        // A tool may leave a background process that holds the pipes; it must not hold the testbed.
        end_group(&child);
        let stdout = stdout.join().unwrap_or_default();
        let stderr = stderr.join().unwrap_or_default();
        match status? {
            Some(status) => Ok(Finished { status: number(status), stdout, stderr }),
            None => {
                Err(Error::TooSlow { argv: self.shown(), limit: self.limit, stderr: tail(&stderr).into() })
            }
        }
    }

    /// Runs to the end and returns standard output; any status but 0 is an error.
    pub(crate) fn succeed(&self) -> Result<String> {
        let finished = self.finish()?;
        if finished.status == 0 {
            return Ok(finished.stdout);
        }
        let output = format!("{}{}", finished.stdout, finished.stderr);
        Err(Error::Failed { argv: self.shown(), status: finished.status, output: tail(&output).into() })
    }

    /// Runs with the output going where ours goes; returns the status.
    pub(crate) fn pass_through(&self) -> Result<i32> {
        let mut child = self.spawn(Stdio::inherit)?;
        let status = self.wait(&mut child);
        end_group(&child);
        match status? {
            Some(status) => Ok(number(status)),
            None => {
                Err(Error::TooSlow { argv: self.shown(), limit: self.limit, stderr: "(shown above)".into() })
            }
        }
    }

    /// Runs on the terminal that we have, for as long as the person there likes.
    pub(crate) fn on_terminal(&self) -> Result<()> {
        let (program, args) = self.words()?;
        Command::new(program)
            .args(args)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .status()
            .map_err(|source| Error::Start { argv: self.shown(), source })?;
        Ok(())
    }

    /// Starts it and leaves it running, with its output in a file; it is killed when the returned value goes.
    pub(crate) fn start(&self, output: &fs_err::File) -> Result<Running> {
        let output = output.file();
        let (program, args) = self.words()?;
        let child = Command::new(program)
            .args(args)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output.try_clone()?)
            .process_group(0)
            .spawn()
            .map_err(|source| Error::Start { argv: self.shown(), source })?;
        Ok(Running { child })
    }

    fn words(&self) -> Result<(&OsString, &[OsString])> {
        self.argv.split_first().ok_or_else(|| Error::Start {
            argv: String::new(),
            source: std::io::Error::other("no program named"),
        })
    }

    fn spawn(&self, output: fn() -> Stdio) -> Result<Child> {
        let (program, args) = self.words()?;
        let input = if self.input.is_empty() { Stdio::null() } else { Stdio::piped() };
        Command::new(program)
            .args(args)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(input)
            .stdout(output())
            .stderr(output())
            .process_group(0)
            .spawn()
            .map_err(|source| Error::Start { argv: self.shown(), source })
    }

    /// Waits until the limit; `None` when the process had to be killed.
    fn wait(&self, child: &mut Child) -> Result<Option<ExitStatus>> {
        let deadline = Instant::now() + self.limit;
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(Some(status));
            }
            if Instant::now() >= deadline {
                end_group(child);
                child.wait()?;
                return Ok(None);
            }
            thread::sleep(POLL);
        }
    }

    fn shown(&self) -> String {
        let words: Vec<_> = self.argv.iter().map(|it| it.to_string_lossy()).collect();
        words.join(" ")
    }
}

/// A process that runs beside the testbed.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
}

impl Running {
    /// Whether it has ended.
    pub(crate) fn ended(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// Waits for its end; returns whether it came in time.
    pub(crate) fn wait(&mut self, seconds: u64) -> Result<bool> {
        let deadline = Instant::now() + Duration::from_secs(seconds);
        while !self.ended()? {
            if Instant::now() >= deadline {
                return Ok(false);
            }
            thread::sleep(POLL);
        }
        Ok(true)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        end_group(&self.child);
        match self.child.wait() {
            // It was reaped before.
            Ok(_) | Err(_) => {}
        }
    }
}

fn end_group(child: &Child) {
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    if let Some(group) = group {
        match kill_process_group(group, Signal::KILL) {
            // Nobody is left in the group: that is the usual case.
            Ok(()) | Err(_) => {}
        }
    }
}

fn feed(mut pipe: impl Write + Send + 'static, bytes: Vec<u8>) {
    thread::spawn(move || match pipe.write_all(&bytes) {
        // A program need not read all that it is given.
        Ok(()) | Err(_) => {}
    });
}

fn drain(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            match pipe.read_to_end(&mut bytes) {
                // A pipe that breaks has still given what came before.
                Ok(_) | Err(_) => {}
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

fn number(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

/// The end of a text, cut at a character.
pub(crate) fn tail(text: &str) -> &str {
    let mut start = text.len().saturating_sub(SHOWN_OUTPUT);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    text[start..].trim()
}
