//! The one error of the testbeds, and the check that makes one.

use std::{io, path::PathBuf, time::Duration};

/// Why a testbed stopped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// `fs_err` names the path in its message.
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("cannot start `{argv}`")]
    Start { argv: String, source: io::Error },
    #[error("`{argv}` did not end within {limit:?}; the end of its standard error: {stderr}")]
    TooSlow { argv: String, limit: Duration, stderr: String },
    #[error("`{argv}` ended with status {status}; the end of its output: {output}")]
    Failed { argv: String, status: i32, output: String },
    #[error("{what} did not come in time")]
    Silent { what: String },
    #[error("{what}\n  expected: {expected}\n  found:    {found}")]
    Unexpected { what: String, expected: String, found: String },
    #[error("there is no {kind} {name:?}; there are: {known}")]
    Unknown { kind: &'static str, name: String, known: String },
    #[error("no apt source with a mirror of {name} in {}; {variable}=ADDRESS names one", places.iter().map(|it| it.display().to_string()).collect::<Vec<_>>().join(", "))]
    NoMirror { name: &'static str, variable: &'static str, places: Vec<PathBuf> },
    #[error("the container beds need root: they mount file systems and make namespaces")]
    NotRoot,
    #[error("{at}: {message}{}", through.as_ref().map(|it| format!("\n  called at {it}")).unwrap_or_default())]
    Scenario { at: String, through: Option<String>, message: String },
    #[error("{name}: the stored text (-) is not what was found (+):\n{diff}")]
    Differs { name: String, diff: String },
    #[error("there is no {name} beside the scenario; `--bless` would store this as {name}:\n{found}")]
    NoExpectation { name: String, found: String },
    #[error("step `{step}`: {reason}")]
    Argument { step: String, reason: String },
    #[error("{count} of the scenarios failed: {names}")]
    Scenarios { count: usize, names: String },
    #[error("{what} is not JSON")]
    Json { what: String, source: serde_json::Error },
}

/// A result of the testbeds.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

/// Fails with what was expected and what was found, unless `holds`.
pub(crate) fn check(
    holds: bool,
    what: impl Into<String>,
    expected: impl Into<String>,
    found: impl Into<String>,
) -> Result<()> {
    if holds {
        return Ok(());
    }
    Err(Error::Unexpected { what: what.into(), expected: expected.into(), found: found.into() })
}
