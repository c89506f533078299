//! What the records of earlier runs tell about a plan that is judged after a boot.

use std::collections::{BTreeMap, HashSet};

use super::Judged;
use super::refused::{Refused, Retrial};
use super::taken_back::Chain;
use crate::error::Result;
use crate::language::declaration::{Alike, ResourceId};
use crate::language::registry::Declared;
use crate::machine::facts;
use crate::plan::finding::Finding;
use crate::record::command::{RunCommand, UNDO};
use crate::record::past::has_put_in_place;

/// A run that put something in place.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub(super) id: String,
    pub(super) was_booted_since: bool,
}

/// What the records tell about a plan.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// The run that put in place what a resource wants, if one is recorded.
    pub(super) runs: BTreeMap<ResourceId, Run>,
    /// The newest run and its reason, if it was one after this boot that failed.
    pub(super) failed: Option<(String, String)>,
    /// The boot that was tried with what is wanted, and was refused.
    pub(super) refused: Option<Refused>,
    /// What runs put in place and is gone, or was gone after each boot.
    pub(super) taken_back: BTreeMap<ResourceId, Finding>,
}

impl Known {
    /// Looks for what the records tell about the changes that a boot may have been for.
    ///
    /// # Errors
    /// When the host or the records cannot be read.
    pub(super) fn of(judged: Judged<'_>) -> Result<Self> {
        let mut known = Self::default();
        if judged.plan.in_desired_state()
            || judged.past.boot_id.is_none()
            || facts::proc_is_foreign(judged.host)?
        {
            return Ok(known);
        }
        let changes = judged.plan.changes.iter();
        let asked: HashSet<&ResourceId> = changes
            .filter(|it| it.waits_for_reboot() || it.about.driver_of().is_some())
            .map(|it| &it.resource)
            .collect();
        let mut open: Vec<&Declared> = judged.declared.iter().filter(|it| asked.contains(&it.id)).collect();
        let mut chains = Chain::of(judged);
        let mut retrial = Retrial::of(judged)?;
        let mut is_newest = true;
        judged.past.newest(|run| {
            let was_booted_since = judged.past.was_booted_since(run) == Some(true);
            let alike = Alike::of(&run.declarations);
            let is_refused = retrial.found_in(run, &alike).map(|it| known.refused = Some(it)).is_some();
            if std::mem::take(&mut is_newest)
                && run.command == RunCommand::AtBoot
                && !was_booted_since
                && !is_refused
            {
                known.failed = run.reason.clone().map(|it| (run.id.clone(), it));
            }
            open.retain(|Declared { id, declaration, .. }| {
                let is_it = has_put_in_place(run) && alike.find(declaration).is_some();
                if is_it {
                    known.runs.insert(id.clone(), Run { id: run.id.clone(), was_booted_since });
                }
                !is_it
            });
            let mut is_continued = retrial.is_open();
            for it in &mut chains {
                is_continued |= it.go_on(run, &alike, judged.past);
            }
            // Nothing older than the run that a rollback undoes had to do with undoing it.
            let is_undone = |it: &Declared| it.declaration.kind == UNDO && it.id.name == run.id;
            open.is_empty() && !is_continued || judged.declared.iter().all(is_undone)
        })?;
        known.taken_back = chains.into_iter().filter_map(Chain::finding).collect();
        Ok(known)
    }
}
