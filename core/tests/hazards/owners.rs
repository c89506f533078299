//! Other programs that set what a plan sets.

use expect_test::expect;
use hoststate_testkit::pci::SysfsDevice;
use hoststate_testkit::tree::Tree;
use serde_json::{Value, json};

use crate::sysfs::{host, with_nvme};
use crate::{check, harmless};

fn port() -> Tree {
    let tree = host();
    SysfsDevice::igb("0000:3b:00.0").interface("eth0", "52:54:00:12:34:01").write(&tree);
    tree
}

fn four() -> Value {
    json!([{ "type": "sriov_numvfs", "device": "0000:3b:00.0", "numvfs": 4 }])
}

#[test]
fn a_udev_rule_of_another_that_sets_another_number_is_refused() {
    let tree = port();
    let rules = "/etc/udev/rules.d/99-sriov.rules";
    let rule = |matches: &str| format!("ACTION==\"add\", {matches}, ATTR{{device/sriov_numvfs}}=\"7\"\n");
    tree.write(rules, rule("SUBSYSTEM==\"net\", ENV{ID_NET_DRIVER}==\"igb\""));
    check(
        &tree,
        four(),
        expect![[r#"
        refuse second-owner-855354: a udev rule sets virtual functions of 0000:3b:00.0 to 7, the plan to 4: leave it to one of them
            /etc/udev/rules.d/99-sriov.rules:1 assigns sriov_numvfs=7
    "#]],
    );
    tree.write(rules, rule("SUBSYSTEM==\"net\", ENV{ID_NET_DRIVER}==\"i40e\""));
    harmless(&tree, four());
    tree.write(rules, rule("KERNELS==\"0000:3b:00.1\""));
    harmless(&tree, four());
    tree.write(rules, rule("KERNEL==\"eth0\"").replace('7', "4"));
    check(
        &tree,
        four(),
        expect![[r#"
        warn second-owner-c7a7b3: a udev rule sets virtual functions of 0000:3b:00.0 to the same: 4, the plan to 4: leave it to one of them
            /etc/udev/rules.d/99-sriov.rules:1 assigns sriov_numvfs=4
    "#]],
    );
    // A file of /etc masks the one of that name that a package ships.
    tree.write("/usr/lib/udev/rules.d/99-sriov.rules", rule("KERNEL==\"eth0\""));
    tree.write(rules, "# nothing\n");
    harmless(&tree, four());
}

#[test]
fn a_link_file_that_sets_a_number_is_refused() {
    let tree = port();
    let link = |matches: &str| format!("[Match]\n{matches}\n[Link]\nSR-IOVVirtualFunctions=2\n");
    tree.write("/etc/systemd/network/10-a.link", link("Path=pci-0000:3b:*\nType=ether"));
    check(
        &tree,
        four(),
        expect![[r#"
        refuse second-owner-9656f6: systemd-udevd sets virtual functions of 0000:3b:00.0 to 2, the plan to 4: leave it to one of them
            /etc/systemd/network/10-a.link:5 has SR-IOVVirtualFunctions=2
    "#]],
    );
    tree.write("/etc/systemd/network/10-a.link", link("OriginalName=eth1"));
    harmless(&tree, four());
}

#[test]
fn a_connection_of_networkmanager_that_sets_a_number_is_refused() {
    let tree = port();
    let path = "/etc/NetworkManager/system-connections/lan.nmconnection";
    let keyfile =
        |mac: &str| format!("[connection]\nid=lan\n[ethernet]\nmac-address={mac}\n[sriov]\ntotal-vfs=2\n");
    tree.write(path, keyfile("52:54:00:12:34:01"));
    check(
        &tree,
        four(),
        expect![[r#"
        refuse second-owner-7384e9: NetworkManager sets virtual functions of 0000:3b:00.0 to 2, the plan to 4: leave it to one of them
            /etc/NetworkManager/system-connections/lan.nmconnection:6 has total-vfs=2
    "#]],
    );
    tree.write(path, keyfile("52:54:00:12:34:02"));
    harmless(&tree, four());
}

#[test]
fn a_number_in_netplan_is_refused_for_its_own_interface() {
    let tree = port();
    let plan = |id: &str, name: &str| {
        format!(
            "network:\n  ethernets:\n    {id}:\n      match:\n        name: {name}\n      \
             virtual-function-count: 2\n    other:\n      dhcp4: true\n"
        )
    };
    tree.write("/etc/netplan/50-x.yaml", plan("lan", "eth*"));
    check(
        &tree,
        four(),
        expect![[r#"
        refuse second-owner-c7d732: netplan sets virtual functions of 0000:3b:00.0 to 2, the plan to 4: leave it to one of them
            /etc/netplan/50-x.yaml:6 has virtual-function-count: 2
    "#]],
    );
    tree.write("/etc/netplan/50-x.yaml", plan("lan", "ens*"));
    harmless(&tree, four());
}

#[test]
fn an_operator_a_parameter_and_a_script_are_owners_too() {
    let tree = port();
    tree.write("/etc/sriov-operator/pci/0000:3b:00.0", "{\"numVfs\":2}");
    tree.write("/etc/modprobe.d/igb.conf", "options igb max_vfs=7,7\n");
    tree.write(
        "/etc/rc.local",
        "#!/bin/sh\n# sriov_numvfs\necho 2 > /sys/class/net/eth0/device/sriov_numvfs\n",
    );
    check(
        &tree,
        four(),
        expect![[r#"
            refuse second-owner-dae705: sriov-network-operator sets virtual functions of 0000:3b:00.0 to 2, the plan to 4: leave it to one of them
                /etc/sriov-operator/pci/0000:3b:00.0 is there
            refuse second-owner-ee0188: a script or unit of this host sets virtual functions of 0000:3b:00.0 to 2, the plan to 4: leave it to one of them
                /etc/rc.local:3: echo 2 > /sys/class/net/eth0/device/sriov_numvfs
            warn second-owner-d9a965: the module's parameter max_vfs sets virtual functions of 0000:3b:00.0 to a value that is not known, the plan to 4: leave it to one of them
                /etc/modprobe.d/igb.conf:1 has the option max_vfs=7,7 of igb
        "#]],
    );
    tree.remove("/etc/sriov-operator/pci/0000:3b:00.0");
    tree.write("/etc/modprobe.d/igb.conf", "options igb max_vfs=0\n");
    tree.write("/etc/rc.local", "echo 2 > /sys/class/net/eth1/device/sriov_numvfs\n");
    harmless(&tree, four());
}

#[test]
fn driverctl_and_a_rule_of_another_that_bind_elsewhere_are_refused() {
    let tree = host();
    with_nvme(&tree, "0000:05:00.0", "nvme1", 15);
    let take = json!([{ "type": "driver_binding", "device": "0000:05:00.0", "driver": "vfio-pci" }]);
    tree.write("/etc/driverctl.d/pci-0000:05:00.0", "uio_pci_generic\n");
    tree.write("/run/udev/rules.d/60-x.rules", "KERNEL==\"0000:05:00.0\", ATTR{driver_override}=\"nvme\"\n");
    check(
        &tree,
        take.clone(),
        expect![[r#"
        refuse second-owner-87992d: driverctl sets the driver of 0000:05:00.0 to uio_pci_generic, the plan to vfio-pci: leave it to one of them
            /etc/driverctl.d/pci-0000:05:00.0 names uio_pci_generic
        refuse second-owner-089249: a udev rule sets the driver of 0000:05:00.0 to nvme, the plan to vfio-pci: leave it to one of them
            /run/udev/rules.d/60-x.rules:1 assigns driver_override=nvme
    "#]],
    );
    tree.remove("/etc/driverctl.d/pci-0000:05:00.0");
    tree.write("/etc/driverctl.d/pci-0000:06:00.0", "uio_pci_generic\n");
    tree.write("/run/udev/rules.d/60-x.rules", "KERNEL==\"0000:06:00.0\", ATTR{driver_override}=\"nvme\"\n");
    harmless(&tree, take);
}

#[test]
fn a_profile_of_tuned_that_sets_the_same_word_otherwise_is_warned_of() {
    let tree = host();
    let words = json!([{ "type": "kernel_cmdline", "present": ["intel_iommu=on"] }]);
    tree.write("/etc/tuned/active_profile", "lab\n");
    tree.write("/etc/tuned/lab/tuned.conf", "[main]\ninclude=base\n[bootloader]\ncmdline=+isolcpus=1\n");
    tree.write("/usr/lib/tuned/base/tuned.conf", "[bootloader]\ncmdline_net = \"quiet intel_iommu=off\"\n");
    check(
        &tree,
        words.clone(),
        expect![[r#"
        warn second-owner-24a49b: tuned puts intel_iommu=off on the kernel command line, and the plan changes intel_iommu
            /usr/lib/tuned/base/tuned.conf:2 has intel_iommu=off
    "#]],
    );
    tree.write("/usr/lib/tuned/base/tuned.conf", "[bootloader]\ncmdline_net = \"quiet intel_iommu=on\"\n");
    harmless(&tree, words);
}

#[test]
fn a_hook_of_kernels_that_names_the_word_is_warned_of() {
    let tree = host();
    let words = json!([{ "type": "kernel_cmdline", "present": ["intel_iommu=on"] }]);
    let hook = "/etc/kernel/postinst.d/zz-args";
    tree.write(hook, "#!/bin/sh\ngrubby --remove-args=intel_iommu --update-kernel=ALL\n");
    check(
        &tree,
        words.clone(),
        expect![[r#"
        warn second-owner-341639: /etc/kernel/postinst.d/zz-args names intel_iommu, which the plan changes: it may change it again with each kernel
            /etc/kernel/postinst.d/zz-args:2
    "#]],
    );
    tree.write(hook, "#!/bin/sh\n# intel_iommu\nupdate-grub\n");
    harmless(&tree, words);
}
