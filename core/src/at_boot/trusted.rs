//! Who may change a file that root acts on without being asked again.

#![expect(clippy::disallowed_methods, reason = "owner and mode of files on this machine are read here")]

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::error::{Error, Result};

const WRITABLE_BY_OTHERS: u32 = 0o022;

/// In such a directory nobody replaces what belongs to another user.
const STICKY: u32 = 0o1000;

/// Refuses a file that somebody else than root, or than this process's user, could change or replace. Links on the way
/// are followed: what counts is the file itself and the directories above it.
///
/// # Errors
/// When somebody could: the error names the file or directory, its owner and mode.
pub fn require_own(path: &Path) -> Result<()> {
    let real = fs_err::canonicalize(path)?;
    let user = rustix::process::geteuid().as_raw();
    for (place, it) in (0..).zip(real.ancestors()) {
        let found = fs_err::symlink_metadata(it)?;
        let is_shared = found.mode() & WRITABLE_BY_OTHERS != 0 && (place == 0 || found.mode() & STICKY == 0);
        if is_shared || (found.uid() != 0 && found.uid() != user) {
            let (owner, mode) = (found.uid(), found.mode() & 0o7777);
            let what = format!(
                "others than root can change {}: {} has the owner {owner} and the mode {mode:04o}",
                path.display(),
                it.display()
            );
            let hint = "What root runs at boot must be root's: `chown root` and `chmod go-w` it, or keep it elsewhere.";
            return Err(Error::invalid(what, hint));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::PermissionsExt;

    use hoststate_testkit::tree::Tree;

    use super::require_own;

    #[test]
    fn a_file_that_others_can_write_or_replace_is_refused() {
        let tree = Tree::new(&[("/state/record.json", "{}"), ("/link -> state/record.json", "")]);
        let (file, directory) = (tree.real("/state/record.json"), tree.real("/state"));
        let set = |path: &std::path::Path, mode| set_permissions(path, Permissions::from_mode(mode)).unwrap();
        set(&file, 0o600);
        set(&directory, 0o700);
        require_own(&file).unwrap();
        require_own(&tree.real("/link")).unwrap();
        set(&file, 0o620);
        assert!(require_own(&tree.real("/link")).unwrap_err().to_string().ends_with("the mode 0620"));
        set(&file, 0o600);
        set(&directory, 0o777);
        assert!(require_own(&file).unwrap_err().to_string().ends_with("the mode 0777"));
    }
}
