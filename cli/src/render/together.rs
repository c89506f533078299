//! Changes of one setting, taken together: several declarations may want one image, or the boot configuration, made anew.

use std::collections::{BTreeMap, BTreeSet};

use hoststate_core::language::declaration::ResourceId;
use hoststate_core::plan::planned::Change;

/// The changes of one setting; not empty.
pub(crate) struct Together<'a>(Vec<&'a Change>);

/// Returns `changes` by setting, in the order of the first of each: as many as the counts of a plan say.
pub(crate) fn together<'a>(changes: impl IntoIterator<Item = &'a Change>) -> Vec<Together<'a>> {
    let mut groups: Vec<Together<'a>> = Vec::new();
    let mut group_of = BTreeMap::new();
    for it in changes {
        let at = *group_of.entry((it.scope, &it.about, it.expects_reboot())).or_insert(groups.len());
        match groups.get_mut(at) {
            Some(group) => group.0.push(it),
            None => groups.push(Together(vec![it])),
        }
    }
    groups
}

impl<'a> Together<'a> {
    /// Returns the first of them.
    pub(crate) fn first(&self) -> &'a Change {
        self.0[0]
    }

    /// Returns whose they are.
    pub(crate) fn resources(&self) -> BTreeSet<&'a ResourceId> {
        self.0.iter().map(|it| &it.resource).collect()
    }

    /// Returns what is found: all that is missing, where a tool makes it anew; else what the first of them finds.
    pub(crate) fn actual(&self) -> Option<String> {
        match self.is_made_anew() {
            true => joined(self.0.iter().map(|it| it.actual.as_deref())),
            false => self.first().actual.clone(),
        }
    }

    /// Returns what is wanted: by all of them, where a tool makes it anew; else what the last of them leaves.
    pub(crate) fn desired(&self) -> Option<String> {
        match self.is_made_anew() {
            true => joined(self.0.iter().map(|it| it.desired.as_deref())),
            false => self.0.last().and_then(|it| it.desired.clone()),
        }
    }

    /// Returns whether a tool makes it anew, or a boot.
    pub(crate) fn is_made_anew(&self) -> bool {
        self.0.iter().all(|it| it.activation.is_some())
    }
}

/// Returns each text once; `None` where there is none.
fn joined<'a>(texts: impl Iterator<Item = Option<&'a str>>) -> Option<String> {
    let mut all: Vec<&str> = Vec::new();
    for text in texts.flatten() {
        if !all.contains(&text) {
            all.push(text);
        }
    }
    (!all.is_empty()).then(|| all.join(", "))
}
