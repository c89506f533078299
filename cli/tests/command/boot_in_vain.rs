//! A boot that did not help: `plan`, `converge` and `why` say what `verify` says, and no command asks for another.

use expect_test::{Expect, expect};

use crate::after_boot::{IDS, PARAMETER, boot, converged, converged_on};
use crate::support::Tree;

/// What every command that looks says of the same host, and what a fleet that reboots on exit status 3 goes by.
fn check_all(tree: &Tree, expected: Expect) {
    // What is remembered of an owner is no part of the host.
    let files_of_host = || {
        let mut files = tree.files();
        files.retain(|it, _| !it.starts_with(tree.path("root/var/lib/hoststate")));
        files
    };
    let files = files_of_host();
    let mut out = String::new();
    let mut verdicts = Vec::new();
    for words in ["verify playbook.json", "plan playbook.json", "converge playbook.json --yes"] {
        let words = format!("{words} --root root --detailed-exitcode");
        let text = tree.run(&words);
        let json = tree.run(&format!("{words} --format json"));
        assert_eq!(json.status, text.status, "{json}");
        let json: serde_json::Value = serde_json::from_str(&json.stdout).expect("JSON");
        let plan = json.get("plan").unwrap_or(&json);
        let found = plan["after_boot"].as_array().cloned().unwrap_or_default();
        verdicts.push(found);
        let outcome = json.get("outcome").map(|it| format!(" outcome {it}")).unwrap_or_default();
        out.push_str(&format!(
            "{} exit {}{outcome} only_reboot {} reboot {}\n",
            words.split(' ').next().unwrap_or_default(),
            text.status.unwrap_or(-1),
            plan["summary"]["only_reboot"],
            plan["reboot"],
        ));
        assert!(!text.stdout.contains("Nothing is left but a reboot") || text.status == Some(3), "{text}");
    }
    assert!(verdicts.iter().all(|it| *it == verdicts[0]), "{verdicts:?}");
    assert!(files_of_host() == files, "a host with nothing to do was changed");
    expected.assert_eq(&out);
}

