//! What cannot become as wanted, as conflicts of the plan: declarations that contradict each other, and what others decide.

use std::collections::BTreeMap;
use std::path::PathBuf;

use hoststate_abi::about::About;
use hoststate_abi::setting::{Setting, State};
use hoststate_abi::step::Step;

use super::{Draft, named, steps_of};
use crate::language::contradiction;
use crate::language::registry::Declared;
use crate::plan::planned::Conflict;

impl Draft {
    /// Adds the contradictions that show in no file and no attribute.
    pub(super) fn contradict(&mut self, all: &[Declared]) {
        for it in contradiction::find(all) {
            let pair = [&it.earlier.0.id, &it.later.0.id];
            let is_of_pair = |of: &Conflict| {
                pair.contains(&&of.resource) && of.other.as_ref().is_some_and(|other| pair.contains(&other))
            };
            if self.conflicts.iter().any(is_of_pair) {
                continue;
            }
            let values = (Some(it.earlier.1.shown()), Some(it.later.1.shown()));
            let about = it.subject.to_string().into();
            self.conflicts.push(conflict(it.later.0, Some(it.earlier.0), about, values, it.reason()));
        }
    }

    /// Two declarations that end in different values of one kernel attribute are a conflict.
    pub(super) fn compare_attributes(&mut self, all: &[Declared], index: usize, setting: &Setting) {
        let last: BTreeMap<&PathBuf, &String> = steps_of(setting)
            .filter_map(|step| match step {
                Step::WriteAttribute { path, value } => Some((path, value)),
                _ => None,
            })
            .collect();
        for (path, value) in last {
            // Writing an address to these acts on that device; other devices may follow.
            if path.ends_with("bind") || path.ends_with("unbind") || path.ends_with("drivers_probe") {
                continue;
            }
            match self.attributes.get(path) {
                Some((other, theirs)) if theirs != value && *other != index => {
                    let (this, other) = (&all[index], &all[*other]);
                    let values = (Some(theirs.clone()), Some(value.clone()));
                    let reason =
                        format!("{} and {} want different values in {}", other.id, this.id, path.display());
                    let about = setting.about.clone();
                    self.conflicts.push(conflict(this, Some(other), about, values, reason));
                }
                _ => {
                    self.attributes.insert(path.clone(), (index, value.clone()));
                }
            }
        }
    }

    pub(super) fn blocked(&mut self, all: &[Declared], index: usize, setting: Setting) {
        let State::Blocked { actual, desired, by, reason } = setting.state else { return };
        let writer = by.as_ref().and_then(|it| self.files.get(&it.file)).map(|it| it.writer);
        let other = writer.filter(|it| *it != index).map(|it| &all[it]);
        let found = conflict(&all[index], other, setting.about, (actual, desired), reason);
        self.conflicts.push(Conflict { foreign: by, ..found });
    }

    /// A setting whose file was written and which still differs: a later declaration undid it.
    pub(super) fn overwritten(&mut self, all: &[Declared], index: usize, twice: bool, setting: Setting) {
        let writers = steps_of(&setting).filter_map(|step| self.files.get(step.file()?));
        let other = writers.map(|it| it.writer).find(|it| *it != index);
        let reason = match other {
            Some(other) => format!("{} and {} undo each other", all[index].id, all[other].id),
            None if twice => format!("what {} writes does not have the wanted effect", all[index].id),
            None => "a file changed by another declaration undid it".to_owned(),
        };
        let State::Drifted { actual, desired, .. } = setting.state else { return };
        let other = other.map(|it| &all[it]);
        self.conflicts.push(conflict(&all[index], other, setting.about, (actual, desired), reason));
    }
}

/// Returns a conflict of a declaration, with another one where that stands in its way; the values are the one that is
/// there and the one that is wanted.
pub(super) fn conflict(
    of: &Declared,
    other: Option<&Declared>,
    about: About,
    (actual, desired): (Option<String>, Option<String>),
    reason: String,
) -> Conflict {
    let (resource, playbook) = named(of);
    let (other, other_playbook) = other.map(named).unzip();
    let other_playbook = other_playbook.flatten();
    let (foreign, gone) = (None, None);
    Conflict { about, desired, actual, resource, playbook, other, other_playbook, foreign, gone, reason }
}
