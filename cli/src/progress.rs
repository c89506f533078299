//! Watching a run: later rounds are shown before they run, steps as they end, and what takes long while it lasts.

use std::io::{self, IsTerminal};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use hoststate_core::plan::planned::Plan;
use hoststate_core::record::report::StepReport;
use hoststate_core::run::apply::{Activate, Watcher};

use crate::args::Format;
use crate::render;
use crate::render::escape::visible_line;
use crate::session::{Session, say};
use crate::signals::Interrupt;

/// How often the seconds of a step are shown.
const TICK: Duration = Duration::from_secs(1);

/// Characters of a step that are shown while it lasts: a line that wraps cannot be taken back.
const SHOWN: usize = 60;

/// Shows a run.
#[derive(Debug)]
pub(crate) struct Progress<'a> {
    session: &'a Session,
    activate: Activate,
    interrupt: Interrupt,
    rounds: usize,
    first_is_shown: bool,
    ticker: Option<Ticker>,
}

impl<'a> Progress<'a> {
    /// Returns a watcher of a run whose first round was already shown.
    pub(crate) fn new(session: &'a Session, activate: Activate, interrupt: Interrupt) -> Self {
        Self { session, activate, interrupt, rounds: 0, first_is_shown: true, ticker: None }
    }

    /// Returns a watcher of a run of which nothing was shown.
    pub(crate) fn from_the_start(session: &'a Session, activate: Activate, interrupt: Interrupt) -> Self {
        Self { first_is_shown: false, ..Self::new(session, activate, interrupt) }
    }

    fn print(&self, text: &str) {
        if self.session.format == Format::Text {
            // A run does not stop because its reader cannot be reached; the exit status tells how it ended.
            self.session.print(text).unwrap_or_default();
        }
    }
}

impl Watcher for Progress<'_> {
    fn round(&mut self, plan: &Plan) {
        self.rounds += 1;
        if self.rounds == 1 && self.first_is_shown {
            self.print("\n");
        } else {
            let head = if self.rounds == 1 { "" } else { "\nNow that this is done:\n\n" };
            let plan = render::plan::text(&self.session.screen, plan, self.activate);
            self.print(&format!("{head}{plan}\n"));
        }
    }

    fn begin(&mut self, what: &str) {
        if io::stderr().is_terminal() {
            self.ticker = Some(Ticker::start(what, self.interrupt.clone()));
        }
    }

    fn end(&mut self, step: &StepReport) {
        if let Some(ticker) = self.ticker.take() {
            ticker.stop();
        }
        self.print(&render::report::step(&self.session.screen, step));
    }

    fn interrupted(&self) -> bool {
        self.interrupt.asked()
    }
}

/// Shows on a terminal which step lasts, and how long.
#[derive(Debug)]
struct Ticker {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Ticker {
    fn start(what: &str, interrupt: Interrupt) -> Self {
        let shown: String = visible_line(what).chars().take(SHOWN).collect();
        let start = Instant::now();
        let (stop, stopped) = mpsc::channel();
        let thread = thread::spawn(move || {
            while stopped.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                let note = if interrupt.asked() { ", then stops" } else { "" };
                say(format_args!("\r\x1b[2K  {shown} ({} s{note})", start.elapsed().as_secs()));
            }
            say(format_args!("\r\x1b[2K"));
        });
        Self { stop, thread }
    }

    fn stop(self) {
        drop(self.stop);
        // The thread only writes to a stream that forgives everything.
        self.thread.join().unwrap_or_default();
    }
}
