//! Who owns what: what a playbook no longer declares is listed and pruned, what others declare or changed stays.

#![expect(clippy::disallowed_methods, reason = "a test removes a file of its tree")]

use std::fs::File;

use expect_test::{Expect, expect};
use serde_json::Value;

use crate::support::Tree;

pub(crate) const FILE: &str = "root/etc/modprobe.d/zz-hoststate.conf";
pub(crate) const GRUB: &str = "root/etc/default/grub";
const BOTH: &str = r#"{"type":"modprobe_options","module":"kvm","options":{"ignore_msrs":1,"tdp_mmu":1}},
{"type":"kernel_cmdline","present":["intel_iommu=on","iommu=pt"]}"#;
pub(crate) const LESS: &str = r#"{"type":"modprobe_options","module":"kvm","options":{"ignore_msrs":1}},
{"type":"kernel_cmdline","present":["intel_iommu=on"]}"#;
pub(crate) const OF_HOST: &str = "--root root --activate skip";

/// A host on which a playbook was converged to, and that declares less now.
fn less() -> Tree {
    let tree = Tree::with(BOTH);
    tree.write(GRUB, "GRUB_CMDLINE_LINUX=\"quiet iommu=off\"\n");
    converge(&tree, "playbook.json");
    tree.playbook(LESS);
    tree
}

pub(crate) fn converge(tree: &Tree, words: &str) {
    let answer = tree.run(&format!("converge {words} --yes {OF_HOST}"));
    assert_eq!(answer.status, Some(0), "{answer}");
}

/// Compares what a command says, but for the line that names whoever runs the tests.
pub(crate) fn check(tree: &Tree, words: &str, expected: Expect) {
    let said = tree.run(&format!("{words} {OF_HOST}")).to_string();
    let said = said.split_inclusive('\n').filter(|it| !it.starts_with("Last run "));
    expected.assert_eq(&said.collect::<String>());
}

