//! A device that a run had and that is gone: the others are judged all the same.

use std::fs;

use expect_test::expect;

use crate::declarations::SOFTDEP;
use crate::support::Tree;

const DEVICE: &str = "root/sys/bus/pci/devices/0000:02:00.0";
const PLAYBOOK: &str = r#"{"type":"driver_binding","device":"02:00.0","driver":"pci-stub"},
    {"type":"modules_load","modules":["vhost"]}"#;

fn host(playbook: &str) -> Tree {
    let tree = Tree::with(playbook);
    for device in ["0000:02:00.0", "0000:03:00.0"] {
        let at = |name: &str| format!("root/sys/bus/pci/devices/{device}/{name}");
        tree.write(&at("modalias"), "pci:v00008086d000010D3sv00008086sd0000A01Fbc02sc00i00\n");
        tree.write(&at("driver_override"), "(null)\n");
    }
    tree
}

#[test]
fn verify_tells_a_device_that_is_gone_and_judges_the_others() {
    let tree = host(PLAYBOOK);
    tree.run("converge playbook.json --root root --yes");
    fs::remove_dir_all(tree.path(DEVICE)).expect("a device to remove");
    expect![[r#"
        gone     driver_binding "0000:02:00.0" (playbook.json:1): /sys/bus/pci/devices/0000:02:00.0: (absent) -> a device: the device is gone: run RUN had it. Put it back, or remove the declaration; there is no PCI device at 0000:02:00.0; nearest: 0000:03:00.0 8086:10d3 network
        ok       modules_load "vhost" (playbook.json:2)
        Not in the desired state: 1 of 2 settings differ.
        exit 2
    "#]].assert_eq(&tree.run("verify playbook.json --root root").to_string());
    assert_eq!(tree.run("plan playbook.json --root root").status, Some(1));
}

#[test]
fn a_device_that_never_was_is_an_error_and_nothing_is_written() {
    let tree = host(
        r#"{"type":"driver_binding","device":"09:00.0","driver":"pci-stub"},
        {"type":"sriov_numvfs","device":"0f:00.0","numvfs":4}, {"type":"modules_load","modules":["vhost"]}"#,
    );
    let files = tree.files();
    expect![[r#"
        ubuntu 24.04, grub2

        + modules_load "vhost"  playbook.json:2
            modules-load vhost: (absent) -> loaded at boot

        --- /dev/null
        +++ b/etc/modules-load.d/hoststate.conf
        @@ -0,0 +1 @@
        +vhost

        Conflicts:
        ! driver_binding "0000:09:00.0"  playbook.json:1
            /sys/bus/pci/devices/0000:09:00.0: (absent) -> a device
            there is no PCI device at 0000:09:00.0; nearest: 0000:03:00.0 8086:10d3 network, 0000:02:00.0 8086:10d3 network
        ! sriov_numvfs "0000:0f:00.0"  playbook.json:2
            /sys/bus/pci/devices/0000:0f:00.0: (absent) -> a device
            there is no PCI device at 0000:0f:00.0; nearest: 0000:03:00.0 8086:10d3 network, 0000:02:00.0 8086:10d3 network

        Plan: 1 file; 2 conflicts.
        exit 1
    "#]].assert_eq(&tree.run("plan playbook.json --root root").to_string());
    assert_eq!(tree.run("verify playbook.json --root root").status, Some(1));
    assert_eq!(tree.run("converge playbook.json --root root --yes").status, Some(1));
    assert!(tree.files() == files, "something was written");
}

#[test]
fn a_tree_without_devices_is_planned_and_says_that_none_is_known() {
    let tree = Tree::with(r#"{"type":"driver_binding","device":"09:00.0","driver":"pci-stub"}"#);
    let plan = tree.run("plan playbook.json --root root");
    assert_eq!(plan.status, Some(0), "{plan}");
    assert_eq!(plan.stdout.matches("whether 0000:09:00.0 is there is not known").count(), 1, "{plan}");
}

#[test]
fn a_selector_that_two_devices_fit_hides_no_verdict_on_other_declarations() {
    let twins = r#"{"type":"driver_binding","device":{"vendor":"10de"},"driver":"vfio-pci"}"#;
    let tree = Tree::with(&format!("{twins},{SOFTDEP}"));
    for address in ["0000:01:00.0", "0000:02:00.0"] {
        let modalias = "pci:v000010DEd00000FFCsv00001AF4sd00001100bc03sc00i00\n";
        tree.write(&format!("root/sys/bus/pci/devices/{address}/modalias"), modalias);
    }
    let answer = tree.run("verify playbook.json --root root");
    assert!(
        answer.stdout.contains("2 PCI devices have") && answer.stdout.contains("0000:02:00.0"),
        "{answer}"
    );
    assert!(answer.stdout.contains("drift    modprobe_softdep"), "{answer}");
    assert_eq!(answer.status, Some(1), "{answer}");
    let plan = tree.run("plan playbook.json --root root");
    assert!(plan.stdout.contains("tells them apart") && plan.status == Some(1), "{plan}");
}
