//! What is wrong with a playbook: what, where, and how to mend it.

use hoststate_core::error::Error as EngineError;
use hoststate_core::language::declaration::Origin;
use hoststate_core::language::notation::Notation;
use hoststate_core::language::registry::Rejected;

use crate::facts::Facts;

/// An error of a playbook. `Display` says what.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{what}", .kind.as_ref().map(|it| format!("{it}: ")).unwrap_or_default())]
pub struct Error {
    /// The type whose declaration it is about, if it is about one's.
    pub kind: Option<Box<str>>,
    /// What is wrong, without the place and the type.
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
        Self { kind: None, what: what.into(), origin: None, hint: Some(hint.into()), callers: Vec::new() }
    }

    /// Returns this error at that line.
    pub fn at(self, origin: Option<Origin>) -> Self {
        Self { origin, ..self }
    }

    /// Returns an error about a declaration. Where a host is known, so is the id of a device whose address was given.
    pub fn of_declaration(rejected: &Rejected, facts: &dyn Facts) -> Self {
        let error = Self::of_engine(&rejected.source);
        let Some(address) = rejected.address_for_id().map(|it| it.to_string()) else { return error };
        // A host that cannot be read is an error of its own, where it is needed.
        let Ok(devices) = facts.devices() else { return error };
        match devices.iter().find(|it| it.address == address) {
            Some(device) => {
                let id = format!("{}:{}", device.vendor, device.device);
                let notation = Notation::of(&rejected.declaration);
                let write = notation.field("ids", &serde_json::json!([id]));
                let hint = format!("That is the address of a device, and its id is {id}. Write `{write}`.");
                Self { hint: Some(hint), ..error }
            }
            None => error,
        }
    }

    /// Returns an error of the engine as one of a playbook.
    pub fn of_engine(err: &EngineError) -> Self {
        let (kind, what) = match err {
            EngineError::Misdeclared { kind, what, .. } => (Some(kind.as_str().into()), what.clone()),
            other => (None, other.to_string()),
        };
        Self { kind, what, origin: None, hint: err.hint(), callers: Vec::new() }
    }
}
