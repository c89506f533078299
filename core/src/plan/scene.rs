//! Reasons not to go on: each with evidence, and an id by which the user can accept it.

use std::any::{Any, TypeId};
use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use hoststate_abi::about::About;
use hoststate_abi::activation::Activation;
use hoststate_abi::pci_address::PciAddress;

use hoststate_abi::host_view::HostView;
use hoststate_abi::step::Step;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::language::registry::Declared;
use crate::mechanism::distro::Distro;
use crate::next_boot::fate::Fate;
use crate::plan::planned::Change;

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
    /// Name of the guard that found it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub guard: String,
    /// How serious it is.
    pub severity: Severity,
    /// The device it is about, by address or name.
    pub device: Option<String>,
    /// What that device is called, such as `NVIDIA GK107GL [Quadro K600]`; absent where nobody knows its vendor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What would happen.
    pub message: String,
    /// What a person can look at to check it.
    pub evidence: Vec<String>,
    /// Who has to let go first: before that it is not begun, accepted or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<String>,
    /// Whether the user accepted it.
    pub accepted: bool,
}

impl Hazard {
    /// Returns a hazard nobody has accepted. Its id is the name of the guard and a hash of `identity`: what makes it
    /// this hazard and no other, such as the device, what it is and what happens to it; the severity belongs to it, so
    /// an accepted warning accepts no refusal. How the plan brings it about is no part of it, so that what was accepted stays accepted from one round of a run to the next.
    pub fn new(guard: &str, severity: Severity, identity: &[&str], message: impl Into<String>) -> Self {
        let severe = if severity == Severity::Refuse { "refuse" } else { "warn" };
        let parts = std::iter::once(&severe).chain(identity);
        let id = format!("{guard}-{:06x}", fnv1a(parts) & 0xff_ffff);
        let (guard, message) = (guard.to_owned(), message.into());
        let (evidence, waits_for, accepted) = (Vec::new(), None, false);
        Self { id, guard, severity, device: None, name: None, message, evidence, waits_for, accepted }
    }

    /// Names the device it is about.
    #[must_use]
    pub fn on(mut self, device: impl ToString) -> Self {
        self.device = Some(device.to_string());
        self
    }

    /// Names who has to let go before anything is begun.
    #[must_use]
    pub fn waiting_for(mut self, holder: Option<String>) -> Self {
        self.waits_for = holder;
        self
    }

    /// Adds what a person can look at.
    #[must_use]
    pub fn shown_by(mut self, evidence: impl IntoIterator<Item = String>) -> Self {
        self.evidence.extend(evidence);
        self
    }
}

/// FNV-1a, 64 bits: the same on every machine and for ever, unlike the hashes of the standard library.
fn fnv1a<'a>(parts: impl Iterator<Item = &'a &'a str>) -> u64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    // A zero byte ends each part, so that moving a character to the next one makes another hash.
    let bytes = parts.flat_map(|it| it.bytes().chain([0]));
    bytes.fold(OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME))
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
    /// What the playbook declares.
    pub declared: &'a [Declared],
    /// What would be changed; empty where only the next boot moves devices.
    pub changes: &'a [Change],
    /// Who gets each PCI function at the next boot, when everything planned is done.
    pub fates: &'a [Fate],
    /// What guards have made of it.
    pub made: &'a Made,
}

/// What guards make of a scene: one value of each type, made when one of them first asks for it.
#[derive(Debug, Default)]
pub struct Made(RefCell<HashMap<TypeId, Rc<dyn Any>>>);

impl<'a> Scene<'a> {
    /// Returns what `make` makes of this scene, made once.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn made<T: 'static>(self, make: impl FnOnce(Self) -> Result<T>) -> Result<Rc<T>> {
        let known = self.made.0.borrow().get(&TypeId::of::<T>()).cloned();
        if let Some(value) = known.and_then(|it| it.downcast().ok()) {
            return Ok(value);
        }
        let value = Rc::new(make(self)?);
        self.made.0.borrow_mut().insert(TypeId::of::<T>(), Rc::clone(&value) as Rc<dyn Any>);
        Ok(value)
    }

    /// Returns the steps of all changes, in order.
    pub fn steps(&self) -> impl Iterator<Item = &'a Step> + use<'a> {
        self.changes.iter().flat_map(|it| &it.steps)
    }

    /// Returns the files that are written or removed, links resolved.
    ///
    /// # Errors
    /// When a link cannot be read.
    pub fn changed_files(&self) -> Result<BTreeSet<PathBuf>> {
        let mut files = BTreeSet::new();
        // Many declarations write one file; as bytes their paths are compared quickly.
        let mut known = HashSet::new();
        for step in self.steps() {
            if let Some(path) = step.file()
                && known.insert(path.as_os_str())
            {
                files.insert(self.after.resolve(path)?);
            }
        }
        Ok(files)
    }

    /// Returns the attributes that are written now, with their values, in order.
    pub fn attributes(&self) -> impl Iterator<Item = (&'a Path, &'a str)> + use<'a> {
        self.steps().filter_map(|step| match step {
            Step::WriteAttribute { path, value } => Some((path.as_path(), value.trim())),
            _ => None,
        })
    }

    /// Returns the physical functions whose number of virtual ones is written now, each with the attribute and the
    /// last number.
    pub fn counts(&self) -> Vec<(PciAddress, &'a Path, &'a str)> {
        let mut counts: Vec<(PciAddress, &Path, &str)> = Vec::new();
        for (path, value) in self.attributes().filter(|(path, _)| path.ends_with("sriov_numvfs")) {
            let name = path.parent().and_then(Path::file_name).and_then(|it| it.to_str());
            let Some(address) = name.and_then(|it| it.parse().ok()) else { continue };
            counts.retain(|it| it.0 != address);
            counts.push((address, path, value));
        }
        counts
    }

    /// Returns the numbers of virtual functions that wait for a boot, as [`Self::counts`]: the kernel that shows the
    /// functions is another's or a record, and on the host itself they would be written.
    pub fn counts_at_boot(&self) -> Vec<(PciAddress, &'a Path, &'a str)> {
        let waiting = self.changes.iter().filter(|it| it.steps.is_empty());
        let count = |it: &'a Change| {
            let About::Attribute(path) = &it.about else { return None };
            let name = path.parent().and_then(Path::file_name).and_then(|it| it.to_str())?;
            let address = name.parse().ok().filter(|_| path.ends_with("sriov_numvfs"))?;
            Some((address, path.as_path(), it.desired.as_deref()?))
        };
        waiting.filter_map(count).collect()
    }

    /// Returns whether images or the boot configuration are made anew.
    pub fn rebuilds_boot_files(&self) -> bool {
        let rebuilds = |it: &Activation| matches!(it, Activation::Initramfs { .. } | Activation::BootConfig);
        self.changes.iter().any(|it| it.activation.as_ref().is_some_and(rebuilds))
    }
}

/// A guard returns the hazards it sees; none on an ordinary host.
pub type Guard = fn(Scene<'_>) -> Result<Vec<Hazard>>;
