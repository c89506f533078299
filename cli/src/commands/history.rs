//! `hoststate history`: the recorded runs, oldest first.

use hoststate_abi::host_view::HostView;
use hoststate_core::record::RunRecord;
use hoststate_core::report::Outcome;
use serde_json::{Value, json};

use crate::args::{Format, HistoryArguments};
use crate::error::Result;
use crate::exit::Exit;
use crate::render::table::table;
use crate::session::Session;
use crate::target::{records, root_of};

/// Format of the list of runs.
const HISTORY_FORMAT: &str = "hoststate.history/1";

/// A reason stands below its run.
const REASON_INDENT: usize = 4;

/// Runs the command.
///
/// # Errors
/// When a record cannot be read.
pub(crate) fn run(arguments: &HistoryArguments, session: &Session) -> Result<Exit> {
    let records = records(&HostView::new(root_of(&arguments.host)?))?;
    let mut runs = Vec::new();
    for id in records.ids()? {
        runs.push(records.read(&id)?);
    }
    match session.format {
        Format::Json => {
            let runs: Vec<Value> = runs.iter().map(summary).collect();
            session.print_json(&json!({ "format": HISTORY_FORMAT, "runs": runs }))?;
        }
        Format::Text if runs.is_empty() => session.print("No run has changed this host.\n")?,
        Format::Text => {
            let mut rows = vec![["RUN", "COMMAND", "OUTCOME", "FILES"].map(str::to_owned).to_vec()];
            rows.extend(runs.iter().map(row));
            let mut text = String::new();
            for (line, run) in table(&rows).lines().zip(std::iter::once(None).chain(runs.iter().map(Some))) {
                text.push_str(line);
                text.push('\n');
                if let Some(reason) = run.and_then(|it| it.reason.as_deref()) {
                    session.screen.prose(&mut text, REASON_INDENT, reason);
                }
            }
            session.print(&text)?;
        }
    }
    Ok(Exit::Success)
}

fn row(run: &RunRecord) -> Vec<String> {
    let files: Vec<String> = run.files.iter().map(|it| it.path.display().to_string()).collect();
    vec![run.id.clone(), run.command.clone(), outcome(run).to_owned(), files.join(" ")]
}

fn summary(run: &RunRecord) -> Value {
    let files: Vec<String> = run.files.iter().map(|it| it.path.display().to_string()).collect();
    json!({
        "run": run.id,
        "command": run.command,
        "outcome": run.outcome,
        "reason": run.reason,
        "boot_id": run.boot_id,
        "files": files,
    })
}

fn outcome(run: &RunRecord) -> &'static str {
    match run.outcome {
        Some(Outcome::InDesiredState) => "in the desired state",
        Some(Outcome::Converged) => "converged",
        Some(Outcome::RebootRequired) => "reboot required",
        Some(Outcome::ActivationRequired) => "tools not run",
        Some(Outcome::Refused) => "refused",
        Some(Outcome::Declined) => "declined",
        Some(Outcome::Interrupted) => "interrupted",
        Some(Outcome::Failed) => "failed",
        None => "cut",
    }
}
