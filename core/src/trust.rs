//! Files that a run as root believes: nobody else can have written them, nor put them where they are.

#![expect(
    clippy::disallowed_methods,
    reason = "these are the user's files; they are judged by the descriptor read"
)]

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use hoststate_abi::host_view::HostView;

use crate::error::{Error, Result};

/// As many symbolic links as Linux follows in one path (`MAXSYMLINKS`).
const MAX_SYMLINKS: usize = 40;

/// `S_ISVTX`: in such a directory only its owner may rename or remove a file.
const STICKY: u32 = 0o1000;

/// Whose files are believed.
#[derive(Debug, Clone)]
pub struct Trust {
    owners: BTreeSet<u32>,
}

impl Trust {
    /// Root's files are believed, those of `users`, and those of the owner of `root`, who can change that tree
    /// without hoststate.
    ///
    /// # Errors
    /// When the tree cannot be read.
    pub fn new(root: &Path, users: impl IntoIterator<Item = u32>) -> io::Result<Self> {
        let mut owners = BTreeSet::from([0, fs_err::metadata(root)?.uid()]);
        owners.extend(users);
        Ok(Self { owners })
    }

    /// Returns the text of a file that is believed: owner and mode of the file, of every directory above it and of
    /// every link on the way were looked at, the file's own by the descriptor that is read.
    ///
    /// # Errors
    /// When somebody else can write it or put another one in its place, or it cannot be read.
    pub fn read(&self, path: &Path) -> Result<String> {
        let mut file = File::open(path)?;
        self.way_to(path)?;
        if let Some(why) = self.objection(&file.metadata()?)? {
            return Err(refusal(path, path, &why));
        }
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        Ok(text)
    }

    /// Looks at every directory and every link on the way to a file.
    fn way_to(&self, path: &Path) -> Result<()> {
        let mut rest: Vec<OsString> = names(&std::path::absolute(path)?);
        let mut at = PathBuf::from("/");
        let mut links = MAX_SYMLINKS;
        self.directory(&at, path)?;
        while let Some(name) = rest.pop() {
            if name == ".." {
                at.pop();
                continue;
            }
            let next = at.join(&name);
            let found = fs_err::symlink_metadata(&next)?;
            if found.is_symlink() {
                let Some(left) = links.checked_sub(1) else {
                    let what = format!("{}: too many levels of symbolic links", path.display());
                    return Err(io::Error::other(what).into());
                };
                links = left;
                if !self.owners.contains(&found.uid()) {
                    let why = format!("is a link of user {}", found.uid());
                    return Err(refusal(&next, path, &why));
                }
                let target = fs_err::read_link(&next)?;
                if target.is_absolute() {
                    at = PathBuf::from("/");
                }
                rest.extend(names(&target));
            } else {
                at = next;
                if found.is_dir() {
                    self.directory(&at, path)?;
                }
            }
        }
        Ok(())
    }

    fn directory(&self, directory: &Path, path: &Path) -> Result<()> {
        let found = fs_err::metadata(directory)?;
        match self.objection(&found)? {
            // What lies in a sticky directory belongs to somebody, and that is looked at.
            Some(_) if found.mode() & STICKY != 0 && self.owners.contains(&found.uid()) => Ok(()),
            Some(why) => Err(refusal(directory, path, &why)),
            None => Ok(()),
        }
    }

    /// Returns why a file or directory is not believed, as the end of a sentence.
    fn objection(&self, found: &Metadata) -> Result<Option<String>> {
        let mode = found.mode() & 0o7777;
        let group = found.gid();
        Ok(if !self.owners.contains(&found.uid()) {
            Some(format!("belongs to user {}", found.uid()))
        } else if mode & 0o002 != 0 {
            Some(format!("can be written by everyone (mode {mode:04o})"))
        } else if mode & 0o020 != 0 && !self.is_private(group)? {
            Some(format!("can be written by group {group} (mode {mode:04o})"))
        } else {
            None
        })
    }

    /// Returns whether only users whose files are believed are in a group: Ubuntu and Fedora give each user a group
    /// of its own and a umask that lets it write.
    fn is_private(&self, group: u32) -> Result<bool> {
        let machine = HostView::new("/");
        let read = |path: &str| Ok::<_, io::Error>(machine.read(Path::new(path))?.unwrap_or_default());
        Ok(is_private(group, &self.owners, &read("/etc/passwd")?, &read("/etc/group")?))
    }
}

fn is_private(group: u32, owners: &BTreeSet<u32>, passwd: &str, groups: &str) -> bool {
    let field = |line: &str, at: usize| line.split(':').nth(at).map(str::to_owned).unwrap_or_default();
    let number = group.to_string();
    let users: Vec<(String, Option<u32>, String)> =
        passwd.lines().map(|it| (field(it, 0), field(it, 2).parse().ok(), field(it, 3))).collect();
    let of_passwd = users.iter().filter(|it| it.2 == number).map(|it| it.1);
    let members = groups.lines().filter(|it| field(it, 2) == number).map(|it| field(it, 3));
    let names: Vec<String> =
        members.flat_map(|it| it.split(',').map(str::to_owned).collect::<Vec<_>>()).collect();
    let of_group = names
        .iter()
        .filter(|it| !it.is_empty())
        .map(|name| users.iter().find(|it| it.0 == *name).and_then(|it| it.1));
    let members: Vec<Option<u32>> = of_passwd.chain(of_group).collect();
    let is_known = |it: &Option<u32>| it.is_some_and(|it| owners.contains(&it));
    // A group that the files do not know may have any members, unless it has the number of its only user.
    if members.is_empty() { owners.contains(&group) } else { members.iter().all(is_known) }
}

