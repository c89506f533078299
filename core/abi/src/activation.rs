//! What makes persistent state take effect.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An action that turns files into effect. The order of the variants is the order in which they run.
///
/// Nothing notifies an activation: a setting that finds its effect missing asks for it, so one that was lost
/// to a crash is asked for again by the next run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Activation {
    /// udev reads its rules again.
    UdevReload,
    /// The initramfs of one installed kernel is built again.
    Initramfs {
        /// Kernel release, as `uname -r` prints it.
        kernel: String,
    },
    /// The boot loader's configuration is generated from its sources.
    BootConfig,
    /// The host boots. Reported, never done.
    Reboot,
}

impl fmt::Display for Activation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UdevReload => f.write_str("udev rules"),
            Self::Initramfs { kernel } => write!(f, "initramfs of {kernel}"),
            Self::BootConfig => f.write_str("boot configuration"),
            Self::Reboot => f.write_str("reboot"),
        }
    }
}
