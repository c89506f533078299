//! How it is with a host, in three lines.

use crate::commands::status::{Owner, Status};
use crate::render::escape::visible_line;
use crate::render::history;
use crate::render::plan::settings;
use crate::render::screen::{Amount, Paint, Screen};

/// So many things are named in a line; `verify --last` names all.
const NAMED: usize = 3;

/// Returns the three lines.
pub(crate) fn text(screen: &Screen, status: &Status) -> String {
    let mut out = String::new();
    let mut line = |label: &str, paint: Option<Paint>, text: &str| {
        let text = visible_line(text);
        let text = paint.map_or_else(|| text.to_string(), |it| screen.paint(it, &text));
        out.push_str(&format!("{label:9} {text}\n"));
    };
    match &status.last {
        Some(it) => line("Last run", history::paint(it), &history::summary(it)),
        None => line("Last run", None, "none"),
    }
    let busy = "not checked: a run is in progress";
    let refused = status.refused.join("; ");
    match &status.reboot[..] {
        [] if status.is_running() => line("Reboot", Some(Paint::Warning), busy),
        [] if status.refused.is_empty() => line("Reboot", Some(Paint::Added), "nothing waits for one"),
        [] => line("Reboot", Some(Paint::Removed), &format!("refused: {refused}")),
        waiting if status.refused.is_empty() => {
            line("Reboot", Some(Paint::Warning), &format!("waits: {}", named(screen, waiting)));
        }
        waiting => {
            let text = format!("refused: {refused}; waits: {}", named(screen, waiting));
            line("Reboot", Some(Paint::Removed), &text);
        }
    }
    match (&status.drift[..], &status.owners[..]) {
        _ if status.is_running() => line("Drift", Some(Paint::Warning), busy),
        ([], []) => line("Drift", Some(Paint::Added), "none, nothing is declared"),
        ([], owners) => {
            let of = if owners.len() > 1 { format!(" of {} owners", owners.len()) } else { String::new() };
            line("Drift", Some(Paint::Added), &format!("none, {}{of}", settings(status.in_desired_state)))
        }
        (drift, owners) => {
            let of = counts(owners);
            let text = format!("{}{of}: {}", drift.len(), named(screen, drift));
            line("Drift", Some(Paint::Removed), &text)
        }
    }
    if !status.no_longer_declared.is_empty() {
        let left = &status.no_longer_declared;
        let text = format!("{} no longer declared: {}", left.len(), named(screen, left));
        line("Left", Some(Paint::Warning), &text);
    }
    out
}

/// Returns how much is each owner's, where there are several.
fn counts(owners: &[Owner]) -> String {
    if owners.len() < 2 {
        return String::new();
    }
    let of = |it: &Owner| format!("{} {}", it.owner.as_deref().unwrap_or("unnamed"), it.drift);
    format!(" ({})", owners.iter().map(of).collect::<Vec<_>>().join(", "))
}

fn named(screen: &Screen, all: &[String]) -> String {
    let count = if screen.amount == Amount::More { all.len() } else { NAMED };
    let more = all.len().saturating_sub(count);
    let rest = if more > 0 { format!("; {more} more") } else { String::new() };
    format!("{}{rest}", all.iter().take(count).cloned().collect::<Vec<_>>().join("; "))
}
