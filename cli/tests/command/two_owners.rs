//! One thing of two owners, and one of two playbooks of an owner: what each of them says and leaves.

use expect_test::expect;

use crate::owners::{FILE, GRUB, LESS, OF_HOST, check, converge, json};
use crate::support::Tree;

#[test]
fn two_owners_of_one_thing_are_named_and_neither_takes_it_from_the_other() {
    let tree = Tree::with(LESS);
    converge(&tree, "playbook.json --owner storage");
    converge(&tree, "playbook.json --owner network");
    tree.playbook(r#"{"type":"modprobe_options","module":"kvm","options":{"ignore_msrs":true}}"#);
    check(
        &tree,
        "plan playbook.json --owner network --prune -q",
        expect![[r#"
        No longer declared, and kept:
            kernel_cmdline "intel_iommu=on" (playbook.json:2), there before: storage declares it too

        In the desired state: 1 setting, nothing to do.
        exit 0
    "#]],
    );
    let before = tree.read(GRUB);
    converge(&tree, "playbook.json --owner network --prune");
    assert_eq!(tree.read(GRUB), before);
    // Who has given it up does not keep it from going with the other.
    converge(&tree, "playbook.json --owner storage --prune");
    assert!(!tree.read(GRUB).is_some_and(|it| it.contains("intel_iommu")), "{before:?}");
    assert_eq!(tree.read(FILE).as_deref(), Some("options kvm ignore_msrs=1\n"));
}

#[test]
fn two_owners_of_different_values_are_named_with_lines_and_runs() {
    let tree = Tree::with(r#"{"type":"kernel_cmdline","present":["iommu=off"]}"#);
    converge(&tree, "playbook.json --owner storage");
    tree.playbook("\n{\"type\":\"kernel_cmdline\",\"present\":[\"iommu=pt\"]}");
    let expected = "two owners want different values of kernel parameter `iommu`: network wants iommu=pt (kernel_cmdline \
                    \"iommu=pt\" at playbook.json:2); storage wants iommu=off (kernel_cmdline \"iommu=off\" at \
                    playbook.json:1, run ";
    let told = |words: &str| {
        let plan = json(&tree, words);
        let guards = plan["guards"].as_array().expect("guards").clone();
        let of_it = guards.iter().find(|it| it["guard"] == "owners-differ");
        of_it.map(|it| it["message"].as_str().expect("a message").to_owned()).unwrap_or_default()
    };
    for command in ["plan", "verify"] {
        let message = told(&format!("{command} playbook.json --owner network"));
        assert!(message.starts_with(expected), "{command}: {message}");
    }
    converge(&tree, "playbook.json --owner network");
    let message = told("verify playbook.json --owner network");
    assert!(message.contains("at playbook.json:2, run "), "{message}");
    // The same value, and one that nobody else sets, is no difference.
    assert_eq!(told("verify playbook.json --owner storage"), "");
    tree.playbook(r#"{"type":"kernel_cmdline","present":["iommu=off","quiet"]}"#);
    let message = told("plan playbook.json --owner other");
    assert!(
        message.contains("other wants iommu=off") && message.contains("; network wants iommu=pt"),
        "{message}"
    );
}

#[test]
fn what_stays_is_written_in_the_order_of_the_playbook_where_it_is_pruned() {
    let tree = Tree::with(r#"{"type":"kernel_cmdline","present":["iommu=pt","intel_iommu=on"]}"#);
    tree.write(GRUB, "GRUB_CMDLINE_LINUX=\"quiet\"\n");
    converge(&tree, "playbook.json");
    tree.playbook(r#"{"type":"kernel_cmdline","present":["intel_iommu=on","iommu=pt"]}"#);
    check(
        &tree,
        "plan playbook.json -q",
        expect![[r#"
        In the desired state: 2 settings, nothing to do.
        exit 0
    "#]],
    );
    check(
        &tree,
        "plan playbook.json --prune",
        expect![[r#"
        ubuntu 24.04, grub2

        ~ kernel_cmdline "intel_iommu=on iommu=pt"  playbook.json:1
            /etc/default/grub.d/zz-hoststate.cfg: with what earlier declarations left -> as these declarations write it

        --- a/etc/default/grub.d/zz-hoststate.cfg
        +++ b/etc/default/grub.d/zz-hoststate.cfg
        @@ -1,2 +1,2 @@
         # Kernel arguments that hoststate was told to add. Sourced by update-grub after the others.
        -GRUB_CMDLINE_LINUX_DEFAULT="iommu=pt intel_iommu=on"
        +GRUB_CMDLINE_LINUX_DEFAULT="intel_iommu=on iommu=pt"

        Plan: 1 file; 1 setting in the desired state.
        exit 0
    "#]],
    );
    // A saved plan says that it prunes.
    let saved = tree.run(&format!("plan playbook.json --prune --out saved {OF_HOST}"));
    assert_eq!(saved.status, Some(0), "{saved}");
    converge(&tree, "saved");
    let text = tree.read("root/etc/default/grub.d/zz-hoststate.cfg");
    assert!(text.as_ref().is_some_and(|it| it.contains("=\"intel_iommu=on iommu=pt\"")), "{text:?}");
    let again = tree.run(&format!("verify playbook.json --prune {OF_HOST}"));
    assert_eq!(again.status, Some(0), "{again}");
}
