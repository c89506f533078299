//! Who gets each PCI function at the next boot: the boot is played stage by stage, as kernel, kmod and udev do it.

use std::fmt;

use hoststate_abi::pci_address::PciAddress;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::machine::pci_bus::PciDevice;

mod arrive;
mod built_in;
mod coming;
mod driverctl;
mod inserts;
mod kmod;
mod moves;
mod outcome;
mod play;
mod race;
mod rebuilt;
mod rules;
mod scripts;
mod stages;
mod takes;
pub(crate) mod units;

pub use stages::{of, planned};

/// What becomes of a PCI function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Fate {
    /// Its address.
    #[schemars(with = "String")]
    pub address: PciAddress,
    /// The driver it has now; null for none.
    pub now: Option<String>,
    /// The driver it will have; null for none. In a race, the one that usually wins.
    pub next: Option<String>,
    /// How sure that is.
    #[serde(flatten)]
    pub certainty: Certainty,
    /// When it gets that driver; null where it gets none.
    pub stage: Option<Stage>,
    /// Whether a line, a rule or a driver that declines keeps every driver from it. Where no kernel has one, nothing does.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub kept_away: bool,
    /// What brings it about: files and lines, in the order in which they count.
    pub because: Vec<String>,
}

/// When a driver takes a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// While the kernel starts: the driver is part of it.
    BuiltIn,
    /// By a list in the initramfs image.
    ImageList,
    /// By udev in the image.
    ImageUdev,
    /// By udev in the root file system.
    RootUdev,
    /// By systemd-modules-load in the root file system.
    ModulesLoad,
    /// By a udev rule about this device.
    Rule,
    /// By a unit of systemd, such as those of driverctl.
    Unit,
}

/// How sure a fate is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "certainty", rename_all = "snake_case")]
pub enum Certainty {
    /// Nothing else can come.
    Certain,
    /// Two drivers are loaded at the same time, and the first takes it.
    Race {
        /// The other driver.
        with: String,
    },
    /// It cannot be told.
    Unknown {
        /// Why.
        reason: String,
    },
}

impl Fate {
    /// Returns the fate of a function whose boot cannot be played, and why.
    pub fn unknown(device: &PciDevice, why: &str) -> Self {
        Self {
            address: device.address,
            now: device.driver.clone(),
            next: device.driver.clone(),
            certainty: Certainty::Unknown { reason: why.to_owned() },
            stage: None,
            kept_away: false,
            because: Vec::new(),
        }
    }

    /// Returns whether it is sure.
    pub fn is_certain(&self) -> bool {
        self.certainty == Certainty::Certain
    }

    /// Returns whether the device surely leaves the driver it has.
    pub fn changes(&self) -> bool {
        self.now != self.next
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BuiltIn => "by the kernel itself",
            Self::ImageList => "by a list of the initramfs image",
            Self::ImageUdev => "by udev in the initramfs image",
            Self::RootUdev => "by udev",
            Self::ModulesLoad => "by systemd-modules-load",
            Self::Rule => "by a udev rule",
            Self::Unit => "by a unit of systemd",
        })
    }
}
