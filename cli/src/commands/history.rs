//! `hoststate history`: the recorded runs, oldest first, or one of them with its diff and every step.

use std::path::PathBuf;

use hoststate_abi::host_view::HostView;
use hoststate_core::error::Error as EngineError;
use hoststate_core::record::RunRecord;
use hoststate_core::record::history::{self, State, Told};
use hoststate_core::record::provenance::Provenance;
use hoststate_core::record::refused_boot::RefusedBoot;
use hoststate_core::record::report::Outcome;
use hoststate_core::record::store::{RecordStore, Unreadable};
use schemars::JsonSchema;
use serde::Serialize;

use crate::args::{Format, HistoryArguments};
use crate::error::Result;
use crate::exit::Exit;
use crate::render;
use crate::render::screen::Screen;
use crate::render::shown::Shown;
use crate::session::Session;
use crate::target::{records, root_of};

/// Format of the list of runs.
const HISTORY_FORMAT: &str = "hoststate.history/2";

/// How many runs a person is shown who does not ask for all.
const NEWEST: usize = 20;

/// The recorded runs.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct History {
    /// The format of this object.
    format: String,
    /// The runs, oldest first.
    pub(crate) runs: Vec<Entry>,
    /// Records that cannot be read; they hide no other.
    pub(crate) unreadable: Vec<Damaged>,
    /// How many older runs are left out.
    pub(crate) older: usize,
}

/// A run.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Entry {
    /// Its id.
    pub(crate) run: String,
    /// Its number: a later run has a greater one.
    pub(crate) sequence: u64,
    /// What it did: `converge`, or `rollback` with the id of the run it undid.
    pub(crate) command: String,
    /// How it is with it now.
    pub(crate) state: State,
    /// How it ended; null for a run that did not.
    pub(crate) outcome: Option<Outcome>,
    /// Why it ended so.
    pub(crate) reason: Option<String>,
    /// For a run after a boot that was tried: that boot, if it is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) refused_boot: Option<RefusedBoot>,
    /// What was still to do when it ended, a boot left out.
    pub(crate) left: Vec<String>,
    /// The command that goes on with it; null where nothing is to go on with.
    pub(crate) goes_on: Option<String>,
    /// Boot id of the kernel it ran under.
    boot_id: Option<String>,
    /// Who ran it, from where, and with what.
    pub(crate) provenance: Option<Provenance>,
    /// The files it changed.
    pub(crate) files: Vec<PathBuf>,
    /// The whole record, where one run was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) record: Option<RunRecord>,
}

/// A record that cannot be read.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Damaged {
    /// Its file, on the host.
    pub(crate) file: PathBuf,
    /// Why it cannot be read.
    pub(crate) what: String,
    /// Whether a newer hoststate wrote it.
    pub(crate) is_newer: bool,
}

/// Runs the command.
///
/// # Errors
/// When the records cannot be listed, or there is no such run.
pub(crate) fn run(arguments: &HistoryArguments, session: &Session) -> Result<Exit> {
    let root = root_of(&arguments.host)?;
    let store = records(&HostView::new(&root))?;
    let commands = Commands { root };
    let history = match &arguments.run {
        Some(id) => commands.one(&store, id)?,
        // A program gets all of them; a person wants the last ones.
        None if arguments.all || session.format == Format::Json => commands.list(&store, usize::MAX)?,
        None => commands.list(&store, NEWEST)?,
    };
    session.show(&history)?;
    Ok(Exit::Success)
}

impl Shown for History {
    fn text(&self, screen: &Screen) -> String {
        match &self.runs[..] {
            // Only a run that was asked for has its record with it.
            [entry] if entry.record.is_some() => render::history::one(screen, entry),
            _ => render::history::list(screen, self),
        }
    }
}

/// Returns what is told of a run of the host below `root`.
pub(crate) fn entry(told: Told, root: PathBuf) -> Entry {
    Commands { root }.entry(told)
}

/// Names the commands that go on with a run.
struct Commands {
    root: PathBuf,
}

impl Commands {
    fn list(&self, store: &RecordStore, limit: usize) -> Result<History> {
        let (mut runs, mut unreadable) = (Vec::new(), Vec::new());
        let machine = HostView::new("/");
        let mut newest_first = history::newest_first(store, &machine)?;
        while runs.len() < limit {
            match newest_first.next() {
                Some(Ok(told)) => runs.push(self.entry(told)),
                Some(Err(it)) => unreadable.push(damaged(it)),
                None => break,
            }
        }
        let older = newest_first.len();
        runs.reverse();
        Ok(History { format: HISTORY_FORMAT.to_owned(), runs, unreadable, older })
    }

    fn one(&self, store: &RecordStore, id: &str) -> Result<History> {
        let record = store.read(id)?;
        let told = history::newest_first(store, &HostView::new("/"))?
            .filter_map(Result::ok)
            .find(|it| it.record.id == record.id)
            .ok_or_else(|| {
                EngineError::invalid(format!("run {id} is gone"), "`hoststate history` lists them.")
            })?;
        let runs = vec![Entry { record: Some(record), ..self.entry(told) }];
        Ok(History { format: HISTORY_FORMAT.to_owned(), runs, unreadable: Vec::new(), older: 0 })
    }

    fn entry(&self, told: Told) -> Entry {
        let goes_on = self.goes_on(&told);
        let Told { record, state } = told;
        Entry {
            run: record.id,
            sequence: record.sequence,
            command: record.command.to_string(),
            state,
            outcome: record.outcome,
            reason: record.reason,
            refused_boot: record.refused_boot,
            left: record.left,
            goes_on,
            boot_id: record.boot_id,
            provenance: record.provenance,
            files: record.files.into_iter().map(|it| it.path).collect(),
            record: None,
        }
    }

    fn goes_on(&self, told: &Told) -> Option<String> {
        let root = match self.root.to_str() {
            Some("/") => String::new(),
            _ => format!(" --root {}", self.root.display()),
        };
        let record = &told.record;
        match &told.state {
            State::Cut | State::Ended { outcome: Outcome::Failed | Outcome::Interrupted } => {
                match record.undoes() {
                    Some(undone) => Some(format!("hoststate rollback {undone}{root}")),
                    None => {
                        let playbook = record.provenance.as_ref()?.playbook.as_ref()?;
                        Some(format!("hoststate converge {}{root}", playbook.display()))
                    }
                }
            }
            State::PartlyUndone { .. } => Some(format!("hoststate rollback {}{root}", record.id)),
            _ => None,
        }
    }
}

fn damaged(it: Unreadable) -> Damaged {
    Damaged { file: it.path, what: it.what, is_newer: it.is_newer }
}
