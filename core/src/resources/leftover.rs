//! What is left of a file of which lines were taken out.

use std::path::Path;

use hoststate_abi::step::Step;

/// Returns the step that leaves `text` in a file. `own` is the one that hoststate makes where it has something to write: it
/// goes with its last line, as if it had never been made.
pub(super) fn step(path: &Path, own: &Path, text: String) -> Step {
    let path = path.to_owned();
    if text.is_empty() && path == own { Step::RemoveFile { path } } else { Step::WriteFile { path, text } }
}
