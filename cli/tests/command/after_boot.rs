//! What `verify` says after a boot, on a host whose kernel, boot menu and devices are written as each boot left them.

use expect_test::{Expect, expect};

use crate::support::Tree;

pub(crate) const PARAMETER: &str = r#"{"type":"kernel_cmdline","name":"iommu","present":["intel_iommu=on"]}"#;
pub(crate) const IDS: &str = r#"{"type":"vfio_pci_ids","name":"gpu","ids":["10de:0ffc"]}"#;

/// A host that was converged under boot `1`; its boot menu has been generated since.
pub(crate) fn converged(declarations: &str) -> Tree {
    converged_on(Tree::with(declarations))
}

/// Converges a tree, and makes its menu.
pub(crate) fn converged_on(tree: Tree) -> Tree {
    boot(&tree, "1", "1", "ro");
    tree.write("root/proc/cpuinfo", "vendor_id : GenuineIntel\n");
    tree.write("root/sys/bus/pci/drivers_probe", "");
    tree.write("root/sys/kernel/iommu_groups/1/type", "DMA\n");
    let done = tree.run("converge playbook.json --root root --yes");
    assert_eq!(done.status, Some(0), "{done}");
    tree.menu(
        "set default=\"0\"\nmenuentry 'New' {\n linux /vmlinuz-2 ro intel_iommu=on\n}\n\
         menuentry 'Old' {\n linux /vmlinuz-1 ro intel_iommu=on\n}\n\
         menuentry 'New (recovery mode)' {\n linux /vmlinuz-2 ro recovery nomodeset\n}\n",
    );
    tree
}

pub(crate) fn boot(tree: &Tree, id: &str, kernel: &str, words: &str) {
    tree.write("root/proc/sys/kernel/random/boot_id", &format!("{id}\n"));
    tree.write("root/proc/sys/kernel/osrelease", &format!("{kernel}\n"));
    tree.write("root/proc/cmdline", &format!("BOOT_IMAGE=/vmlinuz-{kernel} {words}\n"));
}

fn check(tree: &Tree, expected: Expect) {
    let text = tree.run("verify playbook.json --root root");
    let json = tree.run("verify playbook.json --root root --format json");
    assert_eq!(json.status, text.status);
    let json: serde_json::Value = serde_json::from_str(&json.stdout).expect("JSON");
    let findings = json["findings"].as_array().expect("findings");
    let verdicts: Vec<&str> = findings.iter().filter_map(|it| it["verdict"].as_str()).collect();
    expected.assert_eq(&format!("{text}verdicts {}\n", verdicts.join(" ")));
}

