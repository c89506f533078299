//! Undoing a run.

use expect_test::{Expect, expect};
use serde_json::Value;

use crate::declarations::{OPTIONS, SOFTDEP};
use crate::support::Tree;

const FILE: &str = "root/etc/modprobe.d/01-hoststate.conf";

fn converged() -> Tree {
    let tree = Tree::with(SOFTDEP);
    tree.write(FILE, "# mine\n");
    assert_eq!(tree.run("converge playbook.json --root root --yes").status, Some(0));
    tree
}

/// Returns the id of the first run.
fn oldest(tree: &Tree) -> String {
    let history = tree.command("history --root root --format json").output().expect("hoststate runs");
    let history: Value = serde_json::from_slice(&history.stdout).expect("JSON");
    history["runs"][0]["run"].as_str().expect("a run").to_owned()
}

fn check(tree: &Tree, words: &str, expected: Expect) {
    expected.assert_eq(&tree.run(words).to_string());
}

#[test]
fn a_run_is_undone_and_the_undoing_too() {
    let tree = converged();
    check(
        &tree,
        "rollback --root root --yes",
        expect![[r#"
            ubuntu 24.04, grub2

            ~ rollback "RUN"
                /etc/modprobe.d/01-hoststate.conf: its text now -> its text before that run

            --- a/etc/modprobe.d/01-hoststate.conf
            +++ b/etc/modprobe.d/01-hoststate.conf
            @@ -1,2 +1 @@
             # mine
            -softdep nouveau pre: vfio-pci

            Plan: 1 file.

              done    write /etc/modprobe.d/01-hoststate.conf

            Rolled back: 1 step done.
            Run RUN: `hoststate rollback RUN` undoes it.
            exit 0
        "#]],
    );
    assert_eq!(tree.read(FILE).as_deref(), Some("# mine\n"));
    check(
        &tree,
        "rollback --root root --yes",
        expect![[r#"
            Run RUN was undone by RUN, and there is nothing newer to undo. To go further back, name the run: `hoststate history`.
            The files are already as they were before that run; nothing was done.
            exit 0
        "#]],
    );
    assert_eq!(tree.read(FILE).as_deref(), Some("# mine\n"));
    let history = tree.command("history --root root --format json").output().unwrap();
    let history: Value = serde_json::from_slice(&history.stdout).unwrap();
    let rollback = history["runs"][1]["run"].as_str().unwrap().to_owned();
    assert_eq!(history["runs"][0]["state"], serde_json::json!({ "kind": "undone", "by": rollback }));
    assert_eq!(tree.run(&format!("rollback {rollback} --root root --yes")).status, Some(0));
    assert_eq!(tree.read(FILE).as_deref(), Some("# mine\nsoftdep nouveau pre: vfio-pci\n"));
}

#[test]
fn what_others_changed_since_stays() {
    let tree = converged();
    tree.write(FILE, "# mine\nsoftdep nouveau pre: vfio-pci\n# edited\n");
    let answer = tree.run("rollback --root root --yes");
    assert_eq!(answer.status, Some(0), "{answer}");
    assert!(answer.stdout.contains("its text now -> its text without what that run changed"), "{answer}");
    assert_eq!(tree.read(FILE).as_deref(), Some("# mine\n# edited\n"));
    let again = tree.run("rollback --root root --yes");
    assert!(again.stdout.contains("nothing was done"), "{again}");
    // By name, too: it was taken out already.
    let named = tree.run(&format!("rollback {} --root root --yes", oldest(&tree)));
    assert_eq!(named.status, Some(0), "{named}");
    assert_eq!(tree.read(FILE).as_deref(), Some("# mine\n# edited\n"));
}

#[test]
fn an_older_run_is_undone_below_a_newer_one() {
    let tree = Tree::with(OPTIONS);
    assert_eq!(tree.run("converge playbook.json --root root --yes").status, Some(0));
    let file = "root/etc/modprobe.d/zz-hoststate.conf";
    let first = tree.read(file).unwrap();
    tree.playbook(&OPTIONS.replace("ignore_msrs", "halt_poll_ns"));
    assert_eq!(tree.run("converge playbook.json --root root --yes").status, Some(0));
    let both = tree.read(file).unwrap();
    assert_ne!(both, first);
    let answer = tree.run(&format!("rollback {} --root root --yes", oldest(&tree)));
    assert_eq!(answer.status, Some(0), "{answer}");
    let left = tree.read(file).unwrap();
    assert!(left.contains("halt_poll_ns") && !left.contains("ignore_msrs"), "{left}");
}

#[test]
fn what_others_changed_where_the_run_did_is_named_and_kept() {
    let tree = converged();
    tree.write(FILE, "# mine\nsoftdep nouveau pre: vfio-pci amdgpu\n");
    check(
        &tree,
        "rollback --root root --yes",
        expect![[r#"
        error: run RUN cannot be taken out of what was changed since: /etc/modprobe.d/01-hoststate.conf:2 (by no run)
        hint: Undo the newer run first, or lose what the diff below shows with --force.

        --- a/etc/modprobe.d/01-hoststate.conf
        +++ b/etc/modprobe.d/01-hoststate.conf
        @@ -1,2 +1,2 @@
         # mine
        -softdep nouveau pre: vfio-pci
        +softdep nouveau pre: vfio-pci amdgpu
        exit 1
    "#]],
    );
    let forced = tree.run("rollback --root root --force --yes");
    assert_eq!(forced.status, Some(0), "{forced}");
    assert!(forced.stderr.contains("Lost by --force"), "{forced}");
    assert!(forced.stderr.contains("+softdep nouveau pre: vfio-pci amdgpu"), "{forced}");
    assert_eq!(tree.read(FILE).as_deref(), Some("# mine\n"));
}

#[test]
fn what_is_already_as_before_is_left_alone() {
    let tree = converged();
    tree.write(FILE, "# mine\n");
    check(
        &tree,
        "rollback --root root --yes",
        expect![[r#"
        The files are already as they were before that run; nothing was done.
        exit 0
    "#]],
    );
}

#[test]
fn an_unknown_run_is_named() {
    let tree = converged();
    check(
        &tree,
        "rollback 19700101T000000Z --root root --yes",
        expect![[r#"
        error: there is no run "RUN"
        hint: `hoststate history` lists them.
        exit 1
    "#]],
    );
}

#[test]
fn the_newest_run_comes_first() {
    let tree = converged();
    tree.playbook(OPTIONS);
    assert_eq!(tree.run("converge playbook.json --root root --yes").status, Some(0));
    assert_eq!(tree.run("rollback --root root --yes").status, Some(0));
    assert_eq!(tree.read("root/etc/modprobe.d/zz-hoststate.conf"), None);
    assert_ne!(tree.read(FILE).as_deref(), Some("# mine\n"));
    let history: Value = serde_json::from_str(&tree.run("history --root root --format json").stdout).unwrap();
    let runs = history["runs"].as_array().unwrap();
    let words = runs.iter().map(|it| format!("{} {}", it["command"], it["outcome"]));
    expect![[r#"
        "converge" "converged"
        "converge" "converged"
        "rollback RUN" "converged""#]]
    .assert_eq(&words.collect::<Vec<_>>().join("\n"));
    let list = tree.run("history --root root").stdout;
    assert!(list.starts_with("RUN ") && list.lines().count() == 4, "{list}");
}

#[test]
fn a_rollback_onto_a_read_only_disk_is_refused_before_anything_is_cleared_up() {
    let tree = converged();
    tree.write("root/proc/self/mountinfo", "22 1 253:1 / / ro - ext4 /dev/vda1 ro\n");
    // The last run did not end well.
    tree.write("root/var/lib/hoststate/lock", "converge playbook.json");
    let before = tree.files();
    for (words, status) in [("rollback --root root --yes", 4), ("rollback --root root --check", 4)] {
        let answer = tree.run(words);
        assert_eq!(answer.status, Some(status), "{answer}");
        assert!(answer.stdout.contains("its file system is mounted read-only"), "{answer}");
        assert!(answer.stdout.contains("--accept disk-not-ready-"), "{answer}");
        assert!(tree.files() == before, "something was changed");
    }
}
