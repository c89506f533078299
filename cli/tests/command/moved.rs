//! What moves a function between drivers beside modules: rules of others, units and scripts, and vfio without an IOMMU.

use hoststate_testkit::pci::SysfsDevice;
use hoststate_testkit::tree::Tree;
use serde_json::Value;

use crate::hosts::{answer, host, run};

const CARD: &str = "0000:01:00.0";
const OTHER: &str = "0000:01:00.1";
const NIC: &str = "0000:03:00.0";

/// Returns who gets a function at the next boot, how sure that is, and what shows it.
fn fate(tree: &Tree, address: &str) -> (String, String) {
    let (text, _) = answer(tree, &["inspect", "devices", "--format", "json"], "");
    let all: Value = serde_json::from_str(&text).expect("JSON");
    let devices = all["devices"].as_array().expect("devices");
    let next = &devices.iter().find(|it| it["address"] == address).expect("the device")["next"];
    let word = |key: &str| next[key].as_str().unwrap_or("-").to_owned();
    let because = next["because"].as_array().expect("evidence").iter().map(|it| format!("{it}\n")).collect();
    (format!("{} {} {}", word("next"), word("certainty"), word("stage")), because)
}

fn told(tree: &Tree, address: &str) -> String {
    fate(tree, address).0
}

const RULE: &str = "/etc/udev/rules.d/80-own.rules";

fn with_rule(text: &str) -> Tree {
    host("ubuntu-24.04", &[(RULE, Some(text))])
}

#[test]
fn a_command_of_a_rule_that_moves_functions_makes_those_unknown_and_no_others() {
    let run = "RUN+=\"/bin/sh -c 'echo 0000:01:00.0 > /sys/bus/pci/devices/0000:01:00.0/driver/unbind'\"";
    for compared in [
        "ACTION==\"add\", SUBSYSTEM==\"pci\", KERNEL==\"0000:01:00.0\"",
        "ACTION==\"add|change\", ATTR{vendor}==\"0x10de\", ATTR{device}==\"0x0ffc\"",
        "ENV{PCI_ID}==\"10DE:0FFC\"",
        "SUBSYSTEM==\"pci\", ENV{PCI_SLOT_NAME}==\"0000:01:00.0\"",
    ] {
        let tree = with_rule(&format!("{compared}, {run}\n"));
        let (told, because) = fate(&tree, CARD);
        assert_eq!(told, "nouveau unknown -", "{compared}");
        assert!(because.contains("80-own.rules:1 runs a command that moves 0000:01:00.0"), "{because}");
        assert_eq!(self::told(&tree, OTHER), "snd_hda_intel certain root_udev", "{compared}");
        assert_eq!(self::told(&tree, NIC), "igc certain image_udev", "{compared}");
    }
    let other = "RUN+=\"/bin/sh -c 'echo $kernel > /sys$devpath/driver/unbind'\"";
    // What is for another time, or is led past, moves nothing.
    for text in [
        format!("ACTION==\"remove\", KERNEL==\"0000:01:00.0\", {run}\n"),
        format!(
            "ATTR{{vendor}}==\"0x10de\", GOTO=\"end\"\nSUBSYSTEM==\"pci\", ATTR{{class}}==\"0x030000\", {other}\nLABEL=\"end\"\n"
        ),
        format!("ACTION!=\"remove\", GOTO=\"end\"\nSUBSYSTEM==\"pci\", {other}\nLABEL=\"end\"\n"),
        format!("# SUBSYSTEM==\"pci\", {other}\n"),
    ] {
        let tree = with_rule(&text);
        assert_eq!(self::told(&tree, CARD), "nouveau certain image_udev", "{text}");
    }
    let text = format!(
        "ACTION!=\"add\", GOTO=\"end\"\nATTR{{vendor}}!=\"0x10de\", GOTO=\"end\"\nSUBSYSTEM==\"pci\", {other}\nLABEL=\"end\"\n"
    );
    let tree = with_rule(&text);
    assert_eq!(self::told(&tree, OTHER), "snd_hda_intel unknown -");
    assert_eq!(self::told(&tree, NIC), "igc certain image_udev");
}

#[test]
fn an_override_of_a_rule_counts_where_the_driver_comes_after_it() {
    let rule = "SUBSYSTEM==\"pci\", KERNEL==\"0000:03:00.0\", ATTR{driver_override}=\"vfio-pci\"";
    // The image has the driver, and no rule: it comes first.
    let tree = with_rule(&format!("{rule}, RUN+=\"/sbin/modprobe vfio-pci\"\n"));
    assert_eq!(told(&tree, NIC), "igc certain image_udev");
}

