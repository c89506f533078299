#![expect(clippy::disallowed_methods, reason = "tests build trees on this machine")]

use std::collections::BTreeSet;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use expect_test::{Expect, expect};
use hoststate_testkit::tree::Tree;
use rustix::fs::{CWD, Mode, mkfifoat};
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
fn what_is_no_file_is_refused_and_not_waited_for() {
    check(
        |at| {
            std::fs::remove_file(at.join("a/b/gpu.lua")).unwrap();
            mkfifoat(CWD, at.join("a/b/gpu.lua"), Mode::RUSR).unwrap();
        },
        expect![[r#"
            TREE/a/b/gpu.lua is no file
            What root follows is a plain file in plain directories."#]],
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
