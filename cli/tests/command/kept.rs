//! What a file is besides its text, before and after a run and its rollback.

#![expect(clippy::disallowed_methods, reason = "files are given owners, modes and attributes here")]
#![expect(clippy::unwrap_used, reason = "a test without its tree cannot go on")]

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs::OpenOptions;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

use expect_test::{Expect, expect};
use rustix::fs::XattrFlags;
use serde_json::Value;

use crate::declarations::SOFTDEP;
use crate::support::Tree;

const FILE: &str = "root/etc/modprobe.d/01-hoststate.conf";

const DIRECTORY: &str = "root/etc/modprobe.d";

const ACL: &str = "system.posix_acl_access";

const DEFAULT_ACL: &str = "system.posix_acl_default";

const LABEL: &str = "security.selinux";

/// The capability `cap_net_raw+ep`: `VFS_CAP_REVISION_2` and its flag for effective.
const NET_RAW: &str = "0100000200200000000000000000000000000000";

const CONVERGE: &str = "converge playbook.json --root root --yes";

const ROLLBACK: &str = "rollback --root root --yes";

/// Who has a right in an ACL: the tags of `linux/posix_acl.h`.
#[derive(Clone, Copy)]
enum Who {
    Owner,
    User(u32),
    Group,
    Mask,
    Other,
}

/// An ACL as the kernel takes it (`linux/posix_acl_xattr.h`).
fn acl(entries: &[(Who, u16)]) -> Vec<u8> {
    let mut bytes = 2_u32.to_le_bytes().to_vec();
    for (who, rights) in entries {
        let (tag, id) = match who {
            Who::Owner => (0x01_u16, u32::MAX),
            Who::User(id) => (0x02, *id),
            Who::Group => (0x04, u32::MAX),
            Who::Mask => (0x10, u32::MAX),
            Who::Other => (0x20, u32::MAX),
        };
        bytes.extend(tag.to_le_bytes());
        bytes.extend(rights.to_le_bytes());
        bytes.extend(id.to_le_bytes());
    }
    bytes
}

/// The group has no right at all, though the mode, which is the mask, shows `rw`.
fn masked() -> Vec<u8> {
    acl(&[(Who::Owner, 6), (Who::User(1234), 6), (Who::Group, 0), (Who::Mask, 6), (Who::Other, 0)])
}

fn set(path: &Path, name: &str, value: &[u8]) {
    rustix::fs::setxattr(path, name, value, XattrFlags::empty()).unwrap();
}

/// Everything a file is besides its text.
#[derive(Debug, PartialEq)]
struct Besides {
    mode: u32,
    owner: (u32, u32),
    attributes: BTreeMap<CString, Vec<u8>>,
}

fn besides(path: &Path) -> Besides {
    let status = std::fs::metadata(path).unwrap();
    let mut names = vec![0; 0x10000];
    let length = rustix::fs::listxattr(path, &mut names[..]).unwrap();
    let names = names[..length].split(|it| *it == 0).filter(|it| !it.is_empty());
    let value = |name: &[u8]| {
        let mut value = vec![0; 0x10000];
        let length = rustix::fs::getxattr(path, name, &mut value[..]).unwrap();
        value.truncate(length);
        value
    };
    let attributes = names.map(|it| (CString::new(it).unwrap(), value(it))).collect();
    Besides { mode: status.mode(), owner: (status.uid(), status.gid()), attributes }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A file that was made by hand, with all that a user can give it, and root's if this is root.
fn with_file() -> Tree {
    let tree = Tree::on_disk(SOFTDEP);
    tree.write(FILE, "# mine\n");
    let path = tree.path(FILE);
    if is_root() {
        chown(&path, Some(33), Some(44)).unwrap();
    }
    set(&path, ACL, &masked());
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o4660)).unwrap();
    set(&path, "user.backup", b"id7");
    set(&path, "user.empty", b"");
    set(&path, "user.long", &[7; 3000]);
    if is_root() {
        set(&path, LABEL, b"system_u:object_r:modules_conf_t:s0\0");
        set(&path, "trusted.t", b"1");
        set(&path, "security.capability", &hex(NET_RAW));
    }
    tree
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<char> = text.chars().collect();
    digits.chunks(2).map(|it| u8::from_str_radix(&it.iter().collect::<String>(), 16).unwrap()).collect()
}

