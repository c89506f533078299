//! What the runs of other owners set: of which nothing is pruned, and where they want another value of one thing.

use std::collections::{BTreeMap, BTreeSet};

use hoststate_abi::host_view::HostView;

use super::Planner;
use crate::error::Result;
use crate::language::contradiction::{Claim, Governed, Needs, Wish};
use crate::language::declaration::Declaration;
use crate::language::registry::{Declared, Registry};
use crate::language::selector::{DeviceSelector, Found};
use crate::plan::scene::{Hazard, Severity};
use crate::record::owned::{Memory, Owned, key};

/// The guard that says where two owners want different values.
const GUARD: &str = "owners-differ";

/// What another owner's runs set.
pub(super) struct Other {
    /// Whose it is.
    pub(super) name: String,
    keys: BTreeSet<String>,
    needs: Needs,
    /// What is known of these types, each with the run that first set it.
    set: Vec<(Declared, Option<String>)>,
}

impl Other {
    /// Returns what is remembered of others.
    pub(super) fn all(memories: Vec<Memory>, registry: &Registry) -> Vec<Self> {
        memories.into_iter().map(|it| Self::of(it, registry)).collect()
    }

    fn of(memory: Memory, registry: &Registry) -> Self {
        let keys = memory.owned.iter().map(|it| key(&it.declaration)).collect();
        // A type that is not known here has no claims; the same declaration of it is the same all the same.
        let decoded = |it: Owned| Some((registry.decode(it.declaration).ok()?, it.run));
        let set: Vec<(Declared, Option<String>)> = memory.owned.into_iter().filter_map(decoded).collect();
        Self { name: memory.owner, keys, needs: Needs::of(set.iter().map(|it| &it.0)), set }
    }

    /// Returns whether it set the same thing.
    pub(super) fn sets(&self, declaration: &Declaration) -> bool {
        self.keys.contains(&key(declaration))
    }

    /// Returns whether it set the same thing, or needs what `absent` would take out.
    pub(super) fn has(&self, owned: &Owned, absent: &Declared) -> bool {
        self.sets(&owned.declaration) || self.needs.include(absent)
    }
}

impl Planner<'_> {
    /// Returns a warning for each thing of which another owner's runs set another value than is declared.
    pub(super) fn differing_owners(&self, view: &HostView) -> Result<Vec<Hazard>> {
        let (Some(owner), Some(records)) = (self.owner, self.past.records) else { return Ok(Vec::new()) };
        // What cannot be read is told where something hangs on it: what is no longer declared.
        let Ok(memories) = records.memories_beside(owner.name) else { return Ok(Vec::new()) };
        if memories.is_empty() {
            return Ok(Vec::new());
        }
        let known = records.memory(owner.name).ok().flatten();
        let run_of = |it: &Declared| {
            let owned = known.iter().flat_map(|it| &it.owned);
            owned.into_iter().find(|owned| it.declaration.has_item(&owned.declaration))?.run.clone()
        };
        let mut wanted: BTreeMap<Governed, Vec<(Wish, &Declared)>> = BTreeMap::new();
        for it in self.declared {
            for Claim { subject, wish } in it.resource.claims() {
                wanted.entry(grounded(subject, view)).or_default().push((wish, it));
            }
        }
        let mut hazards = Vec::new();
        for other in Other::all(memories, owner.registry) {
            let mut told = BTreeSet::new();
            for (theirs, run) in &other.set {
                for claim in theirs.resource.claims() {
                    let subject = grounded(claim.subject, view);
                    let ours = wanted.get(&subject).into_iter().flatten();
                    let differing = ours.into_iter().find(|it| it.0.contradicts(&claim.wish));
                    let Some((wish, declared)) = differing.filter(|_| told.insert(subject.clone())) else {
                        continue;
                    };
                    let ours = said(owner.name, wish, declared, run_of(declared).as_deref());
                    let theirs = said(&other.name, &claim.wish, theirs, run.as_deref());
                    let message = format!(
                        "two owners want different values of {subject}: {ours}; {theirs}. Each converge takes it from the \
                         other"
                    );
                    let subject = subject.to_string();
                    let identity = [&subject, owner.name, &other.name, &wish.shown(), &claim.wish.shown()];
                    hazards.push(Hazard::new(GUARD, Severity::Warn, &identity, message));
                }
            }
        }
        Ok(hazards)
    }
}

/// Returns a device that is there by its address, so that one who selects it otherwise means the same.
fn grounded(subject: Governed, view: &HostView) -> Governed {
    let address = |it: DeviceSelector| match it.resolve(view) {
        Ok(Found::Device(device)) => DeviceSelector::Address(device.address),
        // What is wrong with a selector the planner tells.
        Ok(Found::Absent(_)) | Err(_) => it,
    };
    match subject {
        Governed::Driver(it) => Governed::Driver(address(it)),
        Governed::NumVfs(it) => Governed::NumVfs(address(it)),
        Governed::Autoprobe(it) => Governed::Autoprobe(address(it)),
        other => other,
    }
}

/// Returns what an owner wants, with the declaration, its line and the run that first set it.
fn said(owner: &str, wish: &Wish, declared: &Declared, run: Option<&str>) -> String {
    let at = declared.declaration.playbook.as_ref().map_or_else(String::new, |it| format!(" at {it}"));
    let run = run.map_or_else(String::new, |it| format!(", run {it}"));
    format!("{owner} wants {} ({}{at}{run})", wish.shown(), declared.id)
}
