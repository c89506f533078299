//! The exit status of every command.

use std::process::Stdio;

use crate::declarations::{MISSPELT, OPTIONS, OTHER_OPTIONS, SOFTDEP};
use crate::support::Tree;

fn check(tree: &Tree, table: &[(&str, i32)]) {
    for (words, expected) in table {
        let answer = tree.run(words);
        assert_eq!(answer.status, Some(*expected), "hoststate {words}\n{answer}");
    }
}

#[test]
fn changes_and_the_desired_state_are_told_apart_on_demand() {
    check(
        &Tree::with(SOFTDEP),
        &[
            ("plan playbook.json --root root", 0),
            ("plan playbook.json --root root --detailed-exitcode", 2),
            ("converge --check playbook.json --root root --detailed-exitcode", 2),
            ("verify playbook.json --root root", 2),
            ("converge playbook.json --root root --detailed-exitcode --yes", 2),
            ("converge playbook.json --root root --detailed-exitcode --yes", 0),
            ("plan playbook.json --root root --detailed-exitcode", 0),
            ("verify playbook.json --root root", 0),
        ],
    );
}

#[test]
fn an_error_is_1_whatever_kind_it_is() {
    let tree = Tree::with(MISSPELT);
    check(
        &tree,
        &[
            ("check playbook.json", 1),
            ("plan playbook.json --root root", 1),
            ("converge playbook.json --root root --yes", 1),
            ("verify playbook.json --root root", 1),
            ("plan absent.json --root root", 1),
            ("plan playbook.json --root nowhere", 1),
            ("plan", 1),
            ("play", 1),
            ("schema modprobe_softdeps", 1),
            ("rollback --root root --yes", 1),
            ("--help", 0),
            ("--version", 0),
            ("history --root root", 0),
        ],
    );
}

#[test]
fn a_conflict_is_an_error_for_all_commands_and_changes_nothing() {
    let tree = Tree::with(&format!("{OPTIONS},{OTHER_OPTIONS}"));
    let before = tree.files();
    check(
        &tree,
        &[
            ("check playbook.json", 1),
            ("plan playbook.json --root root --detailed-exitcode", 1),
            ("converge playbook.json --root root --detailed-exitcode --yes", 1),
            ("verify playbook.json --root root", 1),
        ],
    );
    assert_eq!(tree.files(), before);
}

#[test]
fn a_read_only_disk_is_refused_before_anything_is_locked() {
    let tree = Tree::with(SOFTDEP);
    let mounted = |options: &str| format!("22 1 8:1 / / {options} - ext4 /dev/sda1 rw\n");
    tree.write("root/proc/self/mountinfo", &mounted("ro"));
    // What a run that lost the disk leaves behind is not cleared up on it either.
    tree.write("root/var/lib/hoststate/lock", "converge playbook.json\n");
    let before = tree.files();
    check(
        &tree,
        &[
            ("plan playbook.json --root root", 4),
            ("converge --check playbook.json --root root", 4),
            ("converge playbook.json --root root --yes", 4),
        ],
    );
    assert_eq!(tree.files(), before);
    tree.write("root/proc/self/mountinfo", &mounted("rw"));
    check(&tree, &[("converge playbook.json --root root --yes", 0)]);
}

#[test]
fn nothing_to_do_writes_nothing_not_even_a_lock() {
    let tree = Tree::with(OPTIONS);
    tree.write("root/etc/modprobe.d/zz-hoststate.conf", "options kvm ignore_msrs=1\n");
    let untouched = tree.files();
    // Whose it is from now on is remembered, once, beside the host.
    check(&tree, &[("converge playbook.json --root root --detailed-exitcode --yes", 0)]);
    let before = tree.files();
    let is_beside = |it: &&std::path::PathBuf| it.starts_with(tree.path("root/var/lib/hoststate"));
    assert!(before.keys().filter(|it| !is_beside(it)).eq(untouched.keys()), "{before:?}");
    check(
        &tree,
        &[
            ("converge playbook.json --root root --detailed-exitcode --yes", 0),
            ("plan playbook.json --root root", 0),
            ("verify playbook.json --root root", 0),
            ("inspect --root root", 0),
            ("history --root root", 0),
        ],
    );
    assert_eq!(tree.files(), before);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let tree = Tree::with(SOFTDEP);
    for words in [
        "schema",
        "plan playbook.json --root root",
        "converge playbook.json --root root --yes",
        "man",
        "--help",
    ] {
        let mut command = tree.command(words);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), stderr.as_str()), (Some(0), ""), "hoststate {words}");
    }
    assert!(tree.read("root/etc/modprobe.d/01-hoststate.conf").is_some(), "the run went on");
}

#[test]
fn an_attribute_is_written_once_and_as_it_is() {
    let tree = Tree::with("");
    tree.write("attribute", "0\n");
    let absent = rustix::io::Errno::NOENT.raw_os_error();
    check(&tree, &[("write-attribute attribute -1", 0), ("write-attribute absent 1", absent)]);
    assert_eq!(tree.read("attribute").as_deref(), Some("-1"));
    assert_eq!(tree.read("absent"), None);
}
