//! What earlier runs of an owner set and its declarations no longer have: its memory says what, the host whether it is there.

use std::collections::BTreeSet;

use hoststate_abi::host_view::HostView;
use hoststate_abi::setting::{Remedy, Scope, Setting, State};

use hoststate_abi::activation::Activation;

use super::Planner;
use super::other_owners::Other;
use crate::error::{Error, Result};
use crate::language::contradiction::{Claim, Governed, Needs, Wish};
use crate::language::declaration::{Declaration, ResourceId};
use crate::language::ensure::Ensure;
use crate::language::item::items;
use crate::language::parts;
use crate::language::registry::{Declared, Registry};
use crate::language::resource::Context;
use crate::language::selector::Found;
use crate::machine::identity::Identity;
use crate::plan::no_longer_declared::{Disposal, NoLongerDeclared};
use crate::plan::scene::{Hazard, Severity};
use crate::record::command::RunCommand;
use crate::record::owned::{Owned, key};
use crate::record::store::RecordStore;
use crate::record::store::memories::Illegible;

/// The guard that says when nothing is known of earlier runs.
pub const GUARD: &str = "owner-memory";

/// Whose declarations a plan is for.
#[derive(Debug, Clone, Copy)]
pub struct Owner<'a> {
    /// The path of the playbook, or the name that was given.
    pub name: &'a str,
    /// The types that what was declared is decoded by.
    pub registry: &'a Registry,
    /// Whether files are to be as if earlier runs of the owner had never been.
    pub prunes: bool,
}

/// What is no longer declared.
#[derive(Debug, Default)]
pub struct Leftovers {
    /// It, in the order in which it was remembered.
    pub found: Vec<Leftover>,
    /// What declarations of the same thing have in part: it is remembered, so that the rest of it goes with them.
    pub declared_in_part: Vec<Owned>,
    /// That nothing is known, and why.
    pub trouble: Option<Hazard>,
    /// Where the owner prunes, what takes out all that its runs set, also what is still declared: not what was there before,
    /// and not what others declare too.
    pub(super) owned: Vec<Declared>,
}

/// Something that is no longer declared.
#[derive(Debug)]
pub struct Leftover {
    /// As a plan lists it.
    pub told: NoLongerDeclared,
    /// As it is remembered.
    pub owned: Owned,
    /// What takes it out; `None` where nothing can.
    absent: Option<Declared>,
}

impl Leftovers {
    /// Returns what takes out all that may go, as declarations to put before those of the playbook.
    pub fn prune(self, declared: &[Declared]) -> Vec<Declared> {
        let mut taken: BTreeSet<ResourceId> = declared.iter().map(|it| it.id.clone()).collect();
        let may_go = |it: &Leftover| matches!(it.told.state, Disposal::Stays | Disposal::UntilReboot);
        let mut pruned = Vec::new();
        for mut it in self.found.into_iter().filter(may_go).filter_map(|it| it.absent) {
            // Another declaration may have its name by now.
            let plain = it.id.name.clone();
            let mut further = (1..).map(|number| match number {
                1 => format!("{plain} (no longer declared)"),
                _ => format!("{plain} (no longer declared, {number})"),
            });
            while !taken.insert(it.id.clone()) {
                it.id.name = further.next().unwrap_or_default();
                it.declaration.name = Some(it.id.name.clone());
            }
            pruned.push(it);
        }
        pruned
    }
}

