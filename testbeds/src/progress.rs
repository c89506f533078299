//! What the testbeds print: lines with the seconds since the start, tables, failures.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a testbed is a program for a terminal and a log; it prints here and nowhere else"
)]

use std::{error::Error, time::Instant};

/// Prints one line of a listing or a table as it is.
pub(crate) fn plain(text: &str) {
    println!("{text}");
}

/// Prints an error with its causes.
pub(crate) fn failure(err: &dyn Error) {
    eprint!("error: {err}");
    let mut source = err.source();
    while let Some(cause) = source {
        eprint!(": {cause}");
        source = cause.source();
    }
    eprintln!();
}

/// Prints lines that carry the seconds since it was made.
pub(crate) struct Progress {
    start: Instant,
    name: String,
}

impl Progress {
    /// Starts the clock; `name` stands in every line.
    pub(crate) fn new(name: impl Into<String>) -> Self {
        Self { start: Instant::now(), name: name.into() }
    }

    /// Prints one line: seconds, name, text.
    pub(crate) fn line(&self, text: &str) {
        println!("{:7.1} s  {}: {text}", self.seconds(), self.name);
    }

    /// Seconds since the start.
    pub(crate) fn seconds(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }
}
