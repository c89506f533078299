//! Real files that were collected from hosts, for the comparisons with the real tools.

#![expect(clippy::disallowed_methods, reason = "they lie outside of every host")]

use std::path::{Path, PathBuf};

/// The variable that names the directory of them.
const DIRECTORY: &str = "HOSTSTATE_FIXTURES";

/// Returns the real files of a kind with their text, sorted; the few that are no UTF-8 are left out.
///
/// # Panics
/// When there are none.
pub fn of(kind: &str) -> Vec<(PathBuf, String)> {
    let root = std::env::var_os(DIRECTORY)
        .unwrap_or_else(|| panic!("{DIRECTORY} names the directory of real files"));
    let directory = Path::new(&root).join(kind);
    let entries = fs_err::read_dir(&directory).expect("a directory of real files");
    let mut files: Vec<(PathBuf, String)> = entries
        .map(|it| it.expect("a readable directory").path())
        .filter_map(|it| {
            let bytes = fs_err::read(&it).expect("a readable file");
            Some((it, String::from_utf8(bytes).ok()?))
        })
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", directory.display());
    files
}