impl Planner<'_> {
    /// Returns what earlier runs of the owner set, what is still there in `view`, and what is no longer declared.
    ///
    /// # Errors
    /// When the host cannot be read.
    pub fn leftovers(&self, view: &HostView) -> Result<Leftovers> {
        let (Some(owner), Some(records)) = (self.owner, self.past.records) else {
            return Ok(Leftovers::default());
        };
        let memory = match records.memory(owner.name) {
            Ok(Some(memory)) => memory,
            Ok(None) => return Ok(Leftovers { trouble: lost(records, owner.name)?, ..Leftovers::default() }),
            Err(err) => return Ok(Leftovers { trouble: illegible(&err), ..Leftovers::default() }),
        };
        let is_of_type = |it: &&Declared| owner.registry.entry(&it.id.kind).is_ok();
        let mut known = BTreeSet::new();
        let mut declared: Vec<String> =
            self.declared.iter().filter(is_of_type).flat_map(items).map(|it| key(&it)).collect();
        declared.retain(|it| known.insert(it.clone()));
        // Where nothing else was ever declared, what stands in another order others put there.
        let is_alone = memory.is_alone && memory.owned.iter().map(|it| key(&it.declaration)).eq(declared);
        let mut own: Vec<Owned> = Vec::new();
        if owner.prunes && !is_alone {
            own.extend(memory.owned.iter().filter(|it| !it.adopted).cloned());
        }
        let mut open: Vec<Owned> = memory.owned;
        open.retain(|it| !known.contains(&key(&it.declaration)));
        if open.is_empty() && own.is_empty() {
            return Ok(Leftovers::default());
        }
        let others = match records.memories_beside(owner.name) {
            Ok(others) => Other::all(others, owner.registry),
            Err(err) => return Ok(Leftovers { trouble: illegible(&err), ..Leftovers::default() }),
        };
        own.retain(|it| !others.iter().any(|other| other.sets(&it.declaration)));
        let absent = |it: Owned| Declaration { ensure: Ensure::Absent, ..it.declaration };
        let owned = own.into_iter().filter_map(|it| owner.registry.decode(absent(it)).ok()).collect();
        let judge = Judge { planner: self, owner, view, needs: Needs::of(self.declared), others };
        let mut leftovers = Leftovers { owned, ..Leftovers::default() };
        for it in open {
            match judge.judged(it)? {
                Judged::Left(it) => leftovers.found.push(*it),
                Judged::InPart(it) => leftovers.declared_in_part.push(*it),
                Judged::Gone => {}
            }
        }
        // Somebody's hands were in these files, and have the last word.
        if leftovers.found.iter().any(|it| matches!(it.told.state, Disposal::Changed { .. })) {
            leftovers.owned.clear();
        }
        Ok(leftovers)
    }
}

/// What becomes of something that is remembered and not declared.
enum Judged {
    /// It is there.
    Left(Box<Leftover>),
    /// It is there, and another declaration decides of it.
    InPart(Box<Owned>),
    /// It is gone, or nothing of it is told from what is declared.
    Gone,
}

/// Judges what is remembered by what is there.
struct Judge<'a> {
    planner: &'a Planner<'a>,
    owner: Owner<'a>,
    view: &'a HostView,
    needs: Needs,
    others: Vec<Other>,
}