/// Returns the names of a path, the last one first.
fn names(path: &Path) -> Vec<OsString> {
    let names = path.components().filter_map(|it| match it {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    });
    names.rev().collect()
}

fn refusal(what: &Path, path: &Path, why: &str) -> Error {
    let shown = what.display();
    let way = if what == path { String::new() } else { format!(", on the way to {},", path.display()) };
    let hint = format!(
        "Who can write it can do what root can. Look at what it says, then give it to root and to nobody else: \
         `chown root {shown}; chmod go-w {shown}`. With sudo, the files of who calls it are believed as well."
    );
    Error::invalid(format!("{shown}{way} {why}, and root does not follow it"), hint)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
    use std::path::Path;

    use expect_test::{Expect, expect};
    use tempfile::TempDir;

    use super::{Trust, is_private};

    /// A tree whose owner is believed, as if this test were root.
    fn check(change: impl FnOnce(&Path), expected: Expect) {
        let tree = TempDir::new().unwrap();
        let at = tree.path();
        std::fs::create_dir_all(at.join("a/b")).unwrap();
        std::fs::write(at.join("a/b/gpu.lua"), "text").unwrap();
        let mode = |path: &str, mode| {
            std::fs::set_permissions(at.join(path), PermissionsExt::from_mode(mode)).unwrap();
        };
        mode("a", 0o755);
        mode("a/b", 0o755);
        mode("a/b/gpu.lua", 0o644);
        change(at);
        let me = std::fs::metadata(at).unwrap().uid();
        let trust = Trust { owners: BTreeSet::from([0, me]) };
        let read = trust.read(&at.join("a/b/gpu.lua"));
        let shown = read.unwrap_or_else(|err| format!("{err}\n{}", err.hint().unwrap_or_default()));
        expected.assert_eq(&shown.replace(&at.display().to_string(), "TREE"));
    }

    fn mode(path: &Path, mode: u32) {
        std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_file_that_only_its_owner_writes_is_believed() {
        check(|_| {}, expect!["text"]);
        check(|at| mode(&at.join("a"), 0o1777), expect!["text"]);
    }

    #[test]
    fn what_others_can_write_is_not_believed() {
        check(
            |at| mode(&at.join("a/b/gpu.lua"), 0o646),
            expect![[r#"
            TREE/a/b/gpu.lua can be written by everyone (mode 0646), and root does not follow it
            Who can write it can do what root can. Look at what it says, then give it to root and to nobody else: `chown root TREE/a/b/gpu.lua; chmod go-w TREE/a/b/gpu.lua`. With sudo, the files of who calls it are believed as well."#]],
        );
        check(
            |at| mode(&at.join("a"), 0o757),
            expect![[r#"
            TREE/a, on the way to TREE/a/b/gpu.lua, can be written by everyone (mode 0757), and root does not follow it
            Who can write it can do what root can. Look at what it says, then give it to root and to nobody else: `chown root TREE/a; chmod go-w TREE/a`. With sudo, the files of who calls it are believed as well."#]],
        );
    }

    #[test]
    fn a_link_leads_where_its_way_is_looked_at_too() {
        let linked = |at: &Path| {
            std::fs::create_dir(at.join("open")).unwrap();
            std::fs::rename(at.join("a/b/gpu.lua"), at.join("open/real.lua")).unwrap();
            symlink("../../open/real.lua", at.join("a/b/gpu.lua")).unwrap();
        };
        check(linked, expect!["text"]);
        check(
            |at| {
                linked(at);
                mode(&at.join("open"), 0o777);
            },
            expect![[r#"
                TREE/open, on the way to TREE/a/b/gpu.lua, can be written by everyone (mode 0777), and root does not follow it
                Who can write it can do what root can. Look at what it says, then give it to root and to nobody else: `chown root TREE/open; chmod go-w TREE/open`. With sudo, the files of who calls it are believed as well."#]],
        );
    }

    #[test]
    fn the_group_of_one_user_is_no_group_of_others() {
        let passwd = "root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/:/bin/sh\nbob:x:1001:1001::/:/bin/sh\n";
        let private = |group, groups: &str| is_private(group, &BTreeSet::from([0, 1000]), passwd, groups);
        assert!(private(1000, "alice:x:1000:\n"), "the group of the user alone");
        assert!(private(1000, "alice:x:1000:alice,root\n"), "with members who are believed");
        assert!(!private(1000, "alice:x:1000:bob\n"), "with a member who is not");
        assert!(!private(1000, "alice:x:1000:ldap-user\n"), "with a member nobody knows");
        assert!(!private(1001, "bob:x:1001:\n"), "the group of another user");
        assert!(!private(50, "staff:x:50:\n"), "a group of which the files name no member");
    }
}
