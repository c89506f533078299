//! Unified diffs of files, with the changed words of a line set off where there are colours.

use hoststate_core::plan::planned::FileChange;
use similar::{ChangeTag, TextDiff};

use crate::render::escape::visible;
use crate::render::screen::{Paint, Screen};

/// Lines of context around a change, as in the plan.
const CONTEXT: usize = 3;

/// Adds the diff of one file.
pub(crate) fn file(out: &mut String, screen: &Screen, change: &FileChange) {
    if !screen.colour {
        out.push_str(&visible(&change.diff));
        return;
    }
    for header in change.diff.lines().take_while(|it| !it.starts_with("@@")) {
        out.push_str(&screen.paint(Paint::Heading, &visible(header)));
        out.push('\n');
    }
    let before = change.before.as_deref().unwrap_or_default();
    let after = change.after.as_deref().unwrap_or_default();
    let diff = TextDiff::from_lines(before, after);
    for hunk in diff.unified_diff().context_radius(CONTEXT).iter_hunks() {
        out.push_str(&screen.paint(Paint::Place, &hunk.header().to_string()));
        out.push('\n');
        for line in hunk.ops().iter().flat_map(|it| diff.iter_inline_changes(it)) {
            let (sign, plain, words) = match line.tag() {
                ChangeTag::Equal => (" ", None, None),
                ChangeTag::Delete => ("-", Some(Paint::Removed), Some(Paint::RemovedWords)),
                ChangeTag::Insert => ("+", Some(Paint::Added), Some(Paint::AddedWords)),
            };
            out.push_str(&painted(screen, plain, sign));
            for (is_emphasised, text) in line.iter_strings_lossy() {
                // Colours end before the line does: some terminals fill the rest of a line with them.
                let text = text.strip_suffix('\n').unwrap_or(&text);
                let paint = if is_emphasised { words } else { plain };
                out.push_str(&painted(screen, paint, &visible(text)));
            }
            out.push('\n');
            if line.missing_newline() {
                out.push_str("\\ No newline at end of file\n");
            }
        }
    }
}

/// Adds a unified diff that was made elsewhere, coloured line by line.
pub(crate) fn unified(out: &mut String, screen: &Screen, diff: &str) {
    for line in visible(diff).lines() {
        let paint = match line.as_bytes().first() {
            Some(b'+') => Some(Paint::Added),
            Some(b'-') => Some(Paint::Removed),
            Some(b'@') => Some(Paint::Place),
            _ => None,
        };
        out.push_str(&painted(screen, paint, line));
        out.push('\n');
    }
}

fn painted(screen: &Screen, paint: Option<Paint>, text: &str) -> String {
    match paint {
        Some(paint) if !text.is_empty() => screen.paint(paint, text),
        _ => text.to_owned(),
    }
}
