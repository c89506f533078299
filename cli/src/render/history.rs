//! The recorded runs as text: one line each, or one of them whole.

use hoststate_core::record::RunRecord;
use hoststate_core::record::history::State;
use hoststate_core::record::provenance::{Provenance, Who};
use hoststate_core::record::report::Outcome;

use crate::commands::history::{Entry, History};
use crate::render::escape::visible_line;
use crate::render::screen::{Paint, Screen};
use crate::render::table::table;
use crate::render::when::{ago, local};
use crate::render::{diff, report};

/// A reason stands below its run.
const REASON_INDENT: usize = 4;

/// Returns the list.
pub(crate) fn list(screen: &Screen, history: &History) -> String {
    let mut out = String::new();
    if history.runs.is_empty() && history.unreadable.is_empty() {
        return "No run has changed this host.\n".to_owned();
    }
    let mut rows = vec![["RUN", "WHEN", "WHO", "WHAT", "NOW"].map(str::to_owned).to_vec()];
    rows.extend(history.runs.iter().map(row));
    for (line, run) in table(&rows).lines().zip(std::iter::once(None).chain(history.runs.iter().map(Some))) {
        let paint = run.and_then(paint);
        out.push_str(&paint.map_or_else(|| line.to_owned(), |it| screen.paint(it, line)));
        out.push('\n');
        if let Some(reason) = run.and_then(|it| it.reason.as_deref()) {
            screen.prose(&mut out, REASON_INDENT, reason);
        }
    }
    for it in &history.unreadable {
        let label = if it.is_newer { "newer  " } else { "damaged" };
        let line = format!("{}: {}", it.file.display(), it.what);
        out.push_str(&format!("{} {}\n", screen.paint(Paint::Removed, label), visible_line(&line)));
    }
    if history.older > 0 {
        out.push_str(
            &screen.paint(Paint::Faint, &format!("{} older: `hoststate history --all`.", history.older)),
        );
        out.push('\n');
    }
    out
}

/// Returns one run: who, what, its diff, every step, what is left.
pub(crate) fn one(screen: &Screen, entry: &Entry) -> String {
    let mut out = String::new();
    let mut line = |label: &str, text: String| {
        out.push_str(&format!("{label:9} {}\n", visible_line(&text)));
    };
    line("Run", format!("{}, number {}", entry.run, entry.sequence));
    if let Some(it) = &entry.provenance {
        line("When", format!("{}{}", local(&it.began), ago(&it.began)));
        line(
            "Who",
            match &it.host_name {
                Some(host) => format!("{} on {host}", who(&it.who)),
                None => who(&it.who),
            },
        );
    }
    line("What", what(entry));
    if let Some(it) = &entry.provenance {
        if let Some(owner) = &it.owner {
            line("Owner", owner.clone());
        }
        if !it.accepted.is_empty() {
            line("Accepted", it.accepted.join(", "));
        }
        line("Program", format!("hoststate {}, process {}", it.version, it.process.pid));
    }
    line("Now", now(entry));
    let Some(record) = &entry.record else { return out };
    for change in &record.files {
        out.push('\n');
        diff::file(&mut out, screen, change);
    }
    steps(&mut out, screen, record);
    if let Some(reason) = &entry.reason {
        out.push('\n');
        screen.prose(&mut out, 0, reason);
    }
    out
}

fn steps(out: &mut String, screen: &Screen, record: &RunRecord) {
    if record.steps.is_empty() {
        let text = match record.outcome {
            None => "\nThe run ended before its steps were recorded.\n",
            Some(_) => "\nNo step was done.\n",
        };
        out.push_str(text);
        return;
    }
    out.push('\n');
    for step in &record.steps {
        out.push_str(&report::step(screen, step));
    }
}

fn row(entry: &Entry) -> Vec<String> {
    let (when, by) = match &entry.provenance {
        Some(it) => (format!("{}{}", local(&it.began), ago(&it.began)), who(&it.who)),
        None => (local(&entry.run), "-".to_owned()),
    };
    vec![entry.run.clone(), when, by, what(entry), now(entry)]
}

/// Returns a run in one line.
pub(crate) fn summary(entry: &Entry) -> String {
    let by = entry.provenance.as_ref().map(|it| format!("{}, {}: ", ago(&it.began).trim(), who(&it.who)));
    format!("{} {}{}: {}", entry.run, by.unwrap_or_default(), what(entry), now(entry))
}

fn who(who: &Who) -> String {
    let Who { user, via, from, .. } = who;
    let via = via.as_ref().map(|it| format!(" via {it}")).unwrap_or_default();
    let from = from.as_ref().map(|it| format!(", ssh from {it}")).unwrap_or_default();
    format!("{user}{via}{from}")
}

fn what(entry: &Entry) -> String {
    let playbook = |it: &Provenance| it.playbook.as_ref().map(|it| format!(" {}", it.display()));
    let playbook = entry.provenance.as_ref().and_then(playbook).unwrap_or_default();
    format!("{}{playbook}", entry.command)
}

/// Says how it is with a run now.
fn now(entry: &Entry) -> String {
    if let (Some(boot), State::Ended { .. }) = (&entry.refused_boot, &entry.state) {
        return format!("REFUSED: {}", boot.named());
    }
    let goes_on = entry.goes_on.as_ref().map(|it| format!(": `{it}` continues it")).unwrap_or_default();
    match &entry.state {
        State::Running { pid } => format!("running, process {pid}"),
        State::Cut => format!("CUT{goes_on}"),
        State::AwaitsBoot { is_trial: true } => "to be tried by the next boot".to_owned(),
        State::AwaitsBoot { is_trial: false } => "to be finished after the next boot".to_owned(),
        State::Booted { by, is_refused: true } => format!("tried and REFUSED by {by}"),
        State::Booted { by, is_refused: false } => format!("continued after the boot by {by}"),
        State::Undone { by } => format!("undone by {by}"),
        State::PartlyUndone { by } => format!("PARTLY undone by {by}{goes_on}"),
        State::Continued { by } => format!("continued by {by}"),
        State::Ended { outcome: Outcome::Failed } if entry.left.is_empty() => format!("FAILED{goes_on}"),
        State::Ended { outcome: Outcome::Failed } => {
            format!("FAILED, to do: {}{goes_on}", entry.left.join(", "))
        }
        State::Ended { outcome: Outcome::ActivationRequired } => {
            format!("tools not run: {}", entry.left.join(", "))
        }
        State::Ended { outcome } => format!("{}{goes_on}", said(*outcome)),
    }
}

fn said(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::InDesiredState => "in the desired state",
        Outcome::Converged => "done",
        Outcome::RebootRequired => "done, reboot required",
        Outcome::ActivationRequired => "tools not run",
        Outcome::Refused => "refused",
        Outcome::Declined => "declined",
        Outcome::Interrupted => "interrupted",
        Outcome::Failed => "failed",
    }
}

/// Returns the colour of a run in need of attention, or of none any more.
pub(crate) fn paint(entry: &Entry) -> Option<Paint> {
    match entry.state {
        State::Running { .. } | State::AwaitsBoot { .. } => Some(Paint::Warning),
        State::Cut | State::PartlyUndone { .. } | State::Ended { outcome: Outcome::Failed } => {
            Some(Paint::Removed)
        }
        State::Booted { is_refused: true, .. } => Some(Paint::Removed),
        State::Booted { .. } | State::Undone { .. } | State::Continued { .. } => Some(Paint::Faint),
        State::Ended { .. } => None,
    }
}
