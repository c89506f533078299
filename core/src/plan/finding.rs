//! What is found about a host beside its differences: what a boot made of it, what goes on, what is about to happen.

use hoststate_abi::pci_address::PciAddress;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::language::declaration::ResourceId;

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Everything is as wanted, and has its effect.
    InDesiredState,
    /// Something can be changed now, whatever was booted.
    Drifted,
    /// Something stands in the way that only the user can change.
    Blocked,
    /// Everything is in place and waits for a boot; the host runs since before that.
    NotRebooted,
    /// Everything is in place; no recorded run tells whether the host was booted since.
    MaybeNotRebooted,
    /// What was left for after this boot was judged or begun then, and failed.
    FailedAtBoot,
    /// A boot with what is wanted of the kernel command line was tried, and is refused.
    BootRefused,
    /// Another entry or kernel was booted than the boot loader has as default.
    OtherEntry,
    /// The booted entry has a parameter that the kernel was not given.
    ParameterLost,
    /// The kernel was given a parameter, and it has no effect.
    IneffectiveParameter,
    /// The host was booted, and a device is on another driver.
    BoundElsewhere,
    /// The host was booted, and a setting still is not as wanted.
    WithoutEffect,
    /// What a run put in place before this boot is gone again.
    TakenBack,
    /// Run after run put it in place, and it was gone after each boot.
    TakenBackAgain,
    /// The entry that boots next lacks what is wanted, whatever is done, or cannot be told.
    NextBootLacks,
    /// A run changes the host while it is looked at.
    RunInProgress,
    /// The next boot is one that is tried, or is being judged.
    TrialPending,
    /// Something is left for after a boot.
    AtBootPending,
    /// The host is about to reboot by itself, out of a boot that was tried and is refused.
    GoingBack,
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// What it is.
    pub verdict: Verdict,
    /// The resource it is about; null where it is about all.
    pub resource: Option<ResourceId>,
    /// Why, with names and places.
    pub reason: String,
    /// The PCI function it is about, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub device: Option<PciAddress>,
    /// Id of the hazard that says the same, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hazard: Option<String>,
}

impl Verdict {
    /// Returns whether it is what a boot did not make right: another boot is not expected to.
    pub fn is_beyond_boot(self) -> bool {
        match self {
            Self::FailedAtBoot
            | Self::BootRefused
            | Self::OtherEntry
            | Self::ParameterLost
            | Self::IneffectiveParameter
            | Self::BoundElsewhere
            | Self::WithoutEffect
            | Self::TakenBackAgain
            | Self::NextBootLacks => true,
            Self::InDesiredState
            | Self::Drifted
            | Self::Blocked
            | Self::NotRebooted
            | Self::MaybeNotRebooted
            | Self::TakenBack
            | Self::RunInProgress
            | Self::TrialPending
            | Self::AtBootPending
            | Self::GoingBack => false,
        }
    }
}

impl Finding {
    /// Returns a finding about a resource.
    pub(crate) fn new(verdict: Verdict, resource: &ResourceId, reason: String) -> Self {
        Self { resource: Some(resource.clone()), ..Self::about_all(verdict, reason) }
    }

    /// Returns a finding about no resource in particular.
    pub(crate) fn about_all(verdict: Verdict, reason: String) -> Self {
        Self { verdict, resource: None, reason, device: None, hazard: None }
    }

    /// Names the device it is about.
    #[must_use]
    pub(crate) fn on(mut self, device: Option<PciAddress>) -> Self {
        self.device = device;
        self
    }
}
