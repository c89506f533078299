//! Errors: what, where, how to mend.

use std::error::Error as _;

use serde_json::json;

use crate::error::Error;
use crate::render::diff;
use crate::render::screen::{Paint, Screen};

/// Format of an error that left no plan and no report.
pub(crate) const ERROR_FORMAT: &str = "hoststate.error/1";

/// Returns an error as text, several with an empty line between them.
pub(crate) fn text(screen: &Screen, error: &Error) -> String {
    error.each().into_iter().map(|it| one(screen, it)).collect::<Vec<_>>().join("\n")
}

fn one(screen: &Screen, error: &Error) -> String {
    let mut out = String::new();
    let mut said = error.to_string();
    let label = screen.paint(Paint::Removed, "error:");
    labelled(&mut out, screen, &label, "error:", &said);
    let mut cause = error.source();
    while let Some(source) = cause {
        let what = source.to_string();
        // Some messages already end with those of their sources.
        if !said.contains(&what) {
            labelled(&mut out, screen, "  because:", "  because:", &what);
        }
        said = what;
        cause = source.source();
    }
    if let Some(at) = error.at() {
        labelled(&mut out, screen, "  at", "  at", &at);
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
    let mut what = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        let text = source.to_string();
        if !what.contains(&text) {
            what = format!("{what}: {text}");
        }
        cause = source.source();
    }
    let mut inner = json!({ "what": what, "where": error.at(), "hint": error.hint() });
    if let (Some(diff), Some(object)) = (error.diff(), inner.as_object_mut()) {
        object.insert("diff".to_owned(), diff.into());
    }
    inner
}

/// Adds text behind a label, which stands there as `painted`.
pub(super) fn labelled(out: &mut String, screen: &Screen, painted: &str, label: &str, text: &str) {
    let mut prose = String::new();
    screen.prose(&mut prose, 0, &format!("{label} {text}"));
    out.push_str(&prose.replacen(label, painted, 1));
}
