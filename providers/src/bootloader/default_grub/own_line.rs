//! The line that hoststate adds to a source that it cannot edit where it stands.

use hoststate_core::formats::shell_assignments::quote;

/// Stands before an assignment that does not take over what other files give.
const HIDES: &str = "# The next line hides what other files give this variable.\n";

/// Adds a line of hoststate's own drop-in that turns the value `old` into `new`, and says so where it hides `old`.
pub(super) fn with_drop_in_line(text: &str, name: &str, old: &str, new: &str) -> String {
    let extends = old.is_empty() || new.strip_prefix(old).is_some_and(|it| it.starts_with(' '));
    let newline = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    match extends {
        true => with_own_line(text, name, old, new),
        false => with_own_line(&format!("{text}{newline}{HIDES}"), name, old, new),
    }
}

/// Adds a line that turns the value `old` into `new`.
pub(super) fn with_own_line(text: &str, name: &str, old: &str, new: &str) -> String {
    let newline = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    let quoted = quote(new);
    let extra = new.strip_prefix(old).filter(|it| !old.is_empty() && it.starts_with(' '));
    let line = match extra {
        Some(extra) => {
            let quoted = quote(extra);
            format!("{name}=\"${name}{}", quoted.strip_prefix('"').unwrap_or(&quoted))
        }
        None => format!("{name}={quoted}"),
    };
    format!("{text}{newline}{line}\n")
}

/// Removes the lines of a drop-in that [`with_own_line`] wrote; they are written anew.
pub(super) fn without_own_lines(text: &str, name: &str) -> String {
    let start = format!("{name}=\"");
    let own = |line: &&str| *line == HIDES || line.starts_with(&start) && line.trim_end().ends_with('"');
    text.split_inclusive('\n').filter(|it| !own(it)).collect()
}
