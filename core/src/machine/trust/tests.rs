//! Whose files are believed, shown on trees of this machine.

#![expect(clippy::disallowed_methods, reason = "tests build trees on this machine")]

use std::collections::BTreeSet;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use expect_test::{Expect, expect};
use hoststate_testkit::tree::Tree;
use rustix::fs::{CWD, Mode, XattrFlags, mkfifoat, setxattr};
use tempfile::TempDir;

use super::{Trust, What, is_private, require_own};

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
    let trust = Trust { owners: BTreeSet::from([0, me]), what: What::Playbooks };
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
            Whoever can write to it can do what root can. Check what it says, then make it root's alone: `chown root TREE/a/b/gpu.lua; chmod go-w TREE/a/b/gpu.lua`. With sudo, the files of the user who calls it are trusted as well."#]],
    );
    check(
        |at| mode(&at.join("a"), 0o757),
        expect![[r#"
            TREE/a, on the way to TREE/a/b/gpu.lua, can be written by everyone (mode 0757), and root does not follow it
            Whoever can write to it can replace what lies below it. Check what the file says, and keep it in a directory that only root can write to, such as /etc/hoststate. With sudo, the files of the user who calls it are trusted as well."#]],
    );
}

/// Gives a file or directory an access control list of these entries: tag, rights, id.
fn access_list(path: &Path, entries: &[(u16, u16, u32)]) {
    let mut value = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in entries {
        value.extend(tag.to_le_bytes());
        value.extend(permissions.to_le_bytes());
        value.extend(id.to_le_bytes());
    }
    setxattr(path, "system.posix_acl_access", &value, XattrFlags::empty()).unwrap();
}

/// A list that gives one entry beside the mode, and a mask.
fn listed(path: &Path, entry: (u16, u16, u32), mask: u16) {
    let none = u32::MAX;
    let entries = match entry.0 {
        2 => [(1, 6, none), entry, (4, 4, none), (16, mask, none), (32, 4, none)],
        _ => [(1, 6, none), (4, 4, none), entry, (16, mask, none), (32, 4, none)],
    };
    access_list(path, &entries);
}

#[test]
fn what_an_access_control_list_lets_others_write_is_not_believed() {
    check(
        |at| listed(&at.join("a/b/gpu.lua"), (2, 6, 1_234_567), 6),
        expect![[r#"
            TREE/a/b/gpu.lua can be written by user 1234567 (ACL entry user:1234567:rw-), and root does not follow it
            Whoever can write to it can do what root can. Check what it says, then make it root's alone: `setfacl -x user:1234567 TREE/a/b/gpu.lua` removes that entry, `setfacl -b TREE/a/b/gpu.lua` all of them. With sudo, the files of the user who calls it are trusted as well."#]],
    );
    check(
        |at| listed(&at.join("a"), (8, 7, 1_234_567), 7),
        expect![[r#"
            TREE/a, on the way to TREE/a/b/gpu.lua, can be written by group 1234567 (ACL entry group:1234567:rwx), and root does not follow it
            Whoever can write to it can do what root can. Check what it says, then make it root's alone: `setfacl -x group:1234567 TREE/a` removes that entry, `setfacl -b TREE/a` all of them. With sudo, the files of the user who calls it are trusted as well."#]],
    );
}

#[test]
fn a_list_that_gives_nobody_else_the_right_to_write_is_no_objection() {
    check(|at| listed(&at.join("a/b/gpu.lua"), (2, 6, 1_234_567), 4), expect!["text"]);
    check(|at| listed(&at.join("a/b/gpu.lua"), (2, 4, 1_234_567), 6), expect!["text"]);
    check(|at| listed(&at.join("a/b/gpu.lua"), (2, 6, 0), 6), expect!["text"]);
    let tree = Tree::new(&[("/state/record.json", "{}")]);
    let (file, directory) = (tree.real("/state/record.json"), tree.real("/state"));
    mode(&directory, 0o700);
    listed(&file, (2, 6, 0), 6);
    require_own(&file).unwrap();
    listed(&file, (2, 6, 1_234_567), 6);
    assert!(require_own(&file).unwrap_err().to_string().ends_with("(ACL entry user:1234567:rw-)"));
    // The mask lets a group write, as a mode would.
    listed(&file, (8, 4, 1_234_567), 4);
    require_own(&file).unwrap();
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
            Whoever can write to it can replace what lies below it. Check what the file says, and keep it in a directory that only root can write to, such as /etc/hoststate. With sudo, the files of the user who calls it are trusted as well."#]],
    );
}

#[test]
fn what_is_no_file_is_refused_and_not_waited_for() {
    check(
        |at| {
            std::fs::remove_file(at.join("a/b/gpu.lua")).unwrap();
            mkfifoat(CWD, at.join("a/b/gpu.lua"), Mode::RUSR).unwrap();
        },
        expect![[r#"
            TREE/a/b/gpu.lua is not a file
            Root follows only a plain file in plain directories."#]],
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

#[test]
fn what_others_can_write_or_replace_is_not_run_at_boot() {
    let tree = Tree::new(&[("/state/record.json", "{}"), ("/link -> state/record.json", "")]);
    let (file, directory) = (tree.real("/state/record.json"), tree.real("/state"));
    mode(&file, 0o600);
    mode(&directory, 0o700);
    require_own(&file).unwrap();
    require_own(&tree.real("/link")).unwrap();
    mode(&file, 0o620);
    assert!(require_own(&tree.real("/link")).unwrap_err().to_string().ends_with("the mode 0620"));
    mode(&file, 0o600);
    mode(&directory, 0o777);
    assert!(require_own(&file).unwrap_err().to_string().ends_with("the mode 0777"));
}

/// Where a file would be written, for who believes the links of `owner`.
fn place(tree: &Tree, path: &str, owner: u32) -> String {
    let trust = Trust { owners: BTreeSet::from([owner]), what: What::Playbooks };
    let shown = match trust.place(&tree.real(path)) {
        Ok(Some(place)) => {
            let directory = std::fs::read_link(format!("/proc/self/fd/{}", place.directory.as_raw_fd()));
            directory.unwrap().join(place.name).display().to_string()
        }
        Ok(None) => "not a file".to_owned(),
        Err(err) => format!("{err}\n{}", err.hint().unwrap_or_default()),
    };
    shown.replace(tree.real("/").display().to_string().trim_end_matches('/'), "TREE")
}

#[test]
fn no_link_of_somebody_else_decides_where_a_file_is_written() {
    let tree = Tree::new(&[
        ("/secret", "old"),
        ("/tmp/plan.json -> ../secret", ""),
        ("/tmp/new.json -> ../nothing", ""),
        ("/folder -> tmp", ""),
    ]);
    let me = std::fs::metadata(tree.real("/secret")).unwrap().uid();
    assert_eq!(place(&tree, "/tmp/plan.json", me), "TREE/secret");
    assert_eq!(place(&tree, "/tmp/new.json", me), "TREE/nothing");
    assert_eq!(place(&tree, "/folder/x.json", me), "TREE/tmp/x.json");
    let others = me + 1;
    assert_eq!(place(&tree, "/tmp/x.json", others), "TREE/tmp/x.json");
    let refused = place(&tree, "/tmp/plan.json", others).replace(&me.to_string(), "ME");
    expect![[r#"
        TREE/tmp/plan.json is a link of user ME, who decides where it leads; it is not followed
        Name a file in a directory of your own, or remove the link."#]]
    .assert_eq(&refused);
    assert!(place(&tree, "/tmp/new.json", others).contains("is a link of user"));
    assert!(
        place(&tree, "/folder/x.json", others)
            .contains("TREE/folder, on the way to TREE/folder/x.json, is a link of")
    );
}

#[test]
fn nothing_but_a_file_is_replaced() {
    let tree = Tree::new(&[("/directory/file", "")]);
    mkfifoat(CWD, tree.real("/pipe"), Mode::RUSR).unwrap();
    for path in ["/directory", "/pipe"] {
        assert_eq!(place(&tree, path, 0), "not a file", "{path}");
    }
    assert!(place(&tree, "/missing/plan.json", 0).contains("/missing: "));
}

#[test]
fn root_writes_nothing_where_others_can_replace_it() {
    if rustix::process::geteuid().is_root() {
        let tree = Tree::new(&[("/shared/file", "")]);
        mode(&tree.real("/shared"), 0o1777);
        assert_eq!(place(&tree, "/shared/plan.json", 0), "TREE/shared/plan.json");
        mode(&tree.real("/shared"), 0o777);
        expect![[r#"
            TREE/shared can be written by everyone (mode 0777): others could put another file in place of this one
            Name a file in a directory of your own, or remove that permission: `chmod go-w TREE/shared`."#]]
        .assert_eq(&place(&tree, "/shared/plan.json", 0));
        mode(&tree.real("/shared"), 0o755);
        listed(&tree.real("/shared"), (2, 7, 1_234_567), 7);
        assert!(
            place(&tree, "/shared/plan.json", 0).contains("by user 1234567 (ACL entry user:1234567:rwx)")
        );
    }
}
