//! One comparable thing on a host, as found and as wanted.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::about::About;
use crate::activation::Activation;
use crate::step::Step;

/// When a setting is true.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// It survives a boot.
    Persistent,
    /// It is true now.
    Runtime,
}

/// What a change of a setting interrupts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Disruption {
    /// Nothing.
    #[default]
    None,
    /// A device leaves its driver for a while.
    Device,
    /// A network interface goes down or disappears.
    Network,
    /// Everything: the host has to boot.
    Reboot,
}

/// A place in a file of the host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Place {
    /// The file.
    pub file: PathBuf,
    /// Line, counted from 1; absent where the whole file is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}", self.file.display()),
            None => write!(f, "{}", self.file.display()),
        }
    }
}

/// One comparable thing on a host, and what to do if it is not as wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Setting {
    /// When it is true.
    pub scope: Scope,
    /// What is compared.
    #[serde(flatten)]
    pub about: About,
    /// What changing it interrupts.
    #[serde(default)]
    pub disruption: Disruption,
    /// How it stands.
    pub state: State,
}

/// How a setting stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum State {
    /// As wanted; read from the host, not assumed.
    Converged,
    /// Different, and there is a remedy.
    Drifted {
        /// As found; absent when there is nothing.
        actual: Option<String>,
        /// As wanted; absent when there shall be nothing.
        desired: Option<String>,
        /// What makes it so.
        remedy: Remedy,
    },
    /// Different, and something that this declaration does not own decides it.
    Blocked {
        /// As found; absent when there is nothing.
        actual: Option<String>,
        /// As wanted; absent when there shall be nothing.
        desired: Option<String>,
        /// What decides, if it stands in a file.
        by: Option<Place>,
        /// Why no step of hoststate's can help, and what the user can do.
        reason: String,
    },
    /// Cannot be read until another resource is applied, e.g. the driver of a VF that does not exist yet.
    Deferred {
        /// What is waited for.
        reason: String,
    },
}

/// What makes a drifted setting as wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Remedy {
    /// These steps, in this order.
    Steps(Vec<Step>),
    /// An activation, shared with every other setting that asks for it.
    Activation(Activation),
}

impl Setting {
    /// Returns a persistent setting that disrupts nothing.
    pub fn persistent(about: impl Into<About>, state: State) -> Self {
        Self { scope: Scope::Persistent, about: about.into(), disruption: Disruption::None, state }
    }

    /// Returns a setting of the running system.
    pub fn runtime(about: impl Into<About>, disruption: Disruption, state: State) -> Self {
        Self { scope: Scope::Runtime, about: about.into(), disruption, state }
    }
}