impl Judge<'_> {
    fn judged(&self, owned: Owned) -> Result<Judged> {
        let absent = Declaration { ensure: Ensure::Absent, ..owned.declaration.clone() };
        let is_to_go = self.planner.declared.iter().any(|it| it.declaration.has_item(&absent));
        let (id, absent, state) = match self.owner.registry.decode(absent) {
            Ok(absent) => {
                if !is_to_go && self.is_declared_anew(&absent) {
                    return Ok(Judged::Gone);
                }
                if !is_to_go && self.is_still_wanted(&absent) {
                    let is_there = self.is_there(&absent)?;
                    return Ok(if is_there { Judged::InPart(Box::new(owned)) } else { Judged::Gone });
                }
                let Some(state) = self.state(&owned, &absent)? else { return Ok(Judged::Gone) };
                let state = match state {
                    Disposal::Stays | Disposal::UntilReboot | Disposal::OfOthers { .. } if is_to_go => {
                        Disposal::TakenOut
                    }
                    state => state,
                };
                (absent.id.clone(), Some(absent), state)
            }
            Err(rejected) => {
                let Some((id, reason)) = self.without_way_back(&owned, &rejected.first().source)? else {
                    return Ok(Judged::Gone);
                };
                (id, None, Disposal::Stuck { reason })
            }
        };
        let (playbook, run) = (owned.declaration.playbook.clone(), owned.run.clone());
        let told = NoLongerDeclared { resource: id, playbook, run, state };
        Ok(Judged::Left(Box::new(Leftover { told, owned, absent })))
    }

    /// Returns whether something may be there that `absent` would take out.
    fn is_there(&self, absent: &Declared) -> Result<bool> {
        match self.settings(absent) {
            Ok(settings) => Ok(settings.iter().any(|it| matches!(it.state, State::Drifted { .. }))),
            Err(err @ Error::Io(_)) => Err(err),
            Err(_) => Ok(true),
        }
    }

    /// Returns whether the playbook declares it otherwise: of one device, or of what is known by its name only, all that was
    /// set before is set anew.
    fn is_declared_anew(&self, absent: &Declared) -> bool {
        let address = |it: &Declared| match it.resource.device().map(|it| it.resolve(self.view)) {
            Some(Ok(Found::Device(device))) => Some(device.address),
            // What is wrong with a selector the planner tells.
            Some(Ok(Found::Absent(_)) | Err(_)) | None => None,
        };
        let device = address(absent);
        // A type that tells nothing of what it sets is known by its name only.
        let is_opaque = absent.resource.claims().is_empty();
        let is_redeclared = |it: &Declared| {
            it.declaration.ensure == Ensure::Present
                && it.id.kind == absent.id.kind
                && ((is_opaque && it.id == absent.id) || (device.is_some() && address(it) == device))
        };
        self.planner.declared.iter().any(is_redeclared)
    }

    fn is_still_wanted(&self, absent: &Declared) -> bool {
        self.needs.include(absent) || self.needs.decide(absent) || self.needs.share(absent)
    }

    fn state(&self, owned: &Owned, absent: &Declared) -> Result<Option<Disposal>> {
        let stuck = |reason: String| Ok(Some(Disposal::Stuck { reason }));
        let settings = match self.settings(absent) {
            Ok(settings) => settings,
            Err(err @ Error::Io(_)) => return Err(err),
            Err(err) => return stuck(err.to_string()),
        };
        let blocked = settings.iter().find_map(|it| match &it.state {
            State::Blocked { reason, .. } => Some(format!("{}: {reason}", it.about)),
            _ => None,
        });
        let left: Vec<&Setting> =
            settings.iter().filter(|it| matches!(it.state, State::Drifted { .. })).collect();
        if left.is_empty() && blocked.is_none() {
            return Ok(self.changed(owned)?.map(|to| Disposal::Changed { to }));
        }
        let owners: Vec<String> =
            self.others.iter().filter(|it| it.has(owned, absent)).map(|it| it.name.clone()).collect();
        if !owners.is_empty() {
            return Ok(Some(Disposal::OfOthers { owners }));
        }
        if let Some(reason) = self.other_device(owned, absent)?.or(blocked) {
            return stuck(reason);
        }
        let waits = |it: &&Setting| {
            let of_boot = |it: &Remedy| matches!(it, Remedy::Activation(Activation::Reboot));
            matches!(&it.state, State::Drifted { remedy, .. } if of_boot(remedy))
        };
        Ok(Some(if left.iter().all(waits) { Disposal::UntilReboot } else { Disposal::Stays }))
    }

    fn settings(&self, declared: &Declared) -> Result<Vec<Setting>> {
        let cx = Context::new(self.view, self.planner.distro);
        let all = parts::expanded(std::slice::from_ref(declared), cx)?;
        let mut settings = Vec::new();
        for it in all.iter() {
            settings.extend(it.resource.inspect(cx)?);
        }
        Ok(settings)
    }

    /// Returns the value that somebody gave since to the parameter that something was.
    fn changed(&self, owned: &Owned) -> Result<Option<String>> {
        let Ok(present) = self.owner.registry.decode(owned.declaration.clone()) else { return Ok(None) };
        // Each parameter by its name, and as it was set.
        let mut set: Vec<(String, Vec<String>)> = Vec::new();
        for Claim { subject, wish } in present.resource.claims() {
            match (subject, wish) {
                (Governed::KernelParameter(name), Wish::Exactly(values)) => set.push((name, values)),
                (Governed::ModuleParameter { parameter, .. }, Wish::Exactly(values)) => {
                    let values = values.iter().map(|it| format!("{parameter}={it}")).collect();
                    set.push((parameter, values));
                }
                _ => {}
            }
        }
        if set.is_empty() {
            return Ok(None);
        }
        let is_other = |text: &&str| {
            let name = text.split('=').next().unwrap_or_default();
            let folded = text.replacen(name, &name.replace('-', "_"), 1);
            set.iter().any(|(known, values)| *known == name.replace('-', "_") && !values.contains(&folded))
        };
        let settings = match self.settings(&present) {
            Ok(settings) => settings,
            Err(err @ Error::Io(_)) => return Err(err),
            Err(_) => return Ok(None),
        };
        Ok(settings.iter().filter(|it| it.scope == Scope::Persistent).find_map(|it| match &it.state {
            State::Drifted { actual: Some(actual), .. } | State::Blocked { actual: Some(actual), .. } => {
                let found: Vec<&str> = actual.split(' ').filter(is_other).collect();
                (!found.is_empty()).then(|| found.join(" "))
            }
            _ => None,
        }))
    }

    /// Says that what sits where the device of something was is another one.
    fn other_device(&self, owned: &Owned, absent: &Declared) -> Result<Option<String>> {
        let (Some(was), Some(selector)) = (&owned.device, absent.resource.device()) else { return Ok(None) };
        let Found::Device(device) = selector.resolve(self.view)? else { return Ok(None) };
        let is = Identity::read(self.view, &device)?;
        Ok((was.is_it(&is) == Some(false)).then(|| {
            format!(
                "{} is another device than when it was declared; declare it `absent` by hand",
                device.address
            )
        }))
    }

    /// Returns why something that is there cannot be taken out, with its id.
    fn without_way_back(&self, owned: &Owned, err: &Error) -> Result<Option<(ResourceId, String)>> {
        let Declaration { kind, name, .. } = &owned.declaration;
        let Ok(present) = self.owner.registry.decode(owned.declaration.clone()) else {
            let id = ResourceId { kind: kind.clone(), name: name.clone().unwrap_or_default() };
            return Ok(Some((id, err.to_string())));
        };
        let is_redeclared = |it: &Declared| it.id == present.id;
        if self.planner.declared.iter().any(is_redeclared) {
            return Ok(None);
        }
        let is_there = match self.settings(&present) {
            Ok(settings) => settings.iter().any(|it| it.state == State::Converged),
            Err(err @ Error::Io(_)) => return Err(err),
            Err(_) => true,
        };
        Ok(is_there.then(|| (present.id, err.to_string())))
    }
}

