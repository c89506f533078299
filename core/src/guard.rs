//! Reasons not to go on: each with evidence, and an id by which the user can accept it.

use hoststate_abi::host_view::HostView;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::distro::Distro;
use crate::error::Result;
use crate::plan::Change;

/// How serious a hazard is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Nothing is changed unless the user accepts it by its id.
    Refuse,
    /// Shown, and passed.
    Warn,
}

/// A hazard that a guard found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Hazard {
    /// What `--accept` takes; it changes when the hazard changes.
    pub id: String,
    /// How serious it is.
    pub severity: Severity,
    /// The device it is about, by address or name.
    pub device: Option<String>,
    /// What would happen.
    pub message: String,
    /// What a person can look at to check it.
    pub evidence: Vec<String>,
    /// Whether the user accepted it.
    pub accepted: bool,
}

/// What a guard looks at, before any change is made.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'a> {
    /// The host as it is.
    pub before: &'a HostView,
    /// The host as the plan leaves its files.
    pub after: &'a HostView,
    /// The mechanisms of the host.
    pub distro: &'a Distro,
    /// What would be changed; never empty.
    pub changes: &'a [Change],
}

/// A guard returns the hazards it sees; none on an ordinary host.
pub type Guard = fn(Scene<'_>) -> Result<Vec<Hazard>>;
