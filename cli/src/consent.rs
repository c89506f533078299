//! Asking once, where somebody is there to answer.

use std::io::{self, IsTerminal};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;

use crate::error::{Error, Result};
use crate::session::{Session, say};
use crate::signals::Interrupt;

/// How long a signal may go unnoticed while the user thinks.
const PAUSE: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// What the user answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Go on.
    Yes,
    /// Do not.
    No,
    /// A signal came instead.
    Interrupted,
}

/// Returns whether there is somebody to ask: standard input and standard output are terminals.
pub(crate) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// Asks `question` on the terminal. Only `y` and `yes` are a yes.
///
/// # Errors
/// When the terminal cannot be read.
pub(crate) fn ask(session: &Session, question: &str, interrupt: &Interrupt) -> Result<Answer> {
    session.print(&format!("\n{question} [y/N] "))?;
    let failed = |err: Errno| Error::io("standard input", err.into());
    let stdin = io::stdin();
    let mut line = Vec::new();
    while !line.contains(&b'\n') {
        // A signal may come just before poll(2) is entered, so it does not wait for ever.
        let ready = match rustix::event::poll(&mut [PollFd::new(&stdin, PollFlags::IN)], Some(&PAUSE)) {
            Ok(ready) => ready > 0,
            Err(Errno::INTR) => false,
            Err(err) => return Err(failed(err)),
        };
        if interrupt.nobody_answers() {
            say(format_args!("\n"));
            return Ok(Answer::Interrupted);
        }
        if !ready {
            continue;
        }
        let mut chunk = [0; 64];
        match rustix::io::read(&stdin, &mut chunk).map_err(failed)? {
            0 => break,
            length => line.extend_from_slice(&chunk[..length]),
        }
    }
    match String::from_utf8_lossy(&line).trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(Answer::Yes),
        _ => Ok(Answer::No),
    }
}
