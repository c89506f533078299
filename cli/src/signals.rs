//! Being asked to stop: at once while nothing is changed, after the current step of a run.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::error::{Error, Result};
use crate::exit::Exit;

/// Signals that ask a process to stop.
const STOP: [i32; 2] = [SIGINT, SIGTERM];

/// Ends this process at once when it is asked to stop, for as long as this lives.
#[derive(Debug)]
pub(crate) struct EndAtOnce(Arc<AtomicBool>);

impl EndAtOnce {
    /// Watches for the signals that ask to stop.
    ///
    /// # Errors
    /// When the system refuses the handlers.
    pub(crate) fn watch() -> Result<Self> {
        let armed = Arc::new(AtomicBool::new(true));
        for signal in STOP {
            let status = Exit::Interrupted as i32;
            signal_hook::flag::register_conditional_shutdown(signal, status, Arc::clone(&armed))
                .map_err(refused)?;
        }
        Ok(Self(armed))
    }

    /// Leaves the signals to somebody else from here on.
    pub(crate) fn disarm(&self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

/// Whether this process was asked to stop.
#[derive(Debug, Clone)]
pub(crate) struct Interrupt {
    asked: Arc<AtomicBool>,
    hung_up: Arc<AtomicBool>,
}

impl Interrupt {
    /// Makes the signals that end a process ask it instead.
    ///
    /// # Errors
    /// When the system refuses the handlers.
    pub(crate) fn watch() -> Result<Self> {
        let interrupt = Self::never();
        for signal in STOP {
            signal_hook::flag::register(signal, Arc::clone(&interrupt.asked)).map_err(refused)?;
        }
        signal_hook::flag::register(SIGHUP, Arc::clone(&interrupt.hung_up)).map_err(refused)?;
        Ok(interrupt)
    }

    /// Returns what is never asked: for what is over at once.
    pub(crate) fn never() -> Self {
        Self { asked: Arc::default(), hung_up: Arc::default() }
    }

    /// Returns whether this process was asked to stop. A terminal that is gone asks for nothing: what was consented
    /// to is done to its end, for the host must not stay between two states because a connection broke.
    pub(crate) fn asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// Returns whether nobody is there to answer: asked to stop, or the terminal is gone.
    pub(crate) fn nobody_answers(&self) -> bool {
        self.asked() || self.hung_up.load(Ordering::Relaxed)
    }
}

fn refused(err: io::Error) -> Error {
    Error::io("a signal handler", err)
}
