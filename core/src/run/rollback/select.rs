//! Which run a rollback is about: the one that is named, the one whose undoing did not come to its end, or the newest.

use hoststate_abi::host_view::HostView;

use crate::error::{Error, Result};
use crate::record::RunRecord;
use crate::record::history::{self, State, Told};
use crate::record::store::{RecordStore, Unreadable};

/// The run that is undone.
#[derive(Debug)]
pub struct Selected {
    /// Its record.
    pub run: RunRecord,
    /// The runs that set out to undo it before, the newest first; one that was undone itself is none.
    pub rollbacks: Vec<RunRecord>,
    /// Newer records that cannot be read, for a run that was not named.
    pub skipped: Vec<Unreadable>,
    /// Whether nobody asked for this run: the newest that changed anything undid it, and came to its end.
    pub is_undone: bool,
}

/// Returns the run to undo: `id`; else the newest that changed something. Where that is a rollback, it is the run which
/// that rollback undid: what was undone is never brought back unasked.
///
/// # Errors
/// When there is no such run, or its record cannot be read.
pub fn select(store: &RecordStore, id: Option<&str>, machine: &HostView) -> Result<Selected> {
    if let Some(id) = id {
        let run = store.read(id)?;
        let rollbacks = of(&run, history::rollbacks_since(store, &run.id, machine)?);
        return Ok(Selected { run, rollbacks, skipped: Vec::new(), is_undone: false });
    }
    let mut target: Option<RunRecord> = None;
    let (mut told, mut skipped, mut is_undone): (Vec<Told>, _, _) = (Vec::new(), Vec::new(), false);
    for found in history::newest_first(store, machine)? {
        match (found, &target) {
            (Ok(it), Some(run)) if it.record.id == run.id => break,
            (Ok(it), None) if it.record.has_changed() && !matches!(it.state, State::Undone { .. }) => {
                match it.record.undoes() {
                    Some(undone) => target = Some(store.read(undone)?),
                    None => {
                        target = Some(it.record);
                        break;
                    }
                }
                is_undone = it.record.is_complete();
                told.push(it);
            }
            (Ok(it), _) => told.push(it),
            (Err(it), None) => skipped.push(it),
            (Err(_), Some(_)) => {}
        }
    }
    let Some(run) = target else {
        let hint = match skipped.first() {
            Some(it) => format!("{it}. {}", it.hint()),
            None => "`hoststate history` lists the runs.".to_owned(),
        };
        return Err(Error::invalid("no recorded run changed this host", hint));
    };
    Ok(Selected { rollbacks: of(&run, told), run, skipped, is_undone })
}

/// Returns those of `told` that set out to undo `run`.
fn of(run: &RunRecord, told: Vec<Told>) -> Vec<RunRecord> {
    let is_of = |it: &Told| it.record.undoes() == Some(&run.id) && !matches!(it.state, State::Undone { .. });
    told.into_iter().filter(is_of).map(|it| it.record).collect()
}
