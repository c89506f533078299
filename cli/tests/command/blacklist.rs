//! `modprobe_blacklist` with `install`: blocking explicit loading, and taking that back.

use crate::support::Tree;

const FILE: &str = "root/etc/modprobe.d/zz-hoststate.conf";

#[test]
fn install_false_takes_out_the_line_that_install_true_wrote() {
    let tree = Tree::with(r#"{"type":"modprobe_blacklist","module":"nouveau","install":true}"#);
    let converge = "converge playbook.json --root root --yes";
    assert_eq!(tree.run(converge).status, Some(0));
    assert_eq!(tree.read(FILE).as_deref(), Some("blacklist nouveau\ninstall nouveau /bin/false\n"));
    tree.playbook(r#"{"type":"modprobe_blacklist","module":"nouveau"}"#);
    assert_eq!(tree.run(converge).status, Some(0));
    assert_eq!(tree.read(FILE).as_deref(), Some("blacklist nouveau\ninstall nouveau /bin/false\n"));
    tree.playbook(r#"{"type":"modprobe_blacklist","module":"nouveau","install":false}"#);
    assert_eq!(tree.run(converge).status, Some(0));
    assert_eq!(tree.read(FILE).as_deref(), Some("blacklist nouveau\n"));
    assert_eq!(tree.run("verify playbook.json --root root").status, Some(0));
}

#[test]
fn install_false_names_the_line_of_somebody_else_and_keeps_it() {
    let tree = Tree::with(r#"{"type":"modprobe_blacklist","module":"nouveau","install":false}"#);
    tree.write("root/etc/modprobe.d/50-theirs.conf", "install nouveau /bin/true\n");
    let answer = tree.run("plan playbook.json --root root");
    assert!(answer.stdout.contains("/etc/modprobe.d/50-theirs.conf:1"), "{answer}");
    assert!(answer.stdout.contains("hoststate did not write that line"), "{answer}");
    // A command that loads something blocks nothing.
    tree.write(
        "root/etc/modprobe.d/50-theirs.conf",
        "install nouveau /sbin/modprobe --ignore-install nouveau\n",
    );
    let answer = tree.run("converge playbook.json --root root --yes");
    assert_eq!(answer.status, Some(0), "{answer}");
    assert_eq!(tree.run("verify playbook.json --root root").status, Some(0));
}

#[test]
fn both_lines_are_written_and_taken_out_beside_what_else_the_file_says() {
    let tree = Tree::with(r#"{"type":"modprobe_blacklist","module":"nouveau","install":false}"#);
    tree.write(
        FILE,
        "# ours\ninstall nouveau /bin/false\noptions kvm ignore_msrs=1\ninstall nouveau /bin/false",
    );
    assert_eq!(tree.run("converge playbook.json --root root --yes").status, Some(0));
    assert_eq!(tree.read(FILE).as_deref(), Some("# ours\noptions kvm ignore_msrs=1\nblacklist nouveau\n"));
}
