//! What is said of a file that is not believed: which file, why, and the command that mends it.

use std::path::Path;

use rustix::fs::{FileType, Stat};

use crate::error::Error;
use crate::formats::posix_acl::{Entry, Who};
use crate::machine::trust::{Why, type_of};

pub(super) fn type_is(found: &Stat, kind: FileType) -> &'static str {
    match (type_of(found), kind) {
        (FileType::Symlink, _) => "is a symbolic link",
        (_, FileType::Directory) => "is not a directory",
        _ => "is not a file",
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
            format!("Remove that permission: `chmod go-w {shown}`."),
        ),
        Why::Listed(entry) => (
            format!("can be changed by {}", listed(entry)),
            format!("Remove that permission: {}.", mended(entry, at)),
        ),
    };
    Error::plugin(at, what, hint)
}

pub(super) fn not_started(path: &Path, at: &Path, found: &Stat, why: Why) -> Error {
    let (path, shown, owner, mode) = (path.display(), at.display(), found.st_uid, found.st_mode & 0o7777);
    if let Why::Listed(entry) = why {
        let what = format!("others than root can change {path}: {shown} can be written by {}", listed(entry));
        return Error::invalid(
            what,
            format!("What root runs at boot must be root's: {}.", mended(entry, at)),
        );
    }
    let what =
        format!("others than root can change {path}: {shown} has the owner {owner} and the mode {mode:04o}");
    let hint =
        "What root runs at boot must be root's: `chown root` and `chmod go-w` it, or keep it elsewhere.";
    Error::invalid(what, hint)
}

pub(super) fn not_followed(path: &Path, at: &Path, found: &Stat, why: Why) -> Error {
    let (shown, mode) = (at.display(), found.st_mode & 0o7777);
    let way = if at == path { String::new() } else { format!(", on the way to {},", path.display()) };
    let kind = if type_of(found) == FileType::Symlink { "is a link of" } else { "belongs to" };
    let (why, mend) = match why {
        Why::Type | Why::Owner => (format!("{kind} user {}", found.st_uid), None),
        Why::Writable if mode & 0o002 != 0 => (format!("can be written by everyone (mode {mode:04o})"), None),
        Why::Writable => (format!("can be written by group {} (mode {mode:04o})", found.st_gid), None),
        Why::Listed(entry) => (format!("can be written by {}", listed(entry)), Some(mended(entry, at))),
    };
    if at != path && mode & 0o002 != 0 && type_of(found) == FileType::Directory {
        // What is everybody's on purpose is not to be taken from them.
        let hint = "Whoever can write to it can replace what lies below it. Check what the file says, and \
                    keep it in a directory that only root can write to, such as /etc/hoststate. With sudo, \
                    the files of the user who calls it are trusted as well.";
        return Error::invalid(format!("{shown}{way} {why}, and root does not follow it"), hint);
    }
    let mend = mend.unwrap_or_else(|| format!("`chown root {shown}; chmod go-w {shown}`"));
    let hint = format!(
        "Whoever can write to it can do what root can. Check what it says, then make it root's alone: \
         {mend}. With sudo, the files of the user who calls it are trusted as well."
    );
    Error::invalid(format!("{shown}{way} {why}, and root does not follow it"), hint)
}

pub(super) fn not_written_through(path: &Path, at: &Path, owner: u32) -> Error {
    let way = if at == path { String::new() } else { format!(", on the way to {},", path.display()) };
    let what = format!(
        "{}{way} is a link of user {owner}, who decides where it leads; it is not followed",
        at.display()
    );
    Error::invalid(what, "Name a file in a directory of your own, or remove the link.")
}

pub(super) fn not_written_in(at: &Path, found: &Stat, why: Why) -> Error {
    let (shown, mode) = (at.display(), found.st_mode & 0o7777);
    let (who, mend) = match why {
        Why::Listed(entry) => (listed(entry), mended(entry, at)),
        _ => {
            let who =
                if mode & 0o002 != 0 { "everyone".to_owned() } else { format!("group {}", found.st_gid) };
            (format!("{who} (mode {mode:04o})"), format!("`chmod go-w {shown}`"))
        }
    };
    let what = format!("{shown} can be written by {who}: others could put another file in place of this one");
    Error::invalid(
        what,
        format!("Name a file in a directory of your own, or remove that permission: {mend}."),
    )
}

/// Says whom an entry of an access control list is about, and how it reads.
fn listed(entry: Entry) -> String {
    let who = match entry.who {
        Who::User(user) => format!("user {user}"),
        Who::Group(group) => format!("group {group}"),
        Who::Owner | Who::OwningGroup | Who::Mask | Who::Other => entry.who.to_string(),
    };
    format!("{who} (ACL entry {entry})")
}

fn mended(entry: Entry, at: &Path) -> String {
    let shown = at.display();
    format!("`setfacl -x {} {shown}` removes that entry, `setfacl -b {shown}` all of them", entry.who)
}
