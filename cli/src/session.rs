//! Where results go: standard output once and in one piece, standard error for who waits.

use std::fmt::Arguments;
use std::io::{self, IsTerminal, Write};

use hoststate_core::plan::doubts::Doubt;
use hoststate_core::record::report::Failure;
use serde::Serialize;

use crate::args::{Colour, Format, OutputOptions};
use crate::error::{Error, Result};
use crate::render;
use crate::render::errors;
use crate::render::escape::visible_json;
use crate::render::screen::{Amount, Screen};
use crate::render::shown::Shown;
use crate::signals::{EndAtOnce, Interrupt};

/// The streams of one command.
#[derive(Debug)]
pub(crate) struct Session {
    /// What standard output can show.
    pub(crate) screen: Screen,
    /// How results are written.
    pub(crate) format: Format,
    colour: Colour,
    amount: Amount,
    end_at_once: Option<EndAtOnce>,
}

impl Session {
    /// Lets SIGINT and SIGTERM end this process at once until a run begins.
    pub(crate) fn end_at_once(&mut self, end_at_once: EndAtOnce) {
        self.end_at_once = Some(end_at_once);
    }

    /// Makes SIGINT and SIGTERM ask instead.
    ///
    /// # Errors
    /// When the system refuses the handlers.
    pub(crate) fn interrupt(&self) -> Result<Interrupt> {
        let interrupt = Interrupt::watch()?;
        if let Some(at_once) = &self.end_at_once {
            at_once.disarm();
        }
        Ok(interrupt)
    }

    /// Returns the streams as the options and the environment want them.
    pub(crate) fn new(options: &OutputOptions) -> Self {
        let amount = match (options.quiet, options.verbose) {
            (true, _) => Amount::Less,
            (false, true) => Amount::More,
            (false, false) => Amount::Usual,
        };
        let screen = screen_of(&io::stdout(), options.color, amount);
        Self { screen, format: options.format, colour: options.color, amount, end_at_once: None }
    }

    /// Writes text to standard output.
    ///
    /// # Errors
    /// When it cannot be written; a reader who has gone away is none: `hoststate plan | head` is no failure, and a
    /// run under way goes on.
    pub(crate) fn print(&self, text: &str) -> Result<()> {
        let mut stdout = io::stdout().lock();
        forgive_closed(stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()))
            .map_err(|err| Error::io("standard output", err))
    }

    /// Writes an answer to standard output, in the format that is wanted.
    ///
    /// # Errors
    /// As for [`Self::print`].
    pub(crate) fn show(&self, answer: &impl Shown) -> Result<()> {
        match self.format {
            Format::Json => self.print_json(answer),
            Format::Text => self.print(&answer.text(&self.screen)),
            Format::Prometheus => match answer.metrics() {
                Some(metrics) => self.print(&metrics),
                None => Err(no_metrics()),
            },
        }
    }

    /// Writes to standard output what only people are told beside the answer; with JSON, nothing.
    ///
    /// # Errors
    /// As for [`Self::print`].
    pub(crate) fn tell(&self, text: &str) -> Result<()> {
        match self.format {
            Format::Json | Format::Prometheus => Ok(()),
            Format::Text => self.print(text),
        }
    }

    /// Writes one JSON value to standard output.
    ///
    /// # Errors
    /// As for [`Self::print`].
    pub(crate) fn print_json(&self, value: &impl Serialize) -> Result<()> {
        let mut text = serde_json::to_string_pretty(value)
            .map_err(|err| Error::io("the result", io::Error::from(err)))?;
        text.push('\n');
        self.print(&visible_json(&text))
    }

    /// Shows on standard error what looks wrong in a playbook.
    pub(crate) fn warn(&self, doubt: &Doubt) {
        let screen = screen_of(&io::stderr(), self.colour, self.amount);
        say(format_args!("{}", errors::doubt(&screen, doubt)));
    }

    /// Shows on standard error what looks wrong in a playbook, unless the answer has it.
    pub(crate) fn warn_in_text(&self, doubt: &Doubt) {
        match self.format {
            Format::Json => {}
            Format::Text | Format::Prometheus => self.warn(doubt),
        }
    }

    /// Shows an error: on standard error; with JSON, also as an object on standard output.
    pub(crate) fn fail(&self, error: &Error) {
        if self.format == Format::Json {
            // The exit status still tells when standard output cannot.
            self.print_json(&errors::json(error)).unwrap_or_default();
        }
        let screen = self.screen_of(&io::stderr());
        say(format_args!("{}", errors::text(&screen, error)));
    }
}

impl Session {
    /// Returns what `stream` can show, as the options and the environment want it.
    pub(crate) fn screen_of<S: IsTerminal + std::os::fd::AsFd>(&self, stream: &S) -> Screen {
        screen_of(stream, self.colour, self.amount)
    }

    /// Shows on standard error what kept a run from beginning.
    pub(crate) fn say_failure(&self, failure: &Failure) {
        let mut text = String::new();
        render::report::failure(&mut text, &self.screen_of(&io::stderr()), failure);
        say(format_args!("{text}"));
    }

    /// Returns whether a person sees what is printed: text, on a terminal.
    pub(crate) fn is_on_terminal(&self) -> bool {
        self.format == Format::Text && io::stdout().is_terminal()
    }
}

/// Says that a command has no metrics.
pub(crate) fn no_metrics() -> Error {
    Error::input(
        "only `hoststate verify` has metrics".to_owned(),
        "Give --format text or --format json, or ask `hoststate verify --format prometheus`.",
    )
}

/// Writes to standard error. Nobody can be told when that fails.
pub(crate) fn say(text: Arguments<'_>) {
    io::stderr().lock().write_fmt(text).unwrap_or_default();
}

/// Returns what a stream can show.
fn screen_of<S: IsTerminal + std::os::fd::AsFd>(stream: &S, colour: Colour, amount: Amount) -> Screen {
    let is_terminal = stream.is_terminal();
    let colour = match colour {
        Colour::Always => true,
        Colour::Never => false,
        // Present and not empty, whatever it says (no-color.org).
        Colour::Auto => is_terminal && std::env::var_os("NO_COLOR").is_none_or(|it| it.is_empty()),
    };
    let width = is_terminal.then(|| width_of(stream));
    Screen { colour, width, unicode: is_terminal && is_utf8(), amount }
}

/// Returns whether the locale's characters are UTF-8; of these variables the first that is set and not empty counts
/// (locale(7)).
fn is_utf8() -> bool {
    let set = |name| std::env::var(name).ok().filter(|it| !it.is_empty());
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set).unwrap_or_default();
    let codeset = locale.split_once('.').map_or("", |it| it.1).to_ascii_lowercase();
    codeset.starts_with("utf-8") || codeset.starts_with("utf8")
}

fn width_of(stream: &impl std::os::fd::AsFd) -> usize {
    /// Terminals that do not know their size, serial lines for example, are this wide.
    const USUAL: usize = 80;
    match rustix::termios::tcgetwinsize(stream) {
        Ok(size) if size.ws_col > 0 => usize::from(size.ws_col),
        Ok(_) | Err(_) => USUAL,
    }
}

fn forgive_closed(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(err) if err.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        // A terminal that is gone.
        Err(err) if err.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error()) => Ok(()),
        other => other,
    }
}
