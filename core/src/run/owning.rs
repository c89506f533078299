//! What a run is remembered by: what its declarations set, item by item, and what of earlier runs is left beside that.

use std::collections::{BTreeMap, BTreeSet};

use hoststate_abi::host_view::HostView;
use hoststate_abi::setting::{Scope, State};

use crate::error::Result;
use crate::language::declaration::{Declaration, ResourceId};
use crate::language::item::items;
use crate::language::registry::{Declared, Registry};
use crate::language::resource::Context;
use crate::plan::declared_device::DeclaredDevice;
use crate::plan::no_longer_declared::Disposal;
use crate::plan::planned::Plan;
use crate::planner::Planner;
use crate::planner::leftovers::{Leftovers, Owner};
use crate::record::owned::{Memory, Owned, Remembrance, key};
use crate::record::report::Adopted;
use crate::record::store::RecordStore;

/// What a run is remembered by.
#[derive(Debug)]
pub(super) struct Owning {
    /// What was remembered before.
    known: Memory,
    /// What is declared.
    declared: Vec<Item>,
}

/// Something that is declared.
#[derive(Debug)]
struct Item {
    owned: Owned,
    is_new: bool,
}

/// Returns whether a run that has nothing to do would remember something: whoever carries it out needs the lock.
///
/// # Errors
/// When the host cannot be read.
pub fn has_news(planner: &Planner<'_>, plan: &Plan, host: &HostView) -> Result<bool> {
    let Some(owning) = Owning::new(planner, plan, host)? else { return Ok(false) };
    let after = owning.after(None, planner, host)?;
    Ok(!owning.is_kept_as(&after))
}

impl Owning {
    /// Returns what a run that begins with `plan` is remembered by; `None` where nobody owns it, or what is remembered must
    /// not be written over.
    ///
    /// # Errors
    /// When the host cannot be read.
    pub(super) fn new(planner: &Planner<'_>, plan: &Plan, host: &HostView) -> Result<Option<Self>> {
        let (Some(owner), Some(records)) = (planner.owner, planner.past.records) else { return Ok(None) };
        let known = match records.memory(owner.name) {
            Ok(known) => known.unwrap_or_else(|| Memory::new(owner.name)),
            Err(err) if err.is_newer() || err.is_denied() => return Ok(None),
            // It was said that it is damaged.
            Err(_) => Memory::new(owner.name),
        };
        let by_key: BTreeMap<String, &Owned> =
            known.owned.iter().map(|it| (key(&it.declaration), it)).collect();
        let place = Place::new(planner, plan, host);
        let devices: BTreeMap<&ResourceId, &DeclaredDevice> =
            plan.devices.iter().map(|it| (&it.resource, it)).collect();
        let mut seen = BTreeSet::new();
        let mut declared = Vec::new();
        for it in planner.declared.iter().filter(|it| owner.registry.entry(&it.id.kind).is_ok()) {
            let device = devices.get(&it.id).map(|it| it.identity.clone());
            for declaration in items(it) {
                let key = key(&declaration);
                let (owned, is_new) = match by_key.get(&key) {
                    Some(known) => (Owned { declaration, device: device.clone(), ..(*known).clone() }, false),
                    None => {
                        let adopted = place.had(it, &declaration, owner)?;
                        (Owned { declaration, run: None, adopted, device: device.clone() }, true)
                    }
                };
                if seen.insert(key) {
                    declared.push(Item { owned, is_new });
                }
            }
        }
        Ok(Some(Self { known, declared }))
    }

    /// Returns what is remembered while `run` is under way: all that it may set, and all that may still be there.
    pub(super) fn during(&self, run: &str) -> Memory {
        let mut memory = Memory { owned: self.of(Some(run)), is_alone: false, ..self.known.clone() };
        let before = self.known.beside(&memory);
        memory.owned.extend(before);
        memory
    }