#[test]
fn a_unit_that_is_enabled_and_moves_a_function_makes_it_unknown() {
    let unit = "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo 0000:03:00.0 > /sys/bus/pci/drivers/igc/unbind'\n";
    let tree = host("ubuntu-24.04", &[("/etc/systemd/system/own.service", Some(unit))]);
    assert_eq!(told(&tree, NIC), "igc certain image_udev");
    tree.link("/etc/systemd/system/multi-user.target.wants/own.service", "/etc/systemd/system/own.service");
    let (told, because) = fate(&tree, NIC);
    assert_eq!(told, "igc unknown -");
    assert!(because.contains("/etc/systemd/system/own.service names 0000:03:00.0"), "{because}");
    assert_eq!(self::told(&tree, CARD), "nouveau certain image_udev");
    // A script that it runs is the same, and so is rc.local.
    let script = "#!/bin/bash\nmodprobe vfio-pci\nDEV=0000:03:00.0\necho vfio-pci > /sys/bus/pci/devices/$DEV/driver_override\n\
                  echo $DEV > /sys/bus/pci/devices/$DEV/driver/unbind\necho $DEV > /sys/bus/pci/drivers_probe\n";
    tree.write("/etc/systemd/system/own.service", "[Service]\nExecStart=-/opt/bind.sh\n");
    assert_eq!(self::told(&tree, NIC), "igc certain image_udev");
    tree.write("/opt/bind.sh", script);
    let (told, because) = fate(&tree, NIC);
    assert_eq!(told, "vfio-pci unknown -");
    assert!(because.contains("/opt/bind.sh names 0000:03:00.0"), "{because}");
    let tree = host("ubuntu-24.04", &[("/etc/rc.local", Some(script))]);
    assert_eq!(self::told(&tree, NIC), "vfio-pci unknown -");
}

#[test]
fn what_a_unit_names_and_is_no_file_is_passed_over() {
    let long = "x".repeat(300);
    let unit = format!("[Service]\nExecStart=/opt/agent /etc /etc/pipe /etc/{long} /dev/ttyS1 /opt/*.sh\n");
    let tree = host("ubuntu-24.04", &[("/etc/systemd/system/own.service", Some(&unit))]);
    tree.link("/etc/systemd/system/basic.target.wants/own.service", "../own.service");
    tree.write("/opt/agent", "#!/bin/sh\nexec 3<>/dev/ttyS1 4</etc/pipe\n");
    tree.directory("/dev");
    for pipe in ["/etc/pipe", "/dev/ttyS1"] {
        let path = tree.real(pipe);
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0)
            .expect("a pipe");
    }
    assert_eq!(told(&tree, NIC), "igc certain image_udev");
}

#[test]
fn a_unit_is_read_with_the_scripts_that_it_starts_and_the_settings_that_they_read() {
    let moves =
        "for it in $DEVICES \"$@\"; do echo vfio-pci > /sys/bus/pci/devices/$it/driver_override; done\n";
    let enabled = |unit: &str, script: &str| {
        let tree = host(
            "ubuntu-24.04",
            &[("/etc/systemd/system/own.service", Some(unit)), ("/opt/bind", Some(script))],
        );
        tree.link("/etc/systemd/system/basic.target.wants/own.service", "../own.service");
        tree.write("/etc/own.conf", "# 0000:01:00.0\nDEVICES=\"0000:03:00.0\"\n");
        tree
    };
    let script = format!("#!/bin/sh\n{moves}");
    let sourcing = format!("#!/bin/sh\n. /etc/own.conf\n{moves}");
    for (unit, script, place) in [
        (
            "[Service]\nExecStart=/opt/bind 0000:03:00.0 0000:3b:00.0\n",
            &script,
            "/etc/systemd/system/own.service",
        ),
        ("[Service]\nEnvironmentFile=-/etc/own.conf\nExecStart=/opt/bind\n", &script, "/etc/own.conf"),
        ("[Service]\nExecStart=/bin/sh /opt/bind\n", &sourcing, "/etc/own.conf"),
    ] {
        let tree = enabled(unit, script);
        let (told, because) = fate(&tree, NIC);
        assert_eq!(told, "vfio-pci unknown -", "{unit}");
        assert!(because.contains(&format!("{place} names 0000:03:00.0")), "{because}");
        assert_eq!(self::told(&tree, CARD), "nouveau certain image_udev", "{unit}");
    }
}

