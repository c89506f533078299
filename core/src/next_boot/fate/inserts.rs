//! What a request for a module comes to: what is inserted, what is refused, and what nobody can tell.

use std::collections::BTreeSet;

use crate::formats::modprobe_conf::ModuleName;

/// What options of vfio and vfio-pci switch on (drivers/vfio/pci/vfio_pci.c, drivers/vfio/vfio_main.c).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Switches {
    /// `disable_denylist`: devices of the denylist are taken.
    pub(super) takes_denied: bool,
    /// `enable_unsafe_noiommu_mode`: devices are taken without an IOMMU.
    pub(super) without_iommu: bool,
}

/// A module that is inserted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Insert {
    pub(super) module: ModuleName,
    /// The value of its parameter `ids`, and who gives it.
    pub(super) ids: Option<(String, String)>,
    /// What options of it switch on.
    pub(super) switches: Switches,
    /// What has it inserted, from the first cause on.
    pub(super) because: Vec<String>,
}

/// What a request comes to.
#[derive(Debug, Clone, Default)]
pub(super) struct Inserts {
    /// In order.
    pub(super) done: Vec<Insert>,
    /// Lines that may insert more, or less.
    pub(super) doubts: Vec<Doubt>,
    /// What was asked for and is not inserted, and why.
    pub(super) refused: Vec<Refused>,
}

/// An `install` line whose command only a shell understands, or a program that is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Doubt {
    /// The module it stands for.
    pub(super) of: ModuleName,
    /// Every module that its command may mean, itself among them.
    pub(super) names: BTreeSet<ModuleName>,
    /// The line, and where it stands.
    pub(super) why: String,
}

/// A module that is not inserted though something asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) module: ModuleName,
    pub(super) why: String,
    /// Whether it is not there, which no line decides.
    pub(super) is_missing: bool,
}

impl Inserts {
    pub(super) fn refuse(&mut self, module: &ModuleName, why: String) {
        self.refused.push(Refused { module: module.clone(), why, is_missing: false });
    }

    /// Doubts what is inserted for a module, for its line runs something else than modprobe.
    pub(super) fn doubt(&mut self, module: &ModuleName, command: &str, why: String) {
        let words = command.split(|it: char| !it.is_ascii_alphanumeric() && !matches!(it, '-' | '_'));
        let mut names: BTreeSet<ModuleName> = words.filter_map(|it| ModuleName::parse(it).ok()).collect();
        names.insert(module.clone());
        self.doubts.push(Doubt { of: module.clone(), names, why });
    }

    /// Refuses a module that is not at that place.
    pub(super) fn lack(&mut self, module: &ModuleName, place: &str) {
        let place = if place.is_empty() { "the kernel's modules" } else { place };
        let why = format!("{place} lacks {module}");
        self.refused.push(Refused { module: module.clone(), why, is_missing: true });
    }

    pub(super) fn has(&self, module: &ModuleName) -> bool {
        self.done.iter().any(|it| it.module == *module)
    }
}