#[test]
fn a_boot_with_everything_in_effect_leaves_the_desired_state() {
    let tree = converged(PARAMETER);
    boot(&tree, "2", "2", "ro intel_iommu=on");
    check(
        &tree,
        expect![[r#"
            ok       kernel_cmdline "iommu" (playbook.json:1)
            In the desired state: 3 settings.
            exit 0
            verdicts in_desired_state
        "#]],
    );
}

#[test]
fn a_host_that_was_not_booted_is_told_by_its_boot_id() {
    check(
        &converged(PARAMETER),
        expect![[r#"
            reboot   kernel_cmdline "iommu" (playbook.json:1): /proc/cmdline: (absent) -> intel_iommu=on
            Not rebooted yet: the host has not been booted since run RUN.
            Nothing is left but a reboot, for 1 of 3 settings.
            exit 3
            verdicts not_rebooted
        "#]],
    );
}

#[test]
fn a_boot_whose_trial_failed_is_not_called_missing() {
    let tree = converged(PARAMETER);
    boot(&tree, "2", "2", "ro");
    let record = r#"{"format":"hoststate.run/2","sequence":9,"id":"20990101T000000Z","command":"at boot","boot_id":"2",
        "declarations":[],"files":[],"activations":[],"outcome":"failed","reason":"the boot did not come up","steps":[]}"#;
    tree.write("root/var/lib/hoststate/runs/20990101T000000Z.json", record);
    check(
        &tree,
        expect![[r#"
            drift    kernel_cmdline "iommu" (playbook.json:1): /proc/cmdline: (absent) -> intel_iommu=on
            Failed after the boot: run RUN: the boot did not come up.
            Not in the desired state: 1 of 3 settings differ.
            exit 2
            verdicts failed_at_boot
        "#]],
    );
}

#[test]
fn another_kernel_is_told_with_the_one_that_was_to_boot() {
    let tree = converged(PARAMETER);
    boot(&tree, "2", "1", "ro");
    check(
        &tree,
        expect![[r#"
            drift    kernel_cmdline "iommu" (playbook.json:1): /proc/cmdline: (absent) -> intel_iommu=on
            Another entry was booted: kernel 1 (BOOT_IMAGE=/vmlinuz-1) was booted, and the default is kernel 2 ("New", default=0 in /boot/grub/grub.cfg:1).
            Not in the desired state: 1 of 3 settings differ.
            exit 2
            verdicts other_entry
        "#]],
    );
}

#[test]
fn another_entry_of_the_same_kernel_is_told_by_its_words() {
    let tree = converged(PARAMETER);
    boot(&tree, "2", "2", "ro recovery nomodeset");
    check(
        &tree,
        expect![[r#"
            drift    kernel_cmdline "iommu" (playbook.json:1): /proc/cmdline: (absent) -> intel_iommu=on
            Another entry was booted: "New (recovery mode)" (BOOT_IMAGE=/vmlinuz-2) was booted, and the default is "New", default=0 in /boot/grub/grub.cfg:1.
            Not in the desired state: 1 of 3 settings differ.
            exit 2
            verdicts other_entry
        "#]],
    );
}

#[test]
fn a_word_of_the_booted_entry_that_the_kernel_was_not_given_is_lost() {
    let tree = converged(PARAMETER);
    boot(&tree, "2", "2", "ro");
    check(
        &tree,
        expect![[r#"
            drift    kernel_cmdline "iommu" (playbook.json:1): /proc/cmdline: (absent) -> intel_iommu=on
            Parameter lost: intel_iommu=on is in the default entry "New" (/boot/grub/grub.cfg:3) and not in /proc/cmdline: it was removed at the menu, or this kernel was started by an entry that no longer exists.
            Not in the desired state: 1 of 3 settings differ.
            exit 2
            verdicts parameter_lost
        "#]],
    );
}

#[test]
fn a_word_in_the_kernel_without_effect_is_no_desired_state() {
    let tree = converged(PARAMETER);
    boot(&tree, "2", "2", "ro intel_iommu=on");
    std::fs::remove_dir_all(tree.path("root/sys/kernel/iommu_groups")).expect("no groups");
    tree.write("root/sys/firmware/acpi/tables/FACP", "");
    check(
        &tree,
        expect![[r#"
            ok       kernel_cmdline "iommu" (playbook.json:1)
            Ineffective parameter: the kernel was given intel_iommu=on, and the IOMMU is off: the firmware describes no IOMMU, it has neither a DMAR (Intel) nor an IVRS (AMD) table (/sys/firmware/acpi/tables has none of DMAR, IVRS, IORT, VIOT). Turn on VT-d (Intel) or AMD-Vi, also called IOMMU, in the firmware's setup; a virtual machine needs an emulated IOMMU.
            Not in the desired state: something is in place without effect.
            exit 2
            verdicts ineffective_parameter
        "#]],
    );
    let again = tree.run("converge playbook.json --root root --yes");
    expect![[r#"
        ubuntu 24.04, Linux 2, grub2

        warning: the kernel was given intel_iommu=on, and the IOMMU is off: the firmware describes no IOMMU, it has neither a DMAR (Intel) nor an IVRS (AMD) table. Turn on VT-d (Intel) or AMD-Vi, also called IOMMU, in the firmware's setup; a virtual machine needs an emulated IOMMU.
            /sys/firmware/acpi/tables has none of DMAR, IVRS, IORT, VIOT

        Nothing to do: 3 settings as wanted, but not all of it takes effect.
        Nothing was done.
        exit 0
    "#]]
    .assert_eq(&again.to_string());
    // What was done is no proof that it has effect.
    tree.write("root/etc/default/grub.d/zz-hoststate.cfg", "");
    let mended = tree.run("converge playbook.json --root root --yes");
    assert!(
        mended.stdout.contains("1 step done. Everything is in place, but not all of it takes effect.\n"),
        "{mended}"
    );
    assert_eq!(mended.status, Some(0));
    tree.write("root/sys/firmware/acpi/tables/DMAR", "");
    tree.write("root/boot/config-2", "CONFIG_AMD_IOMMU=y\n");
    check(
        &tree,
        expect![[r#"
            ok       kernel_cmdline "iommu" (playbook.json:1)
            Ineffective parameter: the kernel was given intel_iommu=on, and the IOMMU is off: the running kernel was built without CONFIG_INTEL_IOMMU (/boot/config-2 has no CONFIG_INTEL_IOMMU=y). Boot a kernel of the distribution that has it.
            Not in the desired state: something is in place without effect.
            exit 2
            verdicts ineffective_parameter
        "#]],
    );
}

#[test]
fn the_iommu_of_the_machine_says_nothing_about_a_chroot_on_it() {
    let tree = converged(PARAMETER);
    boot(&tree, "2", "2", "ro intel_iommu=on");
    std::fs::remove_dir_all(tree.path("root/sys/kernel/iommu_groups")).expect("no groups");
    std::os::unix::fs::symlink("4711", tree.path("root/proc/self")).expect("a link");
    check(
        &tree,
        expect![[r#"
            ok       kernel_cmdline "iommu" (playbook.json:1)
            In the desired state: 3 settings.
            exit 0
            verdicts in_desired_state
        "#]],
    );
}

#[test]
fn a_device_on_another_driver_after_the_boot_is_told_with_who_bound_it() {
    let tree = converged(IDS);
    boot(&tree, "2", "2", "ro");
    let device = "root/sys/bus/pci/devices/0000:01:00.0";
    tree.write(&format!("{device}/modalias"), "pci:v000010DEd00000FFCsv00001AF4sd00001100bc03sc00i00\n");
    tree.write("root/lib/modules/2/modules.builtin", "kernel/nouveau.ko\n");
    tree.write("root/sys/bus/pci/drivers/nouveau/bind", "");
    std::os::unix::fs::symlink("../../drivers/nouveau", tree.path(&format!("{device}/driver")))
        .expect("a link");
    check(
        &tree,
        expect![[r#"
            drift    vfio_pci_ids "gpu" (playbook.json:1): driver of 0000:01:00.0: nouveau -> vfio-pci
            Bound by someone else: 0000:01:00.0 is bound to nouveau, not to vfio-pci: nouveau is built into 2 and binds before any module.
            Not in the desired state: 1 of 2 settings differ.
            exit 2
            verdicts bound_elsewhere
        "#]],
    );
}

#[test]
fn without_a_recorded_run_nobody_knows_whether_the_host_was_booted() {
    let tree = converged(PARAMETER);
    std::fs::remove_dir_all(tree.path("root/var")).expect("the records");
    check(
        &tree,
        expect![[r#"
            reboot   kernel_cmdline "iommu" (playbook.json:1): /proc/cmdline: (absent) -> intel_iommu=on
            Perhaps not rebooted yet: no recorded run tells whether the host has been booted since everything was put in place.
            Nothing is left but a reboot, for 1 of 3 settings.
            exit 3
            verdicts maybe_not_rebooted
        "#]],
    );
}

#[test]
fn a_word_that_no_entry_has_and_the_kernel_got_all_the_same_is_a_change_without_effect() {
    let gone = r#"{"type":"kernel_cmdline","name":"gone","absent":["nomodeset"]}"#;
    let tree = Tree::with(gone);
    tree.write("root/etc/default/grub", "GRUB_CMDLINE_LINUX=\"nomodeset\"\n");
    boot(&tree, "1", "2", "ro nomodeset");
    let done = tree.run("converge playbook.json --root root --yes");
    assert_eq!(done.status, Some(0), "{done}");
    tree.menu("menuentry 'New' {\n linux /vmlinuz-2 ro\n}\n");
    boot(&tree, "2", "2", "ro nomodeset");
    check(
        &tree,
        expect![[r#"
            drift    kernel_cmdline "gone" (playbook.json:1): /proc/cmdline: nomodeset -> no nomodeset
            Without effect: the host has been booted since run RUN, and /proc/cmdline is nomodeset, not no nomodeset.
            Not in the desired state: 1 of 3 settings differ.
            exit 2
            verdicts without_effect
        "#]],
    );
}

#[test]
fn a_run_in_progress_is_told_while_it_has_the_lock() {
    let tree = converged(PARAMETER);
    let path = tree.path("root/var/lib/hoststate/lock");
    tree.write("root/var/lib/hoststate/lock", "hoststate converge, process 7, since 2026-11-26T17:04:18Z\n");
    let verify = "verify playbook.json --root root";
    let said = "A run is in progress: hoststate converge, process 7, since 2026-11-26T17:04:18Z.\n";
    assert!(!tree.run(verify).stdout.contains("A run is in progress"), "it was cut");
    let lock = std::fs::OpenOptions::new().write(true).open(&path).expect("the lock");
    let told = tree.run(verify);
    assert!(told.stdout.contains(said), "{told}");
    assert_eq!(told.status, Some(3), "{told}");
    let modalias = "pci:v000010DEd00000FFCsv00001AF4sd00001100bc03sc00i00\n";
    tree.write("root/sys/bus/pci/devices/0000:01:00.0/modalias", modalias);
    let why = tree.run("why 01:00.0 --root root");
    assert!(why.stdout.contains("a run is in progress: hoststate converge, process 7"), "{why}");
    drop(lock);
    assert!(!tree.run(verify).stdout.contains("A run is in progress"), "it has ended");
}
