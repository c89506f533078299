//! Unified diffs of files, as `diff -u` and patch(1) know them.

use std::path::Path;

use similar::TextDiff;

/// Lines of context around a change.
const CONTEXT: usize = 3;

/// Returns the unified diff from `before` to `after`; absent files are `/dev/null`. Empty when they are equal.
pub fn unified(path: &Path, before: Option<&str>, after: Option<&str>) -> String {
    // A name has one line, whatever is in it.
    let name = path.strip_prefix("/").unwrap_or(path).display().to_string().replace('\n', "\\n");
    let old = before.map_or_else(|| "/dev/null".to_owned(), |_| format!("a/{name}"));
    let new = after.map_or_else(|| "/dev/null".to_owned(), |_| format!("b/{name}"));
    TextDiff::from_lines(before.unwrap_or_default(), after.unwrap_or_default())
        .unified_diff()
        .context_radius(CONTEXT)
        .header(&old, &new)
        .to_string()
}
