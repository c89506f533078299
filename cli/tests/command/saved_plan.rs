//! Saved plans: acted on as long as nothing has changed, refused otherwise.

use std::os::unix::fs::PermissionsExt;

use expect_test::{Expect, expect};

use crate::declarations::SOFTDEP;
use crate::support::Tree;

fn saved() -> Tree {
    let tree = Tree::with(SOFTDEP);
    let answer = tree.run("plan playbook.json --root root --out plan.json");
    assert_eq!(answer.status, Some(0), "{answer}");
    tree
}

fn check(tree: &Tree, expected: Expect) {
    let before = tree.files();
    expected.assert_eq(&tree.run("converge plan.json --root root --yes").to_string());
    assert_eq!(tree.files(), before, "nothing was changed");
}

#[test]
fn a_saved_plan_is_for_its_owner_only_and_is_acted_on() {
    let tree = saved();
    let mode = tree.path("plan.json").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let answer = tree.run("converge plan.json --root root --detailed-exitcode --yes");
    assert_eq!(answer.status, Some(2), "{answer}");
    assert_eq!(
        tree.read("root/etc/modprobe.d/01-hoststate.conf").as_deref(),
        Some("softdep nouveau pre: vfio-pci\n")
    );
}

#[test]
fn a_host_that_changed_is_not_touched() {
    let tree = saved();
    tree.write("root/etc/modprobe.d/01-hoststate.conf", "# mine\n");
    check(
        &tree,
        expect![[r##"
            error: the host changed since this plan was made, or the plan was edited
            hint: Look at the differences below (- saved, + now), then plan again.

            @@ -47,5 +47,5 @@
                 {
            -      "after": "softdep nouveau pre: vfio-pci\n",
            -      "before": null,
            -      "diff": "--- /dev/null\n+++ b/etc/modprobe.d/01-hoststate.conf\n@@ -0,0 +1 @@\n+softdep nouveau pre: vfio-pci\n",
            +      "after": "# mine\nsoftdep nouveau pre: vfio-pci\n",
            +      "before": "# mine\n",
            +      "diff": "--- a/etc/modprobe.d/01-hoststate.conf\n+++ b/etc/modprobe.d/01-hoststate.conf\n@@ -1 +1,2 @@\n # mine\n+softdep nouveau pre: vfio-pci\n",
                   "path": "/etc/modprobe.d/01-hoststate.conf"
            exit 1
        "##]],
    );
}

#[test]
fn an_edited_plan_is_refused() {
    let tree = saved();
    let text =
        tree.read("plan.json").unwrap().replace("softdep nouveau pre: vfio-pci", "softdep nouveau pre: evil");
    tree.write("plan.json", &text);
    let answer = tree.run("converge plan.json --root root --yes");
    assert_eq!(answer.status, Some(1), "{answer}");
    assert_eq!(tree.read("root/etc/modprobe.d/01-hoststate.conf"), None);
}

#[test]
fn a_plan_of_another_version_says_so() {
    let tree = saved();
    let text = tree.read("plan.json").unwrap().replace("hoststate.plan/2", "hoststate.plan/1");
    tree.write("plan.json", &text);
    check(
        &tree,
        expect![[r#"
            error: plan.json: the plan has the format "hoststate.plan/1"; this hoststate reads "hoststate.plan/2"
            hint: Plan again with this version of hoststate.
            exit 1
        "#]],
    );
}

#[test]
fn a_plan_is_saved_in_a_file_and_nowhere_else() {
    let tree = Tree::with(SOFTDEP);
    expect![[r#"
        error: --out /dev/null: not a file
        hint: `--format json` prints the plan on standard output.
        exit 1
    "#]]
    .assert_eq(&tree.run("plan playbook.json --root root --out /dev/null").to_string());
}
