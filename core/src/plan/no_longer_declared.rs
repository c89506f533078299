//! What earlier runs of an owner set and its playbook no longer declares, as a plan lists it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::language::declaration::{Origin, ResourceId};

/// Something that an earlier run of the same owner set, and that is still there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NoLongerDeclared {
    /// The resource: one parameter, option, module or id where its declaration had a list of them.
    pub resource: ResourceId,
    /// The line that declared it.
    pub playbook: Option<Origin>,
    /// The run that put it in place; null for what was there before the playbook declared it.
    pub run: Option<String>,
    /// What becomes of it.
    #[serde(flatten)]
    pub state: Disposal,
}

/// What becomes of something that is no longer declared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Disposal {
    /// It stays until it is pruned.
    Stays,
    /// This plan takes it out.
    TakenOut,
    /// It is taken out, and the next boot is without it.
    UntilReboot,
    /// It stays, because others declare it too.
    OfOthers {
        /// Those others.
        owners: Vec<String>,
    },
    /// Somebody gave it another value since, which stays.
    Changed {
        /// That value.
        to: String,
    },
    /// It stays, because it cannot be taken out.
    Stuck {
        /// Why.
        reason: String,
    },
}

impl NoLongerDeclared {
    /// Returns whether `--prune` would take it out.
    pub fn can_be_pruned(&self) -> bool {
        matches!(self.state, Disposal::Stays)
    }
}
