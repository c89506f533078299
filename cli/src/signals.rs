//! Being asked to stop: SIGINT and SIGTERM end a run after its current step.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::error::{Error, Result};

/// Whether this process was asked to stop.
#[derive(Debug, Clone)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Makes the signals that end a process ask it instead. A terminal that is closed asks, too.
    ///
    /// # Errors
    /// When the system refuses the handlers.
    pub(crate) fn watch() -> Result<Self> {
        let asked = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            register(signal, &asked).map_err(|err| Error::io("a signal handler", err))?;
        }
        Ok(Self(asked))
    }

    /// Returns what is never asked: for what is over at once.
    pub(crate) fn never() -> Self {
        Self(Arc::default())
    }

    /// Returns whether this process was asked to stop.
    pub(crate) fn asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

fn register(signal: i32, asked: &Arc<AtomicBool>) -> io::Result<()> {
    signal_hook::flag::register(signal, Arc::clone(asked))?;
    Ok(())
}
