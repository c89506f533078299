//! Runs that were cut, and runs beside each other.

#![expect(clippy::disallowed_methods, reason = "what a cut run leaves is made here")]
#![expect(clippy::unwrap_used, reason = "a test without its tree cannot go on")]

use std::fs::OpenOptions;
use std::io::Write;

use expect_test::expect;

use crate::declarations::SOFTDEP;
use crate::support::Tree;

const FILE: &str = "root/etc/modprobe.d/01-hoststate.conf";

const LOCK: &str = "root/var/lib/hoststate/lock";

const CONVERGE: &str = "converge playbook.json --root root --yes";

#[test]
fn a_second_run_says_who_has_the_lock() {
    let tree = Tree::with(SOFTDEP);
    tree.write(LOCK, "");
    let mut lock = OpenOptions::new().write(true).open(tree.path(LOCK)).unwrap();
    lock.lock().unwrap();
    let just_begun = tree.run(CONVERGE);
    assert!(just_begun.stderr.contains("lock: a run that has just begun\n"), "{just_begun}");
    let holder = std::process::id();
    writeln!(lock, r#"{{"command":"converge a.lua","process":{holder},"since":"2025-01-02T03:04:05Z"}}"#)
        .unwrap();
    expect![[r#"
        error: another run has the lock TREE/root/var/lib/hoststate/lock: hoststate converge a.lua, process HOLDER, since 2025-01-02T03:04:05Z
        hint: Wait for that run to end, then start again.
        exit 1
    "#]].assert_eq(&tree.run(CONVERGE).to_string().replace(&format!("process {holder}"), "process HOLDER"));
    assert_eq!(tree.read(FILE), None);
    // A child that another test starts at this moment has the file open too, so closing it is not enough.
    lock.unlock().unwrap();
    assert_eq!(tree.run(CONVERGE).status, Some(0));
    assert_eq!(tree.read(LOCK).as_deref(), Some(""), "a run that ended names nobody");
}

/// Makes the tree look as a run leaves it that is cut while it writes `FILE`.
fn cut(tree: &Tree) {
    assert_eq!(tree.run(CONVERGE).status, Some(0));
    let runs = tree.path("root/var/lib/hoststate/runs");
    let record = std::fs::read_dir(runs).unwrap().next().unwrap().unwrap().path();
    let text =
        std::fs::read_to_string(&record).unwrap().replace("\"outcome\": \"converged\"", "\"outcome\": null");
    assert!(text.contains("\"outcome\": null"));
    std::fs::write(record, text).unwrap();
    tree.write(
        LOCK,
        "{\"command\":\"converge playbook.json\",\"process\":1,\"since\":\"2025-01-02T03:04:05Z\"}\n",
    );
}

#[test]
fn what_a_cut_run_left_is_cleared_up_also_when_nothing_is_left_to_do() {
    let tree = Tree::with(SOFTDEP);
    cut(&tree);
    let new = "root/etc/modprobe.d/.hoststate-01-hoststate.conf.new";
    tree.write(new, "softdep nou");
    expect![[r#"
        In the desired state: 1 setting, nothing was done.
        Cleaned up after the last run: /etc/modprobe.d/01-hoststate.conf
        exit 0
    "#]]
    .assert_eq(&tree.run(CONVERGE).to_string());
    assert_eq!(tree.read(new), None);
    assert_eq!(tree.read(LOCK).as_deref(), Some(""));
}

#[test]
fn a_file_that_fat_lost_comes_back_before_anything_is_planned() {
    let tree = Tree::with(SOFTDEP);
    cut(&tree);
    let old = "root/etc/modprobe.d/.hoststate-01-hoststate.conf.old";
    std::fs::rename(tree.path(FILE), tree.path(old)).unwrap();
    tree.write(old, "# as it was\n");
    let answer = tree.run(CONVERGE);
    assert_eq!(answer.status, Some(0), "{answer}");
    assert_eq!(tree.read(FILE).as_deref(), Some("# as it was\nsoftdep nouveau pre: vfio-pci\n"));
    assert_eq!(tree.read(old), None);
}

/// The names of everything in the tree that was begun and has no name of its own yet.
fn begun(tree: &Tree) -> Vec<String> {
    let names = tree.files().into_keys().map(|it| it.display().to_string());
    names.filter(|it| it.ends_with(".new") || it.contains("/.hoststate-")).collect()
}

/// Leaves what a cut at any point may leave: beside a file, of its record, and of what is known of images.
fn leave_everything(tree: &Tree) {
    tree.write("root/etc/modprobe.d/.hoststate-01-hoststate.conf.new", "softdep nou");
    tree.write("root/var/lib/hoststate/runs/.new", "{");
    tree.write("root/var/lib/hoststate/.new", "{");
}

#[test]
fn what_a_cut_before_the_first_rename_left_is_cleared_up_by_a_rollback_with_nothing_to_do() {
    let tree = Tree::with(SOFTDEP);
    cut(&tree);
    std::fs::remove_file(tree.path(FILE)).unwrap();
    leave_everything(&tree);
    let answer = tree.run("rollback --root root --yes");
    assert_eq!(answer.status, Some(0), "{answer}");
    assert_eq!(begun(&tree), Vec::<String>::new(), "{answer}");
    assert_eq!(tree.read(LOCK).as_deref(), Some(""), "{answer}");
}

#[test]
fn what_a_run_left_that_was_cut_before_it_had_a_record_is_cleared_up() {
    let tree = Tree::with(SOFTDEP);
    assert_eq!(tree.run(CONVERGE).status, Some(0));
    tree.write(LOCK, "hoststate converge --at-boot, process 1, since 2025-01-02T03:04:05Z\n");
    leave_everything(&tree);
    let answer = tree.run(CONVERGE);
    assert_eq!(answer.status, Some(0), "{answer}");
    assert_eq!(begun(&tree), Vec::<String>::new(), "{answer}");
}

#[test]
fn what_a_plan_left_that_was_cut_while_it_was_saved_is_gone_when_it_is_saved() {
    let tree = Tree::with(SOFTDEP);
    tree.write("root/.hoststate-plan.json.new", "{");
    let answer = tree.run("plan playbook.json --root root --out root/plan.json");
    assert_eq!(answer.status, Some(0), "{answer}");
    assert_eq!(begun(&tree), Vec::<String>::new(), "{answer}");
    assert!(tree.read("root/plan.json").is_some_and(|it| it.ends_with("}\n")));
}
