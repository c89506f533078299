//! How it is with a host, and what the last run wanted, without its playbook.

use crate::declarations::SOFTDEP;
use crate::support::Tree;

const FILE: &str = "root/etc/modprobe.d/01-hoststate.conf";

/// The last two of the three lines; the first has the time in it.
fn status(tree: &Tree) -> (String, Option<i32>) {
    let answer = tree.run("status --root root");
    let (first, rest) = answer.stdout.split_once('\n').unwrap_or_default();
    assert!(first.starts_with("Last run  "), "{answer}");
    (rest.to_owned(), answer.status)
}

#[test]
fn three_lines_say_the_last_run_what_waits_for_a_boot_and_what_drifted() {
    let tree = Tree::with(SOFTDEP);
    let nothing = "Reboot    nothing waits for one\nDrift     none, nothing is declared\n".to_owned();
    assert_eq!(status(&tree), (nothing.clone(), Some(0)));
    assert_eq!(tree.run("converge playbook.json --root root --yes").status, Some(0));
    let settled = "Reboot    nothing waits for one\nDrift     none, 1 setting\n".to_owned();
    assert_eq!(status(&tree), (settled, Some(0)));
    assert!(tree.run("status --root root").stdout.contains("converge TREE/playbook.json: done\n"));
    tree.write(FILE, "");
    let (lines, exit) = status(&tree);
    assert!(lines.contains("\nDrift     1: softdep nouveau"), "{lines}");
    assert_eq!(exit, Some(2));
    tree.write(FILE, "softdep nouveau pre: vfio-pci\n");
    assert_eq!(tree.run("rollback --root root --yes --force").status, Some(0));
    assert_eq!(status(&tree), (nothing, Some(0)));
}

#[test]
fn the_last_run_is_verified_without_its_playbook() {
    let tree = Tree::with(SOFTDEP);
    let none = tree.run("verify --last --root root");
    assert_eq!(none.status, Some(1), "{none}");
    assert!(none.stderr.contains("no recorded run stands"), "{none}");
    assert_eq!(tree.run("converge playbook.json --root root --yes").status, Some(0));
    assert_eq!(tree.run("verify --last --root root").status, Some(0));
    tree.write(FILE, "");
    assert_eq!(tree.run("verify --last --root root").status, Some(2));
}

#[test]
fn what_is_left_for_after_a_boot_stands_in_the_line_of_the_reboot() {
    let tree = Tree::with(SOFTDEP);
    assert_eq!(tree.run("converge playbook.json --root root --yes").status, Some(0));
    tree.write("root/proc/sys/kernel/random/boot_id", "1\n");
    let record =
        r#"{"format":"hoststate.at-boot/1","boot_id":"1","declarations":[],"accepted":[],"begun":null}"#;
    tree.write("root/var/lib/hoststate/at-boot.json", record);
    let (lines, exit) = status(&tree);
    assert!(lines.starts_with("Reboot    waits: Left for after a boot: "), "{lines}");
    assert_eq!((lines.lines().count(), exit), (2, Some(0)));
}
