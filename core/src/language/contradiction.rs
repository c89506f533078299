//! Declarations that no host can follow at once: what two of them want of one subject.

use std::collections::BTreeMap;
use std::fmt;

use crate::error::Error;
use crate::formats::modprobe_conf::ModuleName;
use crate::language::ensure::Ensure;
use crate::language::registry::{Declared, Rejected};
use crate::language::selector::DeviceSelector;

/// The type by which composites switch the IOMMU on.
const KERNEL_CMDLINE: &str = "kernel_cmdline";

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
    /// Whether a module is kept from being loaded by itself.
    Blacklist(ModuleName),
    /// What is loaded around a module.
    Softdep(ModuleName),
    /// Modules loaded at boot.
    ModulesLoad,
    /// Modules loaded from the images.
    InitramfsModules,
    /// Ids that vfio-pci claims at boot.
    VfioPciIds,
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

    /// Returns the claim of one value, maybe beside others.
    pub fn including(subject: Governed, value: impl Into<String>) -> Self {
        Self { subject, wish: Wish::Including(value.into()) }
    }

    /// Returns what is claimed where this shall be absent: of a subject with several values only these, of any other that
    /// nothing is set. What else goes with it, an IOMMU for vfio-pci, is no longer needed and not forbidden.
    pub(crate) fn absent(self) -> Vec<Self> {
        let Self { subject, wish } = self;
        let without = |value: String| Self { subject: subject.clone(), wish: Wish::Without(value) };
        match (&subject, wish) {
            (Governed::Iommu, _) => Vec::new(),
            (Governed::KernelParameter(_) | Governed::ModuleParameter { .. }, Wish::Exactly(values)) => {
                values.into_iter().map(without).collect()
            }
            (_, Wish::Including(value)) => vec![without(value)],
            _ => vec![Self { subject, wish: Wish::Nothing }],
        }
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
            Self::Blacklist(module) => write!(f, "`blacklist` of {}", module.as_str()),
            Self::Softdep(module) => write!(f, "`softdep` of {}", module.as_str()),
            Self::ModulesLoad => f.write_str("modules loaded at boot"),
            Self::InitramfsModules => f.write_str("modules loaded from the initramfs"),
            Self::VfioPciIds => f.write_str("ids for vfio-pci"),
        }
    }
}

impl Wish {
    /// Returns whether no host can follow both.
    pub fn contradicts(&self, other: &Self) -> bool {
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
            source: Error::invalid(what, "Decide which of the two it should be."),
        }
    }
}

/// What declarations want, to be asked whether something may go.
#[derive(Debug, Default)]
pub struct Needs(BTreeMap<Governed, Vec<Wish>>);

impl Needs {
    /// Returns what these want that shall be there.
    pub fn of<'a>(declared: impl IntoIterator<Item = &'a Declared>) -> Self {
        let mut wanted: BTreeMap<Governed, Vec<Wish>> = BTreeMap::new();
        for it in declared.into_iter().filter(|it| it.declaration.ensure == Ensure::Present) {
            for Claim { subject, wish } in it.resource.claims() {
                wanted.entry(subject).or_default().push(wish);
            }
        }
        Self(wanted)
    }

    /// Returns whether they want what `absent` would take out.
    pub fn include(&self, absent: &Declared) -> bool {
        let is_wanted = |it: Claim| {
            let wishes = self.0.get(&it.subject);
            wishes.is_some_and(|wishes| wishes.iter().any(|wish| wish.contradicts(&it.wish)))
        };
        absent.resource.claims().into_iter().any(is_wanted)
    }

    /// Returns whether they decide what `absent` is about: whatever it was, it is another value now.
    pub fn decide(&self, absent: &Declared) -> bool {
        let is_decided = |it: Claim| {
            let wishes = self.0.get(&it.subject);
            wishes.is_some_and(|wishes| wishes.iter().any(|wish| matches!(wish, Wish::Exactly(_))))
        };
        absent.resource.claims().into_iter().any(is_decided)
    }

    /// Returns whether they need what an `absent` part of a composite would take out: a driver that yields, or an IOMMU.
    pub fn share(&self, absent: &Declared) -> bool {
        let wishes = self.0.get(&Governed::Iommu);
        let needs_iommu = wishes.is_some_and(|it| it.contains(&Claim::iommu_for_vfio().wish));
        let is_iommu = absent.declaration.kind == KERNEL_CMDLINE && needs_iommu;
        absent.declaration.composite.is_some() && (is_iommu || self.include(absent))
    }
}

/// Leaves out what an absent composite hands on and another declaration wants: what is shared, a driver that yields or an
/// IOMMU, goes with the last that needs it.
pub fn yielded(declared: Vec<Declared>) -> Vec<Declared> {
    let may_yield =
        |it: &Declared| it.declaration.ensure == Ensure::Absent && it.declaration.composite.is_some();
    if !declared.iter().any(may_yield) {
        return declared;
    }
    let needs = Needs::of(&declared);
    declared.into_iter().filter(|it| !(may_yield(it) && needs.share(it))).collect()
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
