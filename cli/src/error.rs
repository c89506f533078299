//! What can go wrong in the command, beside what goes wrong in the engine.

use std::io;

use hoststate_core::error::{Error as EngineError, Several};
use hoststate_core::language::declaration::{Origin, ResourceId};
use hoststate_core::language::json_playbook::Misplaced;
use hoststate_core::language::registry::{Declared, Rejected};

/// `Result` with this crate's error.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of the command. `Display` says what, [`Error::at`] where, [`Error::hint`] how to mend it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// An error of the engine.
    #[error(transparent)]
    Engine(Box<EngineError>),
    /// An error of the engine that a declaration caused.
    #[error("{source}")]
    Declared {
        /// Where it was declared.
        at: Origin,
        /// What went wrong.
        source: Box<EngineError>,
    },
    /// A playbook that is no playbook.
    #[error("{0}")]
    Playbook(#[from] hoststate_lua::error::Error),
    /// The command line or an input of the command is not what it should be.
    #[error("{what}")]
    Input {
        /// What is wrong.
        what: String,
        /// How to mend it.
        hint: Option<String>,
    },
    /// All that is wrong with a playbook, where that is more than one thing.
    #[error("{}", .0.first())]
    Several(Several<Error>),
    /// A saved plan is not what the host needs now.
    #[error("the host changed since this plan was made, or the plan was edited")]
    PlanDiffers {
        /// Unified diff from the saved plan to the fresh one.
        diff: String,
    },
    /// Files were changed after the run that shall be undone.
    #[error("run {run} cannot be taken out of what was changed since: {}", .places.join(", "))]
    ChangedSince {
        /// The run.
        run: String,
        /// The files with lines, and who changed them.
        places: Vec<String>,
        /// Unified diffs from what the run left to what is there.
        diff: String,
    },
    /// A file or stream failed.
    #[error("{what}")]
    Io {
        /// What was tried, with the name.
        what: String,
        /// What the system answered.
        source: io::Error,
    },
}

impl Error {
    /// Returns an error of an input, with a hint.
    pub(crate) fn input(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Input { what: what.into(), hint: Some(hint.into()) }
    }

    /// Returns an error of a file or stream.
    pub(crate) fn io(what: impl Into<String>, source: io::Error) -> Self {
        Self::Io { what: what.into(), source }
    }

    /// Returns this error of planning with the line of the declaration it belongs to.
    pub(crate) fn planning(source: EngineError, declared: &[Declared]) -> Self {
        let source = Box::new(source);
        let origin = match source.as_ref() {
            EngineError::Resource { resource, .. } => origin_of(resource, declared),
            _ => None,
        };
        match origin {
            Some(at) => Self::Declared { at, source },
            None => Self::Engine(source),
        }
    }

    /// Returns where it is.
    pub(crate) fn at(&self) -> Option<String> {
        match self {
            Self::Declared { at, .. } => Some(at.to_string()),
            Self::Playbook(err) => {
                let places: Vec<String> =
                    err.origin.iter().chain(&err.callers).map(ToString::to_string).collect();
                (!places.is_empty()).then(|| places.join(", called from "))
            }
            Self::Several(all) => all.first().at(),
            _ => None,
        }
    }

    /// Returns each error of several, else this one.
    pub(crate) fn each(&self) -> Vec<&Self> {
        match self {
            Self::Several(all) => all.iter().flat_map(Self::each).collect(),
            one => vec![one],
        }
    }

    /// Returns how to mend it, as a sentence.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Engine(source) | Self::Declared { source, .. } => source.hint(),
            Self::Input { hint, .. } => hint.clone(),
            Self::Playbook(err) => err.hint.clone(),
            Self::Several(all) => all.first().hint(),
            Self::PlanDiffers { .. } => {
                Some("Look at the differences below (- saved, + now), then plan again.".to_owned())
            }
            Self::ChangedSince { .. } => {
                Some("Undo the newer run first, or lose what the diff below shows with --force.".to_owned())
            }
            Self::Io { source, .. } => match source.kind() {
                io::ErrorKind::PermissionDenied => Some("Run as root.".to_owned()),
                _ => None,
            },
        }
    }

    /// Returns what the system answered, where the text does not say it.
    pub(crate) fn cause(&self) -> Option<&io::Error> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::Several(all) => all.first().cause(),
            _ => None,
        }
    }

    /// Returns a diff that belongs to it.
    pub(crate) fn diff(&self) -> Option<&str> {
        match self {
            Self::PlanDiffers { diff } | Self::ChangedSince { diff, .. } => Some(diff),
            _ => None,
        }
    }
}

impl From<EngineError> for Error {
    fn from(source: EngineError) -> Self {
        Self::Engine(Box::new(source))
    }
}

impl<E: Into<Error>> From<Several<E>> for Error {
    fn from(errors: Several<E>) -> Self {
        match errors.is_single() {
            true => errors.into_first().into(),
            false => Self::Several(errors.map(E::into)),
        }
    }
}

impl From<Rejected> for Error {
    fn from(Rejected { declaration, source, .. }: Rejected) -> Self {
        let source = Box::new(source);
        match declaration.playbook {
            Some(at) => Self::Declared { at, source },
            None => Self::Engine(source),
        }
    }
}

impl From<Misplaced> for Error {
    fn from(Misplaced { at, source }: Misplaced) -> Self {
        Self::Declared { at, source: Box::new(source) }
    }
}

fn origin_of(resource: &ResourceId, declared: &[Declared]) -> Option<Origin> {
    declared.iter().find(|it| it.id == *resource)?.declaration.playbook.clone()
}
