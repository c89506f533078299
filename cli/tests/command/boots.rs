//! What is left for after a boot, and boots that are tried, as far as a tree can show it.

use expect_test::{Expect, expect};

use crate::declarations::{OPTIONS, SOFTDEP};
use crate::support::Tree;

const RECORD: &str = "root/var/lib/hoststate/at-boot.json";

fn check(tree: &Tree, words: &str, expected: Expect) {
    expected.assert_eq(&tree.run(words).to_string());
}

#[test]
fn the_next_boot_of_a_tree_is_nobodys() {
    let tree = Tree::with(SOFTDEP);
    let before = tree.files();
    check(
        &tree,
        "converge playbook.json --root root --at-boot --yes",
        expect![[r#"
        error: --at-boot is about the next boot of this machine, not of a tree
        hint: Run it on the machine itself; with --check it shows what it would do there.
        exit 1
    "#]],
    );
    check(
        &tree,
        "converge playbook.json --root root --confirm-boot --yes --format json",
        expect![[r#"
        {
          "error": {
            "hint": "Run it on the machine itself; with --check it shows what it would do there.",
            "what": "--confirm-boot is about the next boot of this machine, not of a tree",
            "where": null
          },
          "format": "hoststate.error/1"
        }
        error: --confirm-boot is about the next boot of this machine, not of a tree
        hint: Run it on the machine itself; with --check it shows what it would do there.
        exit 1
    "#]],
    );
    check(
        &tree,
        "converge --root root --at-boot",
        expect![[r#"
        error: --at-boot is about the next boot of this machine, not of a tree
        hint: Run it on the machine itself; with --check it shows what it would do there.
        exit 1
    "#]],
    );
    check(
        &tree,
        "converge --confirm-boot",
        expect![[r#"
        error: the following required arguments were not provided:
          <PLAYBOOK>

        Usage: hoststate converge --confirm-boot <PLAYBOOK>

        For more information, try '--help'.
        exit 1
    "#]],
    );
    check(
        &tree,
        "converge playbook.json --at-boot --activate skip",
        expect![[r#"
            error: --at-boot cannot leave the distribution's tools to you: it runs by itself after the boot
            hint: Leave out --activate skip.
            exit 1
        "#]],
    );
    assert!(tree.files() == before, "the tree was changed");
}

#[test]
fn a_tree_is_shown_what_would_be_tried() {
    let tree = Tree::with(SOFTDEP);
    tree.write("root/run/systemd/system/x", "");
    check(
        &tree,
        "converge --check playbook.json --root root --confirm-boot",
        expect![[r#"
        error: the playbook wants nothing of the kernel command line, so there is no boot to try
        hint: Converge without --confirm-boot.
        exit 1
    "#]],
    );
}

#[test]
fn nothing_else_is_changed_while_a_boot_is_to_be_tried() {
    let tree = Tree::with(SOFTDEP);
    let trial =
        r#""trial":{"mark":"hoststate.trial=1","witness":{"root":null,"root_uuid":null,"interface":null}}"#;
    let record = |declarations: &str, more: &str| {
        format!(
            r#"{{"format":"hoststate.at_boot/1","boot_id":null,"accepted":[],"declarations":[{declarations}]{more}}}"#
        )
    };
    tree.write(RECORD, &record(SOFTDEP, &format!(",{trial}")));
    check(
        &tree,
        "converge playbook.json --root root --yes",
        expect![[r#"
        error: a boot is waiting to be tried, and until then nothing else is changed (/var/lib/hoststate/at-boot.json)
        hint: Reboot to try it; `hoststate history` names the run and `hoststate rollback` takes it back.
        exit 1
    "#]],
    );
    tree.write(RECORD, &record(SOFTDEP, &format!(",\"begun\":\"2\",{trial}")));
    check(
        &tree,
        "converge playbook.json --root root --yes",
        expect![[r#"
        error: what was left to finish after a boot was begun and not finished (/var/lib/hoststate/at-boot.json)
        hint: Run `hoststate converge --at-boot` to clean up after it, then converge again.
        exit 1
    "#]],
    );
    tree.write(RECORD, &record(OPTIONS, ""));
    check(
        &tree,
        "converge playbook.json --root root --yes",
        expect![[r#"
        error: other declarations are to be finished after the next boot, and would undo these (/var/lib/hoststate/at-boot.json)
        hint: Converge with --at-boot to finish these instead; `hoststate rollback` takes the other run back.
        exit 1
    "#]],
    );
    tree.write(RECORD, &record(SOFTDEP, ""));
    assert_eq!(tree.run("converge playbook.json --root root --yes").status, Some(0));
    tree.write(RECORD, "{");
    check(
        &tree,
        "converge playbook.json --root root --yes",
        expect![[r#"
        error: /var/lib/hoststate/at-boot.json:1: EOF while parsing an object at line 1 column 1
        hint: `hoststate rollback` of the run that wrote it removes it.
        exit 1
    "#]],
    );
}

#[test]
fn the_history_has_the_reason_of_a_verdict() {
    let tree = Tree::with(SOFTDEP);
    let record = r#"{"format":"hoststate.run/1","id":"20260101T000000Z","command":"at boot","boot_id":null,
        "declarations":[],"files":[],"activations":[],"outcome":"failed","reason":"the boot did not come up","steps":[]}"#;
    tree.write("root/var/lib/hoststate/runs/20260101T000000Z.json", record);
    check(
        &tree,
        "history --root root",
        expect![[r#"
        RUN               WHEN              WHO  WHAT     NOW
        RUN  2026-01-01 00:00  -    at boot  FAILED
            the boot did not come up
        exit 0
    "#]],
    );
}

#[test]
fn what_is_about_to_happen_by_itself_is_told_by_every_command_that_looks() {
    let modalias = "pci:v000010DEd00000FFCsv00001AF4sd00001100bc03sc00i00\n";
    let tree = Tree::with(SOFTDEP);
    tree.write("root/sys/bus/pci/devices/0000:01:00.0/modalias", modalias);
    let told = |expected: &str| {
        for words in ["verify playbook.json --root root", "why 01:00.0 --root root"] {
            let answer = tree.run(words);
            assert!(answer.stdout.to_lowercase().contains(expected), "{answer}");
        }
    };
    let record = |more: &str| {
        format!(
            r#"{{"format":"hoststate.at_boot/1","boot_id":null,"accepted":[],"declarations":[{SOFTDEP}]{more}}}"#
        )
    };
    let trial =
        r#","trial":{"mark":"hoststate.trial=1","witness":{"root":null,"root_uuid":null,"interface":null}}"#;
    tree.write(RECORD, &record(trial));
    told("a boot is to be tried: the next boot tries it, and until then nothing else is changed");
    tree.write(RECORD, &record(""));
    told("left for after a boot: hoststate-at-boot.service finishes it after the next boot");
    tree.write("root/run/systemd/transient/hoststate-go-back.timer", "");
    told("`systemctl stop hoststate-go-back.timer` keeps it up");
}

#[test]
fn plan_shows_a_boot_to_be_tried_as_converge_does() {
    let words = r#"{"type":"kernel_cmdline","name":"iommu","present":["iommu=pt"]}"#;
    let tree = Tree::with(words);
    tree.write("root/run/systemd/system/x", "");
    let shown = tree.run("plan playbook.json --root root --confirm-boot").to_string();
    assert_eq!(shown, tree.run("converge --check playbook.json --root root --confirm-boot").to_string());
    check(
        &tree,
        "plan playbook.json --root root --confirm-boot --out plan.json",
        expect![[r#"
        error: the argument '--confirm-boot' cannot be used with '--out <FILE>'

        Usage: hoststate plan --root <DIR> --confirm-boot <PLAYBOOK>

        For more information, try '--help'.
        exit 1
    "#]],
    );
}