/// Says that there is no memory of an owner whose runs are recorded.
fn lost(records: &RecordStore, owner: &str) -> Result<Option<Hazard>> {
    let filed = match records.filed() {
        Ok(filed) => filed,
        Err(Error::Io(err)) if err.kind() == std::io::ErrorKind::PermissionDenied => return Ok(None),
        Err(err) => return Err(err),
    };
    let is_of_owner = |id: &str| {
        let heading = records.heading(id);
        heading.is_some_and(|it| it.command == RunCommand::Converge && it.owner.as_deref() == Some(owner))
    };
    let Some(run) = filed.iter().rev().find(|it| is_of_owner(&it.id)) else { return Ok(None) };
    let message = format!(
        "what earlier runs of {owner} set is not remembered, so what is no longer declared is not known; the next \
         converge begins to remember"
    );
    let evidence = [format!("run {} is recorded, and nothing that it set is remembered", run.id)];
    Ok(Some(Hazard::new(GUARD, Severity::Warn, &[owner], message).shown_by(evidence)))
}

/// Says that a memory cannot be read; whoever may not read it is no root, and is told nothing of runs.
fn illegible(err: &Illegible) -> Option<Hazard> {
    let path = err.path.display().to_string();
    let hazard = Hazard::new(GUARD, Severity::Warn, &[&path], format!("{err}, so nothing is pruned"));
    (!err.is_denied()).then(|| hazard.shown_by([err.hint()]))
}
