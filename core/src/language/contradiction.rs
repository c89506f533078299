//! Declarations that no host can follow at once: what two of them want of one subject.

use std::collections::BTreeMap;
use std::fmt;

use crate::error::Error;
use crate::formats::modprobe_conf::ModuleName;
use crate::language::registry::{Declared, Rejected};
use crate::language::selector::DeviceSelector;

/// What a resource wants of a subject, whatever the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// What is governed.
    pub subject: Governed,
    /// What it shall be.
    pub wish: Wish,
}

/// What two declarations can disagree about. `Display` names it for people.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Governed {
    /// The IOMMU of the host.
    Iommu,
    /// A kernel parameter, by its name with `_` for `-`: they are one character to the kernel.
    KernelParameter(String),
    /// The driver of a device.
    Driver(DeviceSelector),
    /// The number of virtual functions of a device.
    NumVfs(DeviceSelector),
    /// Whether drivers take the virtual functions of a device as they come.
    Autoprobe(DeviceSelector),
    /// A parameter of a module.
    ModuleParameter {
        /// The module.
        module: ModuleName,
        /// The parameter.
        parameter: String,
    },
    /// Whether a module can be loaded by name.
    Install(ModuleName),
}

/// What a subject shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// These values and no other.
    Exactly(Vec<String>),
    /// This value, maybe beside others.
    Including(String),
    /// Any value but this.
    Without(String),
    /// None at all.
    Nothing,
}

impl Claim {
    /// Returns the claim of one value and no other.
    pub fn exactly(subject: Governed, value: impl Into<String>) -> Self {
        Self { subject, wish: Wish::Exactly(vec![value.into()]) }
    }

    /// Returns the claim that no IOMMU is in use.
    pub fn iommu_off() -> Self {
        Self::exactly(Governed::Iommu, "off")
    }

    /// Returns the claim of a device that is given to vfio-pci: without an IOMMU it is refused.
    pub fn iommu_for_vfio() -> Self {
        Self::exactly(Governed::Iommu, "on, for vfio-pci")
    }
}

impl fmt::Display for Governed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Iommu => f.write_str("IOMMU"),
            Self::KernelParameter(name) => write!(f, "kernel parameter `{name}`"),
            Self::Driver(device) => write!(f, "driver of {device}"),
            Self::NumVfs(device) => write!(f, "number of virtual functions of {device}"),
            Self::Autoprobe(device) => write!(f, "autoprobe of {device}"),
            Self::ModuleParameter { module, parameter } => {
                write!(f, "parameter `{parameter}` of {}", module.as_str())
            }
            Self::Install(module) => write!(f, "`install` of {}", module.as_str()),
        }
    }
}

impl Wish {
    fn contradicts(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Exactly(left), Self::Exactly(right)) => left != right,
            (Self::Exactly(all), Self::Including(one)) | (Self::Including(one), Self::Exactly(all)) => {
                !all.contains(one)
            }
            (Self::Exactly(all), Self::Without(one)) | (Self::Without(one), Self::Exactly(all)) => {
                all.contains(one)
            }
            (Self::Including(with), Self::Without(without))
            | (Self::Without(without), Self::Including(with)) => with == without,
            (Self::Exactly(_) | Self::Including(_), Self::Nothing)
            | (Self::Nothing, Self::Exactly(_) | Self::Including(_)) => true,
            (Self::Including(_), Self::Including(_)) => false,
            (Self::Without(_) | Self::Nothing, Self::Without(_) | Self::Nothing) => false,
        }
    }

    /// Returns it as the end of "wants …".
    pub fn shown(&self) -> String {
        match self {
            Self::Exactly(all) => all.join(" "),
            Self::Including(one) => one.clone(),
            Self::Without(one) => format!("no {one}"),
            Self::Nothing => "none".to_owned(),
        }
    }
}

/// Two declarations of which only one can be.
#[derive(Debug)]
pub struct Contradiction<'a> {
    /// What they disagree about.
    pub subject: Governed,
    /// The earlier one, and what it wants.
    pub earlier: (&'a Declared, Wish),
    /// The later one, and what it wants.
    pub later: (&'a Declared, Wish),
}

impl Contradiction<'_> {
    /// Returns who wants what, with the lines.
    pub fn reason(&self) -> String {
        let said = |(declared, wish): &(&Declared, Wish)| {
            let at =
                declared.declaration.playbook.as_ref().map_or_else(String::new, |it| format!(" at {it}"));
            format!("{}{at} wants {}", declared.id, wish.shown())
        };
        format!("{}, {}", said(&self.earlier), said(&self.later))
    }

    /// Returns it as an error of the later declaration.
    pub fn rejected(&self) -> Rejected {
        let what = format!("{}: {}", self.subject, self.reason());
        Rejected {
            declaration: self.later.0.declaration.clone(),
            misfit: None,
            source: Error::invalid(what, "Decide which of the two it shall be."),
        }
    }
}

/// Returns each declaration that wants something else than an earlier one.
pub fn find(declared: &[Declared]) -> Vec<Contradiction<'_>> {
    // Wishes that are the same are one, so that many declarations of one thing stay few comparisons.
    let mut wishes: BTreeMap<Governed, Vec<(Wish, &Declared)>> = BTreeMap::new();
    let mut found = Vec::new();
    for later in declared {
        for Claim { subject, wish } in later.resource.claims() {
            let known = wishes.entry(subject.clone()).or_default();
            if let Some((other, earlier)) = known.iter().find(|(it, _)| it.contradicts(&wish)) {
                found.push(Contradiction {
                    subject,
                    earlier: (*earlier, other.clone()),
                    later: (later, wish.clone()),
                });
            }
            if !known.iter().any(|(it, _)| *it == wish) {
                known.push((wish, later));
            }
        }
    }
    found
}
