//! What is wrong with a playbook: what, where, and how to mend it.

use hoststate_core::declaration::Origin;

/// An error of a playbook. `Display` says what.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct Error {
    /// What is wrong, without the place.
    pub what: String,
    /// The line it is about; absent where no line is to blame.
    pub origin: Option<Origin>,
    /// How to mend it, as a sentence.
    pub hint: Option<String>,
    /// The lines that led there, innermost first; empty where `origin` says it all.
    pub callers: Vec<Origin>,
}

impl Error {
    /// Returns an error without a place.
    pub fn new(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { what: what.into(), origin: None, hint: Some(hint.into()), callers: Vec::new() }
    }

    /// Returns this error at that line.
    pub fn at(self, origin: Option<Origin>) -> Self {
        Self { origin, ..self }
    }

    /// Returns an error of the engine as one of a playbook.
    pub fn of_engine(err: &hoststate_core::error::Error) -> Self {
        Self { what: err.to_string(), origin: None, hint: err.hint(), callers: Vec::new() }
    }
}