#[test]
fn a_rule_that_gives_a_function_to_a_driver_which_nothing_loads_leaves_it_without_one() {
    let tree =
        with_rule("SUBSYSTEM==\"pci\", ATTR{vendor}==\"0x10de\", ATTR{driver_override}=\"vfio-pci\"\n");
    let (told, because) = fate(&tree, OTHER);
    assert_eq!(told, "- certain -");
    assert!(because.contains("80-own.rules:1 wants vfio-pci, which nothing loads"), "{because}");
    assert!(!because.contains("lacks snd_hda_intel"), "{because}");
    tree.write("/etc/modules-load.d/vfio.conf", "vfio-pci\n");
    assert_eq!(self::told(&tree, OTHER), "vfio-pci certain modules_load");
}

/// A host whose IOMMU is off, with a binding to vfio-pci and options of the module vfio.
fn without_iommu(files: &[(&str, Option<&str>)], parameters: &str) -> Tree {
    let override_rule = "SUBSYSTEM==\"pci\", KERNEL==\"0000:03:00.0\", ATTR{driver_override}=\"vfio-pci\", RUN{builtin}+=\"kmod load vfio-pci\"\n";
    let tree = host("ubuntu-24.04", files);
    tree.write("/usr/lib/udev/rules.d/60-bind.rules", override_rule);
    tree.remove("/sys/devices/pci0000:00/0000:00:1c.0/0000:03:00.0/driver");
    let menu = tree.read("/boot/grub/grub.cfg").expect("a menu");
    tree.write(
        "/boot/grub/grub.cfg",
        menu.replace("quiet splash", &format!("quiet intel_iommu=off {parameters}")),
    );
    tree.write("/boot/config-6.8.0-45-generic", "CONFIG_INTEL_IOMMU=y\nCONFIG_VFIO_NOIOMMU=y\n");
    // The image has not the driver of the card, so that the rule of the root file system is in time.
    tree.remove("/boot/initrd.img-6.8.0-45-generic");
    tree
}

#[test]
fn vfio_takes_a_function_without_an_iommu_only_where_it_is_told_to() {
    let conf = "/etc/modprobe.d/vfio.conf";
    let unsafe_mode = "options vfio enable_unsafe_noiommu_mode=1\n";
    for (files, parameters, takes) in [
        (&[][..], "", false),
        (&[(conf, Some(unsafe_mode))], "", true),
        (&[(conf, Some("options vfio enable_unsafe_noiommu_mode=Y\n"))], "", true),
        (&[(conf, Some("options vfio enable_unsafe_noiommu_mode\n"))], "", true),
        (
            &[(
                conf,
                Some(
                    "options vfio enable_unsafe_noiommu_mode=1\noptions vfio enable_unsafe_noiommu_mode=0\n",
                ),
            )],
            "",
            false,
        ),
        (&[(conf, Some("options vfio_pci enable_unsafe_noiommu_mode=1\n"))], "", false),
        (&[(conf, Some("options vfio_iommu_type1 allow_unsafe_interrupts=1\n"))], "", false),
        (&[], "vfio.enable_unsafe_noiommu_mode=1", true),
        (&[(conf, Some(unsafe_mode))], "vfio.enable-unsafe-noiommu-mode=0", false),
    ] {
        let (told, because) = fate(&without_iommu(files, parameters), NIC);
        let expected = if takes { "vfio-pci certain root_udev" } else { "- certain -" };
        assert_eq!(told, expected, "{files:?} {parameters}: {because}");
        assert_eq!(because.contains("takes nothing without an IOMMU"), !takes, "{because}");
    }
}

/// Such as a machine that is booted over the network, or a container with a card of its own.
#[test]
fn functions_to_come_need_no_boot_loader() {
    let tree = Tree::new(&[
        ("/etc/os-release", "ID=debian\nVERSION_ID=\"12\"\n"),
        ("/proc/cmdline", "quiet\n"),
        ("/proc/sys/kernel/osrelease", "6.1.0-50-amd64\n"),
    ]);
    SysfsDevice::igb("0000:3b:00.0").write(&tree);
    tree.write("/sys/devices/pci0000:00/0000:3b:00.0/sriov_numvfs", "2\n");
    let playbook = "sriov_numvfs { device = '3b:00.0', numvfs = 2 }";
    let (text, status) = answer(&tree, &["converge", "playbook.lua", "--yes"], playbook);
    assert_eq!(status, Some(0), "{text}");
    let (text, status) = run(&tree, "plan", playbook);
    assert_eq!(status, Some(0), "{text}");
}