fn succeeds(tree: &Tree, words: &str) {
    let answer = tree.run(words);
    assert_eq!(answer.status, Some(0), "{answer}");
}

#[test]
fn a_rewritten_file_keeps_what_it_is_besides_its_text() {
    let tree = with_file();
    let before = besides(&tree.path(FILE));
    assert!(before.attributes.len() >= 4, "{before:?}");
    succeeds(&tree, CONVERGE);
    assert_eq!(tree.read(FILE).as_deref(), Some("# mine\nsoftdep nouveau pre: vfio-pci\n"));
    assert_eq!(besides(&tree.path(FILE)), before);
    succeeds(&tree, ROLLBACK);
    assert_eq!(tree.read(FILE).as_deref(), Some("# mine\n"));
    assert_eq!(besides(&tree.path(FILE)), before);
}

#[test]
fn a_file_that_was_removed_since_comes_back_as_it_was() {
    let tree = with_file();
    let before = besides(&tree.path(FILE));
    succeeds(&tree, CONVERGE);
    std::fs::remove_file(tree.path(FILE)).unwrap();
    let answer = tree.run(&format!("{ROLLBACK} --force"));
    assert_eq!(answer.status, Some(0), "{answer}");
    let said = if is_root() { "its text before that run, owner 33:44, mode 4660, " } else { ", mode 4660, " };
    assert!(answer.stdout.contains(said), "{answer}");
    assert_eq!(tree.read(FILE).as_deref(), Some("# mine\n"));
    assert_eq!(besides(&tree.path(FILE)), before);
}

#[test]
fn a_record_from_before_metadata_was_kept_still_brings_the_text_back() {
    let tree = with_file();
    succeeds(&tree, CONVERGE);
    let runs = tree.path("root/var/lib/hoststate/runs");
    let record = std::fs::read_dir(runs).unwrap().next().unwrap().unwrap().path();
    let mut text: Value = serde_json::from_str(&std::fs::read_to_string(&record).unwrap()).unwrap();
    assert!(text.as_object_mut().unwrap().remove("metadata").is_some());
    std::fs::write(&record, text.to_string()).unwrap();
    std::fs::remove_file(tree.path(FILE)).unwrap();
    succeeds(&tree, &format!("{ROLLBACK} --force"));
    assert_eq!(tree.read(FILE).as_deref(), Some("# mine\n"));
    assert_eq!(besides(&tree.path(FILE)).mode & 0o7777, 0o644);
}

