//! What is said of a file that is not believed: which file, why, and the command that mends it.

use std::path::Path;

use rustix::fs::{FileType, Stat};

use crate::error::Error;
use crate::trust::{Why, type_of};

pub(super) fn type_is(found: &Stat, kind: FileType) -> &'static str {
    match (type_of(found), kind) {
        (FileType::Symlink, _) => "is a symbolic link",
        (_, FileType::Directory) => "is no directory",
        _ => "is no file",
    }
}

pub(super) fn not_run(at: &Path, found: &Stat, kind: FileType, why: Why) -> Error {
    let (shown, mode) = (at.display(), found.st_mode & 0o7777);
    let (what, hint) = match why {
        Why::Type => (
            type_is(found, kind).to_owned(),
            "Plugins are plain files in the folders that `hoststate plugin list` names.".to_owned(),
        ),
        Why::Owner => (
            format!("belongs to user {}, who could change what runs", found.st_uid),
            format!("Give it to root: `chown root:root {shown}`."),
        ),
        Why::Writable => (
            format!("can be changed by others than its owner (mode {mode:04o})"),
            format!("Take that right away: `chmod go-w {shown}`."),
        ),
    };
    Error::plugin(at, what, hint)
}

pub(super) fn not_started(path: &Path, at: &Path, found: &Stat) -> Error {
    let (path, at, owner, mode) = (path.display(), at.display(), found.st_uid, found.st_mode & 0o7777);
    let what =
        format!("others than root can change {path}: {at} has the owner {owner} and the mode {mode:04o}");
    let hint =
        "What root runs at boot must be root's: `chown root` and `chmod go-w` it, or keep it elsewhere.";
    Error::invalid(what, hint)
}

pub(super) fn not_followed(path: &Path, at: &Path, found: &Stat, why: Why) -> Error {
    let (shown, mode) = (at.display(), found.st_mode & 0o7777);
    let way = if at == path { String::new() } else { format!(", on the way to {},", path.display()) };
    let kind = if type_of(found) == FileType::Symlink { "is a link of" } else { "belongs to" };
    let why = match why {
        Why::Type | Why::Owner => format!("{kind} user {}", found.st_uid),
        Why::Writable if mode & 0o002 != 0 => format!("can be written by everyone (mode {mode:04o})"),
        Why::Writable => format!("can be written by group {} (mode {mode:04o})", found.st_gid),
    };
    let hint = format!(
        "Who can write it can do what root can. Look at what it says, then give it to root and to nobody else: \
         `chown root {shown}; chmod go-w {shown}`. With sudo, the files of who calls it are believed as well."
    );
    Error::invalid(format!("{shown}{way} {why}, and root does not follow it"), hint)
}
