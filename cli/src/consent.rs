//! Asking on the controlling terminal, wherever standard input and output go.

use std::fs::File;
use std::io::{self, Write};

use hoststate_core::record::report::Failure;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::error::{Error, Result};
use crate::render::screen::Screen;
use crate::session::Session;
use crate::signals::Interrupt;

/// The terminal that this process belongs to (tty(4)).
const TERMINAL: &str = "/dev/tty";

/// How long a signal may go unnoticed while the user thinks.
const PAUSE: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// An answer longer than this is none.
const LONGEST_ANSWER: usize = 4096;

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

/// The terminal at which somebody can be asked.
#[derive(Debug)]
pub(crate) struct Terminal {
    file: File,
    /// What it can show.
    pub(crate) screen: Screen,
}

impl Terminal {
    /// Opens the controlling terminal; `None` where there is none.
    ///
    /// # Errors
    /// When there is one that cannot be opened.
    pub(crate) fn open(session: &Session) -> Result<Option<Self>> {
        match rustix::fs::open(TERMINAL, OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOCTTY, Mode::empty()) {
            Ok(file) => {
                let file = File::from(file);
                let screen = session.screen_of(&file);
                Ok(Some(Self { file, screen }))
            }
            // No such device: this process belongs to no terminal. No such file: there is no /dev.
            Err(Errno::NXIO | Errno::NOENT | Errno::NODEV | Errno::IO) => Ok(None),
            Err(err) => Err(failed(err.into())),
        }
    }

    /// Shows text on the terminal.
    ///
    /// # Errors
    /// When it cannot be shown: what was not seen cannot be agreed to.
    pub(crate) fn show(&self, text: &str) -> Result<()> {
        (&self.file).write_all(text.as_bytes()).map_err(failed)
    }

    /// Asks `question`. Only `y` and `yes` are a yes.
    ///
    /// # Errors
    /// When the terminal cannot be read or written.
    pub(crate) fn ask(&self, question: &str, interrupt: &Interrupt) -> Result<Answer> {
        // What was typed before the question was there answers something else.
        match rustix::termios::tcflush(&self.file, rustix::termios::QueueSelector::IFlush) {
            Ok(()) | Err(_) => {}
        }
        self.show(&format!("\n{question} [y/N] "))?;
        let mut line = Vec::new();
        while !line.contains(&b'\n') && line.len() < LONGEST_ANSWER {
            // A signal may come just before poll(2) is entered, so it does not wait for ever.
            let ready = match rustix::event::poll(&mut [PollFd::new(&self.file, PollFlags::IN)], Some(&PAUSE))
            {
                Ok(ready) => ready > 0,
                Err(Errno::INTR) => false,
                Err(err) => return Err(failed(err.into())),
            };
            if interrupt.nobody_answers() {
                // A terminal that is gone shows nothing more.
                self.show("\n").unwrap_or_default();
                return Ok(Answer::Interrupted);
            }
            if !ready {
                continue;
            }
            let mut chunk = [0; 64];
            match rustix::io::read(&self.file, &mut chunk) {
                Ok(0) | Err(Errno::IO) => break,
                Ok(length) => line.extend_from_slice(&chunk[..length]),
                Err(Errno::INTR) => {}
                Err(err) => return Err(failed(err.into())),
            }
        }
        match String::from_utf8_lossy(&line).trim().to_ascii_lowercase().as_str() {
            "y" | "yes" if line.contains(&b'\n') => Ok(Answer::Yes),
            _ => Ok(Answer::No),
        }
    }
}

/// Returns why nothing is done where nobody can be asked.
pub(crate) fn nobody_to_ask() -> Failure {
    Failure::new("nobody can be asked: this process has no terminal").with_hint(Some(
        "Use --yes to go ahead without a question; `plan` and --check only show what would be done."
            .to_owned(),
    ))
}

fn failed(err: io::Error) -> Error {
    Error::io("the terminal", err)
}
