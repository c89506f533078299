//! What became of each run: whether it still runs, how it ended, and which run undid it.

use std::collections::BTreeMap;

use hoststate_abi::host_view::HostView;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::record::RunRecord;
use crate::record::command::RunCommand;
use crate::record::heading::Heading;
use crate::record::report::Outcome;
use crate::record::store::{RecordStore, Unreadable};

/// How it is with a run now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum State {
    /// Its process still works.
    Running {
        /// That process.
        pid: u32,
    },
    /// It ended without a word: it was killed, or the machine went down.
    Cut,
    /// It ended, and what it did stands.
    Ended {
        /// How.
        outcome: Outcome,
    },
    /// The next boot goes on with it: tries what it prepared, or finishes what it left.
    AwaitsBoot {
        /// Whether that boot is one that is tried.
        is_trial: bool,
    },
    /// A boot went on with it.
    Booted {
        /// The run after that boot.
        by: String,
        /// Whether the boot was one that was tried and is refused.
        is_refused: bool,
    },
    /// It was undone.
    Undone {
        /// By this run.
        by: String,
    },
    /// A run set out to undo it and did not come to the end.
    PartlyUndone {
        /// That run.
        by: String,
    },
    /// It was a rollback that did not come to its end; another went on with it.
    Continued {
        /// That run.
        by: String,
    },
}

/// A run, and how it is with it now.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// Its record.
    pub record: RunRecord,
    /// How it is with it.
    pub state: State,
}

/// Returns the runs, the newest first, each with what became of it. Newer runs are what tells, so nothing older than what
/// is asked for is read.
///
/// # Errors
/// When the records cannot be listed.
pub fn newest_first(
    store: &RecordStore,
    machine: &HostView,
) -> Result<impl ExactSizeIterator<Item = Result<Told, Unreadable>>> {
    let mut ledger = Ledger::default();
    Ok(store.newest_first()?.map(move |(_, found)| Ok(ledger.told(found?, machine))))
}

/// Returns the runs newer than `id` that set out to undo others, the newest first. Whatever else was run is not read.
///
/// # Errors
/// When the records cannot be listed.
pub fn rollbacks_since(store: &RecordStore, id: &str, machine: &HostView) -> Result<Vec<Told>> {
    let is_other = |it: Heading| !matches!(it.command, RunCommand::AtBoot | RunCommand::Rollback(_));
    let mut ledger = Ledger::default();
    let mut told = Vec::new();
    for filed in store.filed()?.into_iter().rev().take_while(|it| it.id != id) {
        if store.heading(&filed.id).is_some_and(is_other) {
            continue;
        }
        // A damaged record hides no other.
        told.extend(store.read_filed(&filed.id).ok().map(|it| ledger.told(it, machine)));
    }
    Ok(told)
}

/// What newer runs tell about older ones.
#[derive(Default)]
struct Ledger {
    undone: BTreeMap<String, By>,
    after_boot: Option<State>,
}

impl Ledger {
    /// Returns what became of the next older run.
    fn told(&mut self, record: RunRecord, machine: &HostView) -> Told {
        let mut state = state(&record, &self.undone, machine);
        if record.command == RunCommand::AtBoot {
            let (by, is_refused) = (record.id.clone(), record.refused_boot.is_some());
            self.after_boot = Some(State::Booted { by, is_refused });
        } else if let Some(is_trial) = record.left_to_a_boot() {
            // Nothing else is left for after a boot while something is.
            let booted = self.after_boot.take();
            if matches!(state, State::Ended { .. }) {
                state = booted.unwrap_or(State::AwaitsBoot { is_trial });
            }
        }
        if let Some(run) = record.undoes()
            && !matches!(state, State::Undone { .. } | State::Continued { .. })
        {
            let by = By { run: record.id.clone(), wholly: record.has_left_nothing() };
            self.undone.entry(run.to_owned()).or_insert(by);
        }
        Told { record, state }
    }
}

/// A run whose declarations the host shall be in agreement with.
#[derive(Debug, Clone, PartialEq)]
pub struct InEffect {
    /// Whose declarations they are, where the records tell.
    pub owner: Option<String>,
    /// The run.
    pub record: RunRecord,
}

/// Returns the runs that stand and have declarations, the newest of each owner: what the host shall be by now. The newest
/// comes first.
///
/// # Errors
/// When the records cannot be listed.
pub fn in_effect(store: &RecordStore, machine: &HostView) -> Result<Vec<InEffect>> {
    let stands = |it: &Told| {
        it.record.undoes().is_none()
            && !it.record.declarations.is_empty()
            && !matches!(it.state, State::Undone { .. } | State::PartlyUndone { .. })
    };
    let mut found: Vec<InEffect> = Vec::new();
    let mut finished = None;
    let mut ledger = Ledger::default();
    for filed in store.filed()?.into_iter().rev() {
        // Of an owner whose newest run is found no older one tells anything: it is not read.
        let is_told = |it: Heading| {
            let is_older = it.owner.is_some() && found.iter().any(|known| known.owner == it.owner);
            is_older && !matches!(it.command, RunCommand::AtBoot | RunCommand::Rollback(_))
        };
        if finished.is_none() && store.heading(&filed.id).is_some_and(is_told) {
            continue;
        }
        let Ok(record) = store.read_filed(&filed.id) else { continue };
        let told = ledger.told(record, machine);
        if !stands(&told) {
            continue;
        }
        let record = told.record;
        // What ran after a boot finished what an older run of an owner had begun.
        if record.command == RunCommand::AtBoot {
            finished.get_or_insert(record);
            continue;
        }
        let owner = record.owner().map(str::to_owned);
        let record = finished.take().unwrap_or(record);
        if !found.iter().any(|it| it.owner == owner) {
            found.push(InEffect { owner, record });
        }
    }
    if found.is_empty() {
        found.extend(finished.map(|record| InEffect { owner: None, record }));
    }
    Ok(found)
}

/// The newest run that undid another.
struct By {
    run: String,
    wholly: bool,
}

fn state(record: &RunRecord, undone: &BTreeMap<String, By>, machine: &HostView) -> State {
    match undone.get(&record.id) {
        Some(By { run, wholly: true }) => return State::Undone { by: run.clone() },
        Some(By { run, wholly: false }) => return State::PartlyUndone { by: run.clone() },
        None => {}
    }
    // Of several runs that undid one, the newest is the one that counts.
    if let Some(By { run, .. }) = record.undoes().and_then(|it| undone.get(it)) {
        return State::Continued { by: run.clone() };
    }
    match (record.outcome, &record.provenance) {
        (Some(outcome), _) => State::Ended { outcome },
        (None, Some(it)) if it.process.is_running(machine) => State::Running { pid: it.process.pid },
        (None, _) => State::Cut,
    }
}
