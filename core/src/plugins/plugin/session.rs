//! A conversation with one plugin: the handshake, then requests and answers, until one of them goes wrong.

use std::path::{Path, PathBuf};
use std::time::Duration;

use hoststate_abi::message::{
    Answer, Asks, Describe, Description, FEATURES, Hello, Inspect, Inspection, Message, PROTOCOL, Request,
    Response, Seconds, User,
};

use crate::error::{Error, Result};
use crate::language::external_type::check_description;
use crate::plugins::plugin::file;
use crate::plugins::plugin::process::{Failure, Process};

/// Exit status of a child that could not become the plugin; what it wrote to standard error says why.
pub const CANNOT_START: i32 = 127;

/// How much of an answer that is none is shown.
const SHOWN: usize = 120;

/// A plugin that runs and speaks our protocol.
#[derive(Debug)]
pub struct Session {
    path: PathBuf,
    root: PathBuf,
    process: Process,
    requests: u64,
    limit: Duration,
}

impl Session {
    /// Starts the plugin with these bytes; `path` is the name it is known by, `program` is hoststate.
    ///
    /// # Errors
    /// When it does not start, or speaks no protocol that we speak.
    pub fn open(program: &Path, path: &Path, bytes: &[u8], asks: &Asks) -> Result<Self> {
        let mut session = Self::start(program, path, bytes, Path::new("/"), asks.user, asks.seconds)?;
        session.meet()?;
        Ok(session)
    }

    /// Returns the root of the host that it was started for: it may see no other tree.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Waits for a plugin that was started, and shakes hands with it.
    ///
    /// # Errors
    /// When it does not start, or speaks no protocol that we speak.
    pub fn meet(&mut self) -> Result<()> {
        let features = FEATURES.map(str::to_owned).to_vec();
        self.greet(Hello { protocol: PROTOCOL, oldest: PROTOCOL, features })
    }

    /// Starts the plugin for the host below `root`, without a handshake, and does not wait until it is there.
    ///
    /// # Errors
    /// When there can be no child for it.
    pub fn start(
        program: &Path,
        path: &Path,
        bytes: &[u8],
        root: &Path,
        user: User,
        limit: Seconds,
    ) -> Result<Self> {
        let cannot = |err: std::io::Error| {
            let hint = "Plugins need memfd_create(2) of Linux 3.17, and `vm.memfd_noexec` must not be 2.";
            Error::plugin(path, format!("cannot be started: {err}"), hint)
        };
        let file = file::sealed(bytes).map_err(cannot)?;
        let name = path.file_name().unwrap_or_default();
        let process = Process::start(program, &file, name, root, user).map_err(cannot)?;
        let limit = Duration::from_secs(limit.get().into());
        Ok(Self { path: path.to_owned(), root: root.to_owned(), process, requests: 0, limit })
    }

    /// Says which protocols we speak.
    ///
    /// # Errors
    /// When the plugin speaks none of them.
    pub(super) fn greet(&mut self, hello: Hello) -> Result<()> {
        let Hello { protocol, oldest, ref features } = hello;
        let known = features.clone();
        match self.ask(Request::Hello(hello))? {
            Answer::Hello(welcome) if !(oldest..=protocol).contains(&welcome.protocol) => {
                let what = format!(
                    "it speaks version {} of the protocol, this hoststate speaks {protocol}",
                    welcome.protocol
                );
                Err(self.wrong(what, "Use a build of the plugin for this hoststate, or a newer hoststate."))
            }
            Answer::Hello(welcome) => match welcome.features.iter().find(|it| !known.contains(it)) {
                Some(unknown) => Err(self.wrong(
                    format!("it uses the feature {unknown:?}, which this hoststate does not have"),
                    "Use a newer hoststate.",
                )),
                None => Ok(()),
            },
            Answer::Error(refusal) => {
                Err(Error::Plugin { path: self.path.clone(), what: refusal.what, hint: refusal.hint })
            }
            other => Err(self.mixed_up("hello", &other)),
        }
    }