pub(crate) fn json(tree: &Tree, words: &str) -> Value {
    let output = tree.command(&format!("{words} {OF_HOST} --format json")).output().expect("it runs");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn state_files(tree: &Tree) -> Vec<std::path::PathBuf> {
    let is_memory = |it: &std::path::PathBuf| it.to_string_lossy().contains("/owners/");
    tree.files().into_keys().filter(is_memory).collect()
}

#[test]
fn what_is_no_longer_declared_is_listed_with_its_line_and_run() {
    let tree = less();
    check(
        &tree,
        "plan playbook.json -q",
        expect![[r#"
        No longer declared, and still in place; --prune takes it out:
            modprobe_options "kvm tdp_mmu" (playbook.json:1), run RUN
            kernel_cmdline "iommu=pt" (playbook.json:2), run RUN

        In the desired state: 3 settings, nothing to do.
        exit 0
    "#]],
    );
    check(
        &tree,
        "verify playbook.json",
        expect![[r#"
        left     modprobe_options "kvm tdp_mmu" (playbook.json:1), run RUN
        left     kernel_cmdline "iommu=pt" (playbook.json:2), run RUN
        ok       modprobe_options "kvm ignore_msrs" (playbook.json:1)
        ok       kernel_cmdline "intel_iommu=on" (playbook.json:2)
        In the desired state: 3 settings; 2 no longer declared.
        exit 0
    "#]],
    );
    check(
        &tree,
        "status",
        expect![[r#"
        Reboot    nothing waits for one
        Drift     none, 3 settings
        exit 0
    "#]],
    );
    let plan = json(&tree, "plan playbook.json");
    assert_eq!(plan["no_longer_declared"][0]["resource"]["name"], "kvm tdp_mmu");
    assert_eq!(plan["no_longer_declared"][0]["playbook"]["line"], 1);
    assert_eq!(plan["no_longer_declared"][0]["state"], "stays");
    assert!(plan["no_longer_declared"][0]["run"].is_string());
    // Converging does not touch it, and the next plan lists it again.
    tree.playbook(&format!("{LESS},{{\"type\":\"modprobe_blacklist\",\"module\":\"floppy\"}}"));
    converge(&tree, "playbook.json");
    check(
        &tree,
        "status",
        expect![[r#"
        Reboot    nothing waits for one
        Drift     none, 4 settings
        Left      2 no longer declared: modprobe_options "kvm tdp_mmu" (playbook.json:1), run RUN; kernel_cmdline "iommu=pt" (playbook.json:2), run RUN
        exit 0
    "#]],
    );
    assert_eq!(json(&tree, "plan playbook.json")["no_longer_declared"], plan["no_longer_declared"]);
    assert!(tree.read(FILE).is_some_and(|it| it.contains("tdp_mmu=1")));
}

#[test]
fn pruning_takes_it_out_and_brings_back_what_was_there_before() {
    let tree = less();
    check(
        &tree,
        "plan playbook.json --prune",
        expect![[r#"
        ubuntu 24.04, grub2

        - modprobe_options "kvm tdp_mmu"  playbook.json:1
            options kvm: tdp_mmu=1 -> (absent)
        - kernel_cmdline "iommu=pt"  playbook.json:2
            /etc/default/grub: quiet iommu=pt intel_iommu=on -> quiet iommu=off intel_iommu=on

        --- a/etc/default/grub
        +++ b/etc/default/grub
        @@ -1 +1 @@
        -GRUB_CMDLINE_LINUX="quiet iommu=pt"
        +GRUB_CMDLINE_LINUX="quiet iommu=off"

        --- a/etc/modprobe.d/zz-hoststate.conf
        +++ b/etc/modprobe.d/zz-hoststate.conf
        @@ -1,2 +1 @@
         options kvm ignore_msrs=1
        -options kvm tdp_mmu=1

        No longer declared, taken out:
            modprobe_options "kvm tdp_mmu" (playbook.json:1), run RUN
            kernel_cmdline "iommu=pt" (playbook.json:2), run RUN

        Plan: 2 files; 4 settings in the desired state.
        exit 0
    "#]],
    );
    let verified = tree.run(&format!("verify playbook.json --prune {OF_HOST}"));
    assert_eq!(verified.status, Some(2), "{verified}");
    converge(&tree, "playbook.json --prune");
    assert_eq!(tree.read(FILE).as_deref(), Some("options kvm ignore_msrs=1\n"));
    assert_eq!(tree.read(GRUB).as_deref(), Some("GRUB_CMDLINE_LINUX=\"quiet iommu=off\"\n"));
    check(
        &tree,
        "plan playbook.json --prune -q",
        expect![[r#"
        In the desired state: 3 settings, nothing to do.
        exit 0
    "#]],
    );
    assert_eq!(json(&tree, "plan playbook.json").get("no_longer_declared"), None);
}

#[test]
fn a_saved_plan_takes_out_what_it_shows() {
    let tree = less();
    assert_eq!(tree.run(&format!("plan playbook.json --prune --out p.json {OF_HOST}")).status, Some(0));
    check(
        &tree,
        "converge p.json --prune --yes",
        expect![[r#"
        error: a saved plan says itself whose it is and what it takes out
        hint: Give --owner and --prune to `hoststate plan --out`.
        exit 1
    "#]],
    );
    converge(&tree, "p.json");
    assert_eq!(tree.read(FILE).as_deref(), Some("options kvm ignore_msrs=1\n"));
    assert_eq!(json(&tree, "plan playbook.json").get("no_longer_declared"), None);
}

#[test]
fn json_says_whose_it_is() {
    let tree = Tree::with("");
    let text = |resources: &str| {
        format!(r#"{{"format":"hoststate.declarations/1","owner":"lab","resources":[{resources}]}}"#)
    };
    tree.write("a.json", &text(LESS));
    converge(&tree, "a.json");
    let input = text(r#"{"type":"kernel_cmdline","present":["intel_iommu=on"]}"#);
    let answer = tree.run_with_input(&format!("plan - -q {OF_HOST}"), &input);
    assert!(answer.to_string().contains("kvm ignore_msrs"), "{answer}");
    let nobody = input.replace(r#""owner":"lab","#, "");
    let answer = tree.run_with_input(&format!("plan - --prune {OF_HOST}"), &nobody);
    expect![[r#"
        error: --prune: whose declarations these are is not known, so nothing is known of earlier runs
        hint: Give --owner NAME, or "owner" beside "resources".
        exit 1
    "#]]
    .assert_eq(&answer.to_string());
    tree.write("a.json", &input.replace("\"lab\"", "7"));
    check(
        &tree,
        "plan a.json",
        expect![[r#"
        error: `owner` is 7, not a name
          at a.json:1
        hint: Name whose these declarations are, or leave it out: then they are the file's.
        exit 1
    "#]],
    );
}

#[test]
fn what_somebody_changed_since_is_left_and_said() {
    let tree = less();
    tree.write(FILE, "options kvm ignore_msrs=1 tdp_mmu=0\n");
    let grub = tree.read(GRUB).expect("a file").replace("iommu=pt", "");
    tree.write(GRUB, &grub);
    check(
        &tree,
        "plan playbook.json --prune -q",
        expect![[r#"
        No longer declared, and kept:
            modprobe_options "kvm tdp_mmu" (playbook.json:1), run RUN: changed since, to tdp_mmu=0

        In the desired state: 3 settings, nothing to do.
        exit 0
    "#]],
    );
    converge(&tree, "playbook.json --prune");
    assert_eq!(tree.read(FILE).as_deref(), Some("options kvm ignore_msrs=1 tdp_mmu=0\n"));
    assert_eq!(tree.read(GRUB), Some(grub));
    assert_eq!(json(&tree, "plan playbook.json").get("no_longer_declared"), None, "it was said once");
}

#[test]
fn what_was_there_before_is_owned_from_then_on_and_that_is_said_once() {
    let tree = Tree::with(BOTH);
    tree.write(FILE, "options kvm tdp_mmu=1\n");
    tree.write(GRUB, "GRUB_CMDLINE_LINUX=\"iommu=pt\"\n");
    let answer = tree.run(&format!("converge playbook.json --yes {OF_HOST}"));
    let said = |it: &str| {
        it.lines().filter(|it| it.contains("in place before")).map(str::to_owned).collect::<Vec<_>>()
    };
    expect![[r#"
        [
            "Was in place before, and is owned by TREE/playbook.json from now on: modprobe_options \"kvm tdp_mmu\", kernel_cmdline \"iommu=pt\".",
        ]
    "#]].assert_debug_eq(&said(&answer.to_string()));
    let again = tree.run(&format!("converge playbook.json --yes {OF_HOST}"));
    assert!(said(&again.to_string()).is_empty(), "{again}");
    tree.playbook(LESS);
    converge(&tree, "playbook.json --prune");
    assert_eq!(tree.read(FILE).as_deref(), Some("options kvm ignore_msrs=1\n"));
    assert_eq!(tree.read(GRUB).as_deref(), Some("GRUB_CMDLINE_LINUX=\"\"\n"));
}

#[test]
fn a_host_that_is_as_wanted_is_owned_too() {
    let tree = Tree::with(r#"{"type":"modprobe_options","module":"kvm","options":{"tdp_mmu":1}}"#);
    tree.write(FILE, "options kvm tdp_mmu=1\n");
    check(
        &tree,
        "converge playbook.json --yes",
        expect![[r#"
        In the desired state: 1 setting, nothing was done.
        Was in place before, and is owned by TREE/playbook.json from now on: modprobe_options "kvm tdp_mmu".
        exit 0
    "#]],
    );
    check(
        &tree,
        "converge playbook.json --yes",
        expect![[r#"
        In the desired state: 1 setting, nothing was done.
        exit 0
    "#]],
    );
    tree.playbook("");
    check(
        &tree,
        "plan playbook.json -q",
        expect![[r#"
        No longer declared, and still in place; --prune takes it out:
            modprobe_options "kvm tdp_mmu" (playbook.json:1), there before

        In the desired state: 0 settings, nothing to do.
        warning: playbook.json declares nothing
        exit 0
    "#]],
    );
}

#[test]
fn a_host_that_is_as_wanted_is_so_also_where_nothing_can_be_remembered() {
    let tree = Tree::with(r#"{"type":"modprobe_options","module":"kvm","options":{"tdp_mmu":1}}"#);
    tree.write(FILE, "options kvm tdp_mmu=1\n");
    tree.write("root/var/lib/hoststate/lock", "");
    let other = File::open(tree.path("root/var/lib/hoststate/lock")).expect("the lock");
    other.lock().expect("nobody has it");
    let answer = tree.run(&format!("converge playbook.json --yes {OF_HOST}"));
    assert_eq!(answer.status, Some(0), "{answer}");
    assert!(answer.stdout.contains("In the desired state: 1 setting, nothing was done."), "{answer}");
    let says = "warning: what is declared cannot be remembered: another run has the lock";
    assert!(answer.stdout.contains(says), "{answer}");
    assert_eq!(state_files(&tree), [] as [std::path::PathBuf; 0]);
    other.unlock().expect("it is held");
    check(
        &tree,
        "converge playbook.json --yes",
        expect![[r#"
        In the desired state: 1 setting, nothing was done.
        Was in place before, and is owned by TREE/playbook.json from now on: modprobe_options "kvm tdp_mmu".
        exit 0
    "#]],
    );
}

#[test]
fn a_memory_that_is_lost_damaged_or_newer_prunes_nothing_and_breaks_nothing() {
    let tree = less();
    let files = state_files(&tree);
    let [file] = &files[..] else { panic!("{files:?}") };
    let name = file.to_string_lossy().into_owned();
    let name = name.split_once("/root/").map(|it| format!("root/{}", it.1)).expect("below the root");
    let told = |text: Option<&str>| {
        match text {
            Some(text) => tree.write(&name, text),
            None => std::fs::remove_file(file).expect("a file"),
        }
        let before = tree.read(FILE);
        let answer = tree.run(&format!("plan playbook.json --prune -q {OF_HOST}")).to_string();
        converge(&tree, "playbook.json --prune");
        assert_eq!(tree.read(FILE), before);
        answer.replace(name.rsplit('/').next().unwrap_or_default(), "FILE")
    };
    expect![[r#"
        warning: what earlier runs of an owner set is not known: /var/lib/hoststate/owners/FILE is damaged (EOF while parsing a value at line 1 column 30), so nothing is pruned
            The next converge of that owner begins a new one.

        In the desired state: 3 settings, nothing to do.
        exit 0
    "#]].assert_eq(&told(Some("{\"format\":\"hoststate.owner/1\",")));
    expect![[r#"
        warning: what earlier runs of TREE/playbook.json set is not remembered, so what is no longer declared is not known; the next converge begins to remember
            run RUN is recorded, and nothing that it set is remembered

        In the desired state: 3 settings, nothing to do.
        exit 0
    "#]].assert_eq(&told(None));
    expect![[r#"
        warning: what earlier runs of an owner set is not known: /var/lib/hoststate/owners/FILE was written by a newer hoststate (its format is "hoststate.owner/7"), so nothing is pruned
            Use that version of hoststate.

        In the desired state: 3 settings, nothing to do.
        exit 0
    "#]].assert_eq(&told(Some("{\"format\":\"hoststate.owner/7\"}")));
    assert_eq!(
        tree.read(&name).as_deref(),
        Some("{\"format\":\"hoststate.owner/7\"}"),
        "it is not written over"
    );
}

#[test]
fn undoing_a_run_undoes_what_is_remembered_of_it() {
    let tree = less();
    converge(&tree, "playbook.json --prune");
    assert_eq!(tree.run(&format!("rollback --yes {OF_HOST}")).status, Some(0));
    assert!(tree.read(FILE).is_some_and(|it| it.contains("tdp_mmu=1")));
    let left = json(&tree, "plan playbook.json");
    assert_eq!(left["no_longer_declared"].as_array().map(Vec::len), Some(2), "{left}");
    converge(&tree, "playbook.json --prune");
    assert_eq!(tree.read(FILE).as_deref(), Some("options kvm ignore_msrs=1\n"));
}