#[test]
fn before_the_boot_every_command_asks_for_it() {
    check_all(
        &converged(PARAMETER),
        expect![[r#"
        verify exit 3 only_reboot 1 reboot {"because":["kernel_cmdline \"iommu\": /proc/cmdline: intel_iommu=on"],"required":true}
        plan exit 3 only_reboot 1 reboot {"because":["kernel_cmdline \"iommu\": /proc/cmdline: intel_iommu=on"],"required":true}
        converge exit 3 outcome "reboot_required" only_reboot 1 reboot {"because":["kernel_cmdline \"iommu\": /proc/cmdline: intel_iommu=on"],"required":true}
    "#]],
    );
}

#[test]
fn after_a_boot_that_did_not_help_no_command_asks_for_another() {
    for words in ["ro", "ro recovery nomodeset"] {
        let tree = converged(PARAMETER);
        boot(&tree, "2", "2", words);
        check_all(
            &tree,
            expect![[r#"
            verify exit 2 only_reboot 0 reboot {"because":[],"required":false}
            plan exit 2 only_reboot 0 reboot {"because":[],"required":false}
            converge exit 2 outcome "converged" only_reboot 0 reboot {"because":[],"required":false}
        "#]],
        );
    }
    let other_kernel = converged(PARAMETER);
    boot(&other_kernel, "2", "1", "ro");
    check_all(
        &other_kernel,
        expect![[r#"
        verify exit 2 only_reboot 0 reboot {"because":[],"required":false}
        plan exit 2 only_reboot 0 reboot {"because":[],"required":false}
        converge exit 2 outcome "converged" only_reboot 0 reboot {"because":[],"required":false}
    "#]],
    );
}

#[test]
fn a_word_in_vain_is_no_desired_state_for_any_command() {
    let tree = converged(PARAMETER);
    boot(&tree, "2", "2", "ro intel_iommu=on");
    std::fs::remove_dir_all(tree.path("root/sys/kernel/iommu_groups")).expect("no groups");
    tree.write("root/sys/firmware/acpi/tables/FACP", "");
    check_all(
        &tree,
        expect![[r#"
        verify exit 2 only_reboot 0 reboot {"because":[],"required":false}
        plan exit 2 only_reboot 0 reboot {"because":[],"required":false}
        converge exit 2 outcome "converged" only_reboot 0 reboot {"because":[],"required":false}
    "#]],
    );
}

#[test]
fn without_a_record_nothing_is_claimed_about_the_boot() {
    let tree = converged(PARAMETER);
    std::fs::remove_dir_all(tree.path("root/var")).expect("the records");
    boot(&tree, "2", "2", "ro");
    check_all(
        &tree,
        expect![[r#"
        verify exit 3 only_reboot 1 reboot {"because":["kernel_cmdline \"iommu\": /proc/cmdline: intel_iommu=on"],"required":true}
        plan exit 3 only_reboot 1 reboot {"because":["kernel_cmdline \"iommu\": /proc/cmdline: intel_iommu=on"],"required":true}
        converge exit 3 outcome "reboot_required" only_reboot 1 reboot {"because":["kernel_cmdline \"iommu\": /proc/cmdline: intel_iommu=on"],"required":true}
    "#]],
    );
    let other = converged(IDS);
    boot(&other, "2", "2", "ro");
    other.playbook(PARAMETER);
    other.write(
        "root/etc/default/grub.d/zz-hoststate.cfg",
        "GRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX intel_iommu=on\"\n",
    );
    check_all(
        &other,
        expect![[r#"
        verify exit 3 only_reboot 1 reboot {"because":["kernel_cmdline \"iommu\": /proc/cmdline: intel_iommu=on"],"required":true}
        plan exit 3 only_reboot 1 reboot {"because":["kernel_cmdline \"iommu\": /proc/cmdline: intel_iommu=on"],"required":true}
        converge exit 3 outcome "reboot_required" only_reboot 1 reboot {"because":["kernel_cmdline \"iommu\": /proc/cmdline: intel_iommu=on"],"required":true}
    "#]],
    );
}

#[test]
fn a_run_that_changed_nothing_for_good_does_not_hide_that_a_boot_did_not_help() {
    let tree = converged(PARAMETER);
    boot(&tree, "2", "2", "ro");
    let live = r#"{"format":"hoststate.run/1","id":"20990101T000000Z","command":"converge","boot_id":"2",
        "declarations":[{"type":"kernel_cmdline","name":"iommu","present":["intel_iommu=on"]}],"files":[],
        "activations":[],"outcome":"converged","steps":[]}"#;
    tree.write("root/var/lib/hoststate/runs/20990101T000000Z.json", live);
    check_all(
        &tree,
        expect![[r#"
        verify exit 2 only_reboot 0 reboot {"because":[],"required":false}
        plan exit 2 only_reboot 0 reboot {"because":[],"required":false}
        converge exit 2 outcome "converged" only_reboot 0 reboot {"because":[],"required":false}
    "#]],
    );
    tree.write("root/var/lib/hoststate/runs/20990102T000000Z.json", "{");
    check_all(
        &tree,
        expect![[r#"
        verify exit 2 only_reboot 0 reboot {"because":[],"required":false}
        plan exit 2 only_reboot 0 reboot {"because":[],"required":false}
        converge exit 2 outcome "converged" only_reboot 0 reboot {"because":[],"required":false}
    "#]],
    );
}

#[test]
fn what_is_put_in_place_anew_is_worth_a_boot() {
    let tree = converged(PARAMETER);
    tree.write("root/etc/default/grub.d/zz-hoststate.cfg", "");
    boot(&tree, "2", "2", "ro");
    let mended = tree.run("converge playbook.json --root root --yes --detailed-exitcode");
    assert_eq!(mended.status, Some(3), "{mended}");
    let again = tree.run("converge playbook.json --root root --yes --detailed-exitcode");
    assert_eq!(again.status, Some(3), "{again}");
}

/// The same declaration as a playbook has it that names nothing.
fn unnamed(declaration: &str) -> String {
    let (before, after) = declaration.split_once(r#""name":""#).expect("a name");
    let (_, after) = after.split_once("\",").expect("further fields");
    format!("{before}{after}")
}

const BOUND: &str = r#"{"type":"driver_binding","device":"01:00.0","driver":"vfio-pci"}"#;

/// Leaves the device of the tree with a driver that is built into the kernel.
fn bind_to_nouveau(tree: &Tree) {
    let device = "root/sys/bus/pci/devices/0000:01:00.0";
    tree.write(&format!("{device}/modalias"), "pci:v000010DEd00000FFCsv00001AF4sd00001100bc03sc00i00\n");
    tree.write("root/lib/modules/2/modules.builtin", "kernel/nouveau.ko\n");
    tree.write("root/sys/bus/pci/drivers/nouveau/bind", "");
    std::os::unix::fs::symlink("../../drivers/nouveau", tree.path(&format!("{device}/driver")))
        .expect("a link");
}

#[test]
fn a_declaration_needs_no_name_to_be_judged_after_a_boot() {
    for declaration in [PARAMETER, IDS] {
        let tree = converged(&unnamed(declaration));
        boot(&tree, "2", "2", "ro");
        if declaration == IDS {
            bind_to_nouveau(&tree);
        }
        check_all(
            &tree,
            expect![[r#"
                verify exit 2 only_reboot 0 reboot {"because":[],"required":false}
                plan exit 2 only_reboot 0 reboot {"because":[],"required":false}
                converge exit 2 outcome "converged" only_reboot 0 reboot {"because":[],"required":false}
            "#]],
        );
    }
}

#[test]
fn a_binding_without_a_name_is_told_by_the_driver_that_took_the_device() {
    let tree = Tree::with(&format!("{},{BOUND}", unnamed(PARAMETER)));
    plug_in(&tree);
    let tree = converged_on(tree);
    boot(&tree, "2", "2", "ro intel_iommu=on");
    bind_to_nouveau(&tree);
    let told = tree.run("verify playbook.json --root root");
    expect![[r#"
        drift    driver_binding "0000:01:00.0" (playbook.json:1): /sys/bus/pci/devices/0000:01:00.0/driver_override: (absent) -> vfio-pci
        drift    driver_binding "0000:01:00.0" (playbook.json:1): /sys/bus/pci/devices/0000:01:00.0/driver: nouveau -> vfio-pci
        ok       kernel_cmdline "intel_iommu=on" (playbook.json:1)
        Bound by someone else: 0000:01:00.0 is bound to nouveau, not to vfio-pci: nouveau is built into 2 and binds before any module.
        Without effect: the host has been booted since run RUN, and /sys/bus/pci/devices/0000:01:00.0/driver_override is (absent), not vfio-pci.
        Not in the desired state: 2 of 6 settings differ.
        exit 2
    "#]].assert_eq(&told.to_string());
}

/// Shows a graphics card without a driver in the tree, and one that keeps the console.
fn plug_in(tree: &Tree) {
    let console = "root/sys/bus/pci/devices/0000:00:02.0";
    tree.write(&format!("{console}/modalias"), "pci:v00008086d00009BC5sv00001043sd00008694bc03sc00i00\n");
    tree.write("root/sys/bus/pci/drivers/i915/bind", "");
    std::os::unix::fs::symlink("../../drivers/i915", tree.path(&format!("{console}/driver")))
        .expect("a link");
    let device = "root/sys/bus/pci/devices/0000:01:00.0";
    tree.write(&format!("{device}/modalias"), "pci:v000010DEd00000FFCsv00001AF4sd00001100bc03sc00i00\n");
    tree.write(&format!("{device}/driver_override"), "(null)\n");
    std::os::unix::fs::symlink(
        "../../../../kernel/iommu_groups/1",
        tree.path(&format!("{device}/iommu_group")),
    )
    .expect("a link");
}

#[test]
fn rules_that_were_written_without_the_card_are_not_taken_back_by_anybody() {
    let tree = converged(&format!("{},{BOUND}", unnamed(PARAMETER)));
    boot(&tree, "2", "2", "ro intel_iommu=on");
    plug_in(&tree);
    let told = tree.run("verify playbook.json --root root");
    let rule = "driver_override=vfio-pci for any device -> driver_override=vfio-pci for 10de:0ffc";
    assert!(told.stdout.contains(rule) && !told.stdout.contains("Taken back"), "{told}");
    assert_eq!(told.status, Some(2), "{told}");
}

#[test]
fn two_declarations_without_a_name_are_not_taken_for_each_other() {
    let other = unnamed(PARAMETER).replace("intel_iommu=on", "quiet");
    let tree = converged(&format!("{other},{}", unnamed(PARAMETER)));
    taken_back_by_boot(&tree, "2");
    let json: serde_json::Value =
        serde_json::from_str(&tree.run(&format!("{PLAN} --format json")).stdout).expect("JSON");
    let found = json["after_boot"].as_array().expect("findings");
    let told: Vec<String> =
        found.iter().map(|it| format!("{} {}", it["resource"]["name"], it["verdict"])).collect();
    assert_eq!(told, [r#""intel_iommu=on" "taken_back""#, r#""quiet" "taken_back""#]);
}

/// A boot that comes up without what was put in place, because something took it back on the way.
fn taken_back_by_boot(tree: &Tree, id: &str) {
    tree.write("root/etc/default/grub.d/zz-hoststate.cfg", "");
    boot(tree, id, "2", "ro");
}

const PLAN: &str = "plan playbook.json --root root --detailed-exitcode";
const CONVERGE: &str = "converge playbook.json --root root --yes --detailed-exitcode";

#[test]
fn what_is_taken_back_at_every_boot_is_worth_no_third_boot() {
    for declaration in [PARAMETER, &unnamed(PARAMETER)] {
        it_is_worth_no_third_boot(&converged(declaration));
    }
}

fn it_is_worth_no_third_boot(tree: &Tree) {
    taken_back_by_boot(tree, "2");
    let told = tree.run(PLAN);
    let line = told.stdout.lines().find(|it| it.starts_with("Taken back")).unwrap_or_default();
    expect!["Taken back: /etc/default/grub.d/zz-hoststate.cfg was put in place by run RUN, before this boot, and is gone again: a person, a package, or something at boot takes it back."].assert_eq(line);
    assert_eq!(
        (told.status, tree.run(CONVERGE).status, tree.run(CONVERGE).status),
        (Some(2), Some(3), Some(3))
    );
    for id in ["3", "4"] {
        taken_back_by_boot(tree, id);
        let (planned, done, again) = (tree.run(PLAN), tree.run(CONVERGE), tree.run(CONVERGE));
        assert_eq!(
            (planned.status, done.status, again.status),
            (Some(2), Some(2), Some(2)),
            "{planned}{done}{again}"
        );
        let verified = tree.run("verify playbook.json --root root");
        for it in [planned, done, again, verified] {
            assert!(it.stdout.contains("Taken back at every boot: runs RUN"), "{it}");
            assert!(!it.stdout.contains("Needs a reboot"), "{it}");
            assert!(!it.stdout.contains("Nothing is left but a reboot"), "{it}");
        }
    }
    expect![[r#"
        ubuntu 24.04, Linux 2, grub2

        A boot did not help, and another is not expected to:
            Taken back at every boot: runs RUN, RUN, RUN put /etc/default/grub.d/zz-hoststate.cfg in place, each in another boot, and each time it was gone again: something takes it back (cloud-init, a configuration manager, a script at boot). Once that is fixed, converge and reboot.

        Plan: 1 setting not as wanted after a boot; 2 settings in the desired state.
        Nothing was done.
        exit 2
    "#]].assert_eq(&tree.run(CONVERGE).to_string());
    boot(tree, "5", "2", "ro intel_iommu=on");
    assert_eq!(
        tree.run("verify playbook.json --root root").status,
        Some(0),
        "it was mended, and booted by hand"
    );
}

#[test]
fn a_wish_that_changed_meanwhile_was_not_taken_back() {
    for declaration in [PARAMETER, &unnamed(PARAMETER)] {
        let tree = converged(declaration);
        taken_back_by_boot(&tree, "2");
        tree.playbook(&declaration.replace("on\"", "off\""));
        assert_eq!(tree.run(CONVERGE).status, Some(5), "its boot configuration is not made below --root");
        tree.playbook(declaration);
        boot(&tree, "3", "2", "ro");
        let back = tree.run(CONVERGE);
        assert_eq!(back.status, Some(3), "{back}");
        assert!(!back.stdout.contains("Taken back"), "{back}");
    }
}

#[test]
fn a_plan_says_why_another_boot_is_not_expected_to_help() {
    let tree = converged(PARAMETER);
    boot(&tree, "2", "2", "ro recovery nomodeset");
    let done = tree.run("converge playbook.json --root root --yes --detailed-exitcode");
    expect![[r#"
        ubuntu 24.04, Linux 2, grub2

        A boot did not help, and another is not expected to:
            Another entry was booted: "New (recovery mode)" (BOOT_IMAGE=/vmlinuz-2) was booted, and the default is "New", default=0 in /boot/grub/grub.cfg:1.

        Plan: 1 setting not as wanted after a boot; 2 settings in the desired state.
        Nothing was done.
        exit 2
    "#]].assert_eq(&done.to_string());
}

#[test]
fn why_says_what_verify_says_about_the_last_boot() {
    let tree = converged(IDS);
    boot(&tree, "2", "2", "ro");
    bind_to_nouveau(&tree);
    for words in ["why 01:00.0 --root root", "why 01:00.0 playbook.json --root root"] {
        let told = tree.run(words);
        let line = told.stdout.lines().find(|it| it.contains("last boot: ")).unwrap_or_default();
        expect!["blocks   last boot: it did not help, and another is not expected to: 0000:01:00.0 is bound to nouveau, not to vfio-pci: nouveau is built into 2 and binds before any module"]
            .assert_eq(line);
        assert!(!told.stdout.contains("after a boot."), "{told}");
    }
}