    /// Asks for the types.
    ///
    /// # Errors
    /// When the answer is none, or describes types that playbooks could not use.
    pub fn describe(&mut self) -> Result<Description> {
        let description = match self.ask(Request::Describe(Describe::default()))? {
            Answer::Describe(description) => description,
            Answer::Error(refusal) => {
                return Err(Error::Plugin {
                    path: self.path.clone(),
                    what: refusal.what,
                    hint: refusal.hint,
                });
            }
            other => return Err(self.mixed_up("describe", &other)),
        };
        for described in &description.types {
            check_description(described)?;
        }
        if let Some(program) = description.asks.runs.iter().find(|it| !it.is_absolute() || is_shell(it)) {
            let what = format!("it asks to run {}", program.display());
            return Err(self.wrong(what, "Programs are named by absolute path, and a shell is never run."));
        }
        let is_path = |it: &&String| it.starts_with('/') && !it.split('/').any(|name| name == "..");
        if let Some(pattern) = description.asks.writes.iter().flatten().find(|it| !is_path(it)) {
            let what = format!("it asks to write {pattern:?}");
            return Err(self.wrong(what, "What is written is named by absolute path, without `..`."));
        }
        Ok(description)
    }

    /// Asks how a host differs from a declaration.
    ///
    /// # Errors
    /// When the plugin says that it cannot be compared, or does not answer.
    pub fn inspect(&mut self, inspect: Inspect) -> Result<Inspection> {
        match self.ask(Request::Inspect(Box::new(inspect)))? {
            Answer::Inspect(inspection) => Ok(inspection),
            Answer::Error(refusal) => Err(Error::Invalid { what: refusal.what, hint: refusal.hint }),
            other => Err(self.mixed_up("inspect", &other)),
        }
    }

    fn ask(&mut self, request: Request) -> Result<Answer> {
        self.requests += 1;
        let message = Message { id: self.requests, request };
        let line = serde_json::to_vec(&message).map_err(std::io::Error::from)?;
        let answer = self.exchange(&line)?;
        let response: Response = serde_json::from_slice(&answer).map_err(|err| {
            let what = format!("its answer is not one of the protocol: {err}: {}", shown(&answer));
            self.wrong(what, "docs/plugins.md says what an answer looks like.")
        })?;
        if response.id == self.requests {
            return Ok(response.answer);
        }
        let what = format!("it answered request {} with the number {}", self.requests, response.id);
        Err(self.wrong(what, "Each request is answered by one line that repeats its `id`."))
    }

    /// Writes a line, whatever is in it, and returns the line that answers it.
    ///
    /// # Errors
    /// When none comes.
    pub(super) fn exchange(&mut self, line: &[u8]) -> Result<Vec<u8>> {
        let failure = match self.process.exchange(line, self.limit) {
            Ok(answer) => return Ok(answer),
            Err(failure) => failure,
        };
        let (what, hint) = match failure {
            Failure::Silent => (
                format!("it did not answer within {} s and was ended", self.limit.as_secs()),
                "It hangs or loops. One that needs longer asks for it with `asks.seconds`.".to_owned(),
            ),
            Failure::TooMuch => (
                "it wrote more than 8 MiB as one answer and was ended".to_owned(),
                "An answer is one line; is a line end missing?".to_owned(),
            ),
            Failure::Surplus(bytes) => (
                format!("it wrote more than the one line it was asked for: {}", shown(&bytes)),
                "Messages for people go to standard error.".to_owned(),
            ),
            Failure::Ended { code: Some(CANNOT_START), stderr, .. } if !stderr.is_empty() => {
                (format!("cannot be started: {stderr}"), "`hoststate plugin test` tries it out.".to_owned())
            }
            Failure::Ended { status, stderr, .. } => {
                let said = if stderr.is_empty() { String::new() } else { format!(":\n{stderr}") };
                (
                    format!("it {status} instead of answering{said}"),
                    "This is a bug of the plugin; `hoststate plugin test` tries it out.".to_owned(),
                )
            }
            Failure::Io(err) => (format!("cannot be talked to: {err}"), "Try again.".to_owned()),
        };
        Err(Error::plugin(&self.path, what, hint))
    }

    fn wrong(&self, what: String, hint: &str) -> Error {
        Error::plugin(&self.path, what, hint)
    }

    fn mixed_up(&self, asked: &str, answer: &Answer) -> Error {
        let kind = match answer {
            Answer::Hello(_) => "hello",
            Answer::Describe(_) => "describe",
            Answer::Inspect(_) => "inspect",
            Answer::Error(_) => "error",
        };
        self.wrong(format!("it answered `{asked}` with `{kind}`"), "Answer what was asked.")
    }
}

/// A shell runs whatever it is told, so who lists one lists everything.
fn is_shell(program: &Path) -> bool {
    const SHELLS: [&str; 9] = ["ash", "bash", "busybox", "dash", "env", "fish", "ksh", "sh", "zsh"];
    program.file_name().and_then(|it| it.to_str()).is_some_and(|it| SHELLS.contains(&it))
}

fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(SHOWN)]);
    let more = if bytes.len() > SHOWN { "…" } else { "" };
    format!("{:?}{more}", text.trim_end())
}
