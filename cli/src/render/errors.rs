//! Errors: what, where, how to mend.

use hoststate_core::plan::doubts::Doubt;
use serde_json::json;

use crate::error::Error;
use crate::render::diff;
use crate::render::escape::visible_line;
use crate::render::screen::{Paint, Screen};

/// Format of an error that left no plan and no report.
pub(crate) const ERROR_FORMAT: &str = "hoststate.error/1";

/// Returns an error as text, several with an empty line between them.
pub(crate) fn text(screen: &Screen, error: &Error) -> String {
    error.each().into_iter().map(|it| one(screen, it)).collect::<Vec<_>>().join("\n")
}

fn one(screen: &Screen, error: &Error) -> String {
    let mut out = String::new();
    let said = match error {
        Error::Playbook(_) => visible_line(&error.to_string()).into_owned(),
        _ => error.to_string(),
    };
    let label = screen.paint(Paint::Removed, "error:");
    labelled(&mut out, screen, &label, "error:", &said);
    if let Some(cause) = error.cause() {
        labelled(&mut out, screen, "  because:", "  because:", &cause.to_string());
    }
    if let Some(at) = error.at() {
        labelled(&mut out, screen, "  at", "  at", &visible_line(&at));
    }
    if let Some(hint) = error.hint() {
        labelled(&mut out, screen, &screen.paint(Paint::Place, "hint:"), "hint:", &hint);
    }
    if let Some(diff) = error.diff() {
        out.push('\n');
        diff::unified(&mut out, screen, diff);
    }
    out
}

/// Returns an error as a JSON value: `error` is the first, `errors` has all where there are several.
pub(crate) fn json(error: &Error) -> serde_json::Value {
    let all: Vec<serde_json::Value> = error.each().into_iter().map(described).collect();
    let mut value = json!({ "format": ERROR_FORMAT, "error": all[0] });
    if all.len() > 1 {
        value["errors"] = all.into();
    }
    value
}

fn described(error: &Error) -> serde_json::Value {
    let what = match error.cause() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    };
    let mut inner = json!({ "what": what, "where": error.at(), "hint": error.hint() });
    if let (Some(diff), Some(object)) = (error.diff(), inner.as_object_mut()) {
        object.insert("diff".to_owned(), diff.into());
    }
    inner
}

/// Returns a doubt as text.
pub(crate) fn doubt(screen: &Screen, doubt: &Doubt) -> String {
    let mut out = String::new();
    labelled(&mut out, screen, &screen.paint(Paint::Warning, "warning:"), "warning:", &doubt.what);
    if let Some(origin) = &doubt.origin {
        labelled(&mut out, screen, "  at", "  at", &visible_line(&origin.to_string()));
    }
    labelled(&mut out, screen, &screen.paint(Paint::Place, "hint:"), "hint:", &doubt.hint);
    out
}

/// Returns a doubt as a JSON value.
pub(crate) fn doubt_json(doubt: &Doubt) -> serde_json::Value {
    let at = doubt.origin.as_ref().map(ToString::to_string);
    json!({ "name": doubt.name, "what": doubt.what, "where": at, "hint": doubt.hint })
}

/// How deep the further lines of a text stand: deeper than every label, so that no text looks like one.
const FURTHER: usize = 4;

/// Adds text behind a label, which stands there as `painted`.
pub(super) fn labelled(out: &mut String, screen: &Screen, painted: &str, label: &str, text: &str) {
    let (first, further) = text.split_once('\n').unwrap_or((text, ""));
    let mut prose = String::new();
    screen.prose(&mut prose, 0, &format!("{label} {first}"));
    out.push_str(&prose.replacen(label, painted, 1));
    for line in further.lines() {
        screen.prose(out, FURTHER, line.trim_start());
    }
}