#[test]
fn what_cannot_be_kept_stops_the_run_before_the_file_changes() {
    if !is_root() {
        return;
    }
    let tree = Tree::on_disk(SOFTDEP);
    tree.write(FILE, "# mine\n");
    set(&tree.path(FILE), "security.capability", &hex(NET_RAW));
    let before = besides(&tree.path(FILE));
    // Root that may give no file a capability, as in a container.
    let mut run = Command::new("setpriv");
    run.args(["--bounding-set=-setfcap", "--"]).arg(env!("CARGO_BIN_EXE_hoststate"));
    run.args(CONVERGE.split(' ')).args(["--format", "json"]).current_dir(tree.path(""));
    let answer = tree.answer(run);
    assert_eq!(answer.status, Some(1), "{answer}");
    let report: Value = serde_json::from_str(&answer.stdout).unwrap();
    let error = |field: &str| report["error"][field].as_str().unwrap().to_owned();
    expect![[r#"
        TREE/root/etc/modprobe.d/01-hoststate.conf: its attribute security.capability cannot be kept: Operation not permitted (os error 1); the file stays as it is
        hint: `setcap -r TREE/root/etc/modprobe.d/01-hoststate.conf` removes the capabilities; only root of the machine can give them.
    "#]].assert_eq(&format!("{}\nhint: {}\n", error("what"), error("hint")));
    assert_eq!(tree.read(FILE).as_deref(), Some("# mine\n"));
    assert_eq!(besides(&tree.path(FILE)), before);
    let beside: Vec<_> = std::fs::read_dir(tree.path(DIRECTORY)).unwrap().collect();
    assert_eq!(beside.len(), 1, "{beside:?}");
}

#[test]
fn what_is_true_of_the_inode_only_is_not_copied_to_another() {
    if !is_root() {
        return;
    }
    let tree = Tree::on_disk(SOFTDEP);
    tree.write(FILE, "# mine\n");
    let path = tree.path(FILE);
    set(&path, "trusted.overlay.origin", b"\0\xfb\x1d");
    set(&path, "user.overlay.metacopy", b"");
    set(&path, "security.ima", b"\x04\x04digest of the old text");
    set(&path, "user.kept", b"1");
    succeeds(&tree, CONVERGE);
    let names: Vec<_> = besides(&path).attributes.into_keys().collect();
    assert_eq!(names, [c"user.kept".to_owned()]);
}

/// Makes a file in a directory with this default ACL; an editor makes another there. Shows what both have.
fn new_file_below(default: &[(Who, u16)], expected: Expect) {
    let tree = Tree::on_disk(SOFTDEP);
    std::fs::create_dir_all(tree.path(DIRECTORY)).unwrap();
    set(&tree.path(DIRECTORY), DEFAULT_ACL, &acl(default));
    succeeds(&tree, CONVERGE);
    let edited = tree.path(&format!("{DIRECTORY}/edited.conf"));
    OpenOptions::new().write(true).create_new(true).mode(0o644).open(&edited).unwrap();
    let ours = besides(&tree.path(FILE));
    assert_eq!(ours, besides(&edited));
    expected.assert_eq(&format!("{:o}, {} attributes", ours.mode & 0o7777, ours.attributes.len()));
}

#[test]
fn a_new_file_has_the_rights_that_its_directory_gives_as_an_editor_would_make_it() {
    new_file_below(&[(Who::Owner, 7), (Who::Group, 5), (Who::Other, 0)], expect!["640, 0 attributes"]);
    new_file_below(
        &[(Who::Owner, 7), (Who::User(1234), 6), (Who::Group, 0), (Who::Mask, 7), (Who::Other, 0)],
        expect!["640, 1 attributes"],
    );
}

#[test]
fn a_rewritten_file_gets_no_right_from_its_directory() {
    let tree = Tree::on_disk(SOFTDEP);
    tree.write(FILE, "# mine\n");
    std::fs::set_permissions(tree.path(FILE), PermissionsExt::from_mode(0o640)).unwrap();
    let before = besides(&tree.path(FILE));
    let default = [(Who::Owner, 7), (Who::User(1234), 6), (Who::Group, 7), (Who::Mask, 7), (Who::Other, 0)];
    set(&tree.path(DIRECTORY), DEFAULT_ACL, &acl(&default));
    succeeds(&tree, CONVERGE);
    assert_eq!(besides(&tree.path(FILE)), before);
}

#[test]
fn a_new_file_is_for_everyone_to_read_whatever_the_umask() {
    let tree = Tree::on_disk(SOFTDEP);
    let mut run = Command::new("sh");
    run.args(["-c", "umask 077; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_hoststate")]);
    run.args(CONVERGE.split(' ')).current_dir(tree.path(""));
    let answer = tree.answer(run);
    assert_eq!(answer.status, Some(0), "{answer}");
    assert_eq!(besides(&tree.path(FILE)).mode & 0o7777, 0o644);
}

#[test]
fn a_name_as_long_as_a_name_may_be_is_written_and_a_longer_one_is_told() {
    let playbook = |name: &str| {
        format!(
            r#"{{"type":"modprobe_options","module":"kvm","options":{{"ignore_msrs":"1"}},"file":"{name}"}}"#
        )
    };
    let name = format!("{}.conf", "a".repeat(250));
    let tree = Tree::with(&playbook(&name));
    for words in ["converge playbook.json --root root --yes", "rollback --root root --yes"] {
        let answer = tree.run(words);
        assert_eq!(answer.status, Some(0), "{answer}");
    }
    tree.playbook(&playbook(&format!("a{name}")));
    let answer = tree.run("check playbook.json");
    assert!(answer.stderr.contains("the name has 256 bytes, and a file name at most 255"), "{answer}");
}