    /// Returns what is remembered after it: what is declared, and what is left of what was.
    ///
    /// # Errors
    /// When the host cannot be read.
    pub(super) fn after(&self, run: Option<&str>, planner: &Planner<'_>, host: &HostView) -> Result<Memory> {
        let mut memory = Memory { owned: self.of(run), ..self.known.clone() };
        // What somebody changed is theirs, and so is what another owner declares.
        let is_over = |it: &Disposal| matches!(it, Disposal::Changed { .. } | Disposal::OfOthers { .. });
        let Leftovers { found, declared_in_part, .. } = planner.leftovers(host)?;
        let left = found.into_iter().filter(|it| !is_over(&it.told.state));
        memory.owned.extend(left.map(|it| it.owned).chain(declared_in_part));
        let is_first = self.known.owned.is_empty();
        let is_same = is_first || self.known.is_of_same(&memory.owned);
        memory.is_alone = planner.owner.is_some_and(|it| it.prunes) || (self.known.is_alone && is_same);
        Ok(memory)
    }

    /// Returns whether what was remembered before is the same, lines and all.
    pub(super) fn is_kept_as(&self, memory: &Memory) -> bool {
        self.known == *memory
    }

    /// Returns how `memory` differs from what was remembered before.
    pub(super) fn remembrance(&self, memory: &Memory) -> Remembrance {
        Remembrance { learned: memory.beside(&self.known), forgot: self.known.beside(memory) }
    }

    /// Returns what is remembered from now on and was in place before.
    pub(super) fn adopted(&self, registry: &Registry) -> Vec<Adopted> {
        let news = self.declared.iter().filter(|it| it.is_new && it.owned.adopted);
        let told = news.filter_map(|it| registry.decode(it.owned.declaration.clone()).ok());
        told.map(|it| Adopted { resource: it.id, playbook: it.declaration.playbook }).collect()
    }

    /// Returns what is declared; what is new is of `run`.
    fn of(&self, run: Option<&str>) -> Vec<Owned> {
        let named = |it: &Item| match it.is_new {
            true => Owned { run: run.map(str::to_owned), ..it.owned.clone() },
            false => it.owned.clone(),
        };
        self.declared.iter().map(named).collect()
    }
}

/// The host before a run.
struct Place<'a> {
    planner: &'a Planner<'a>,
    host: &'a HostView,
    /// What differs from what is wanted.
    differing: BTreeSet<&'a ResourceId>,
    /// Of what nobody knows whether it does.
    unknown: BTreeSet<&'a ResourceId>,
}

impl<'a> Place<'a> {
    fn new(planner: &'a Planner<'a>, plan: &'a Plan, host: &'a HostView) -> Self {
        let deferred = plan.deferred.iter().map(|it| &it.resource);
        let unknown = deferred.chain(plan.conflicts.iter().map(|it| &it.resource)).collect();
        Self { planner, host, differing: plan.changes.iter().map(|it| &it.resource).collect(), unknown }
    }

    /// Returns whether an item of a declaration, that was not remembered, was in place.
    fn had(&self, declared: &Declared, item: &Declaration, owner: Owner<'_>) -> Result<bool> {
        let is_whole = item.desired == declared.declaration.desired;
        if self.unknown.contains(&declared.id) || (is_whole && self.differing.contains(&declared.id)) {
            return Ok(false);
        }
        // Where nothing is changed, nothing but the host can have it.
        if self.differing.is_empty() {
            return Ok(true);
        }
        let Ok(item) = owner.registry.decode(item.clone()) else { return Ok(false) };
        let cx = Context::new(self.host, self.planner.distro);
        let settings = item.resource.inspect(cx).map_err(|err| err.of(&item.id))?;
        let mut lasting = settings.iter().filter(|it| it.scope == Scope::Persistent).peekable();
        Ok(lasting.peek().is_some() && lasting.all(|it| it.state == State::Converged))
    }
}

/// Undoes what a run made of the memory of its owner.
///
/// # Errors
/// When it cannot be written.
pub(super) fn undo(records: &RecordStore, run: &str) -> Result<Option<Remembrance>> {
    let Ok(record) = records.read_filed(run) else { return Ok(None) };
    let (Some(owner), Some(remembrance)) = (record.owner(), &record.remembrance) else { return Ok(None) };
    let Ok(Some(mut memory)) = records.memory(owner) else { return Ok(None) };
    memory.undo(remembrance);
    records.remember(&memory)?;
    let Remembrance { learned, forgot } = remembrance.clone();
    Ok(Some(Remembrance { learned: forgot, forgot: learned }))
}
