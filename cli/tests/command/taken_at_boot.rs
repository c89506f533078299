//! What the next boot takes from the host, though the plan does not: a rule that was left behind, an image that waits to
//! be made anew.

use crate::hosts::{host, run};

/// A playbook that has nothing to do with devices, and has images made anew.
const OTHER: &str = "modprobe_options { module = 'kvm', options = { ignore_msrs = '1' } }";

/// One that the host is in the desired state of.
const DONE: &str = "modprobe_blacklist { module = 'evbug' }";

fn rule(address: &str) -> String {
    format!(
        "# hoststate: driver_binding {address}\nACTION==\"add\", SUBSYSTEM==\"pci\", KERNEL==\"{address}\", \
         ATTR{{driver_override}}=\"vfio-pci\", RUN{{builtin}}+=\"kmod load vfio-pci\"\nACTION==\"add\", \
         SUBSYSTEM==\"pci\", KERNEL==\"{address}\", RUN+=\"/bin/sh -c 'echo {address} > \
         /sys/bus/pci/devices/{address}/driver/unbind; echo {address} > /sys/bus/pci/drivers_probe'\"\n"
    )
}

#[test]
fn a_rule_that_was_left_behind_is_refused_whatever_is_planned() {
    for (address, guard, what) in [
        (
            "0000:02:00.0",
            "root-storage-",
            "0000:02:00.0 leaves nvme for vfio-pci, and / and /boot/efi are on it",
        ),
        ("0000:03:00.0", "network-path-", "0000:03:00.0 leaves igc for vfio-pci, and the default route"),
    ] {
        let rule = rule(address);
        let tree = host("ubuntu-24.04", &[("/etc/udev/rules.d/70-hoststate-driver.rules", Some(&rule))]);
        // The last changes nothing.
        for playbook in [OTHER, DONE] {
            let (text, status) = run(&tree, "plan", playbook);
            assert_eq!(status, Some(4), "{text}");
            assert!(text.contains(guard) && text.contains(what), "{text}");
            assert!(text.contains("/etc/udev/rules.d/70-hoststate-driver.rules:2"), "{text}");
        }
        let (text, _) = run(&host("ubuntu-24.04", &[]), "plan", OTHER);
        assert!(!text.contains("refused"), "{text}");
    }
}

#[test]
fn a_rule_for_another_card_takes_nothing() {
    let of = |who: &str| {
        let rule = rule("0000:02:00.0")
            .replace("KERNEL==\"0000:02:00.0\"", &format!("KERNEL==\"0000:02:00.0\", {who}"));
        let tree = host("ubuntu-24.04", &[("/etc/udev/rules.d/70-hoststate-driver.rules", Some(&rule))]);
        run(&tree, "plan", OTHER).1
    };
    let here = "DEVPATH==\"*/pci0000:00/0000:00:1a.0/0000:02:00.0\"";
    for (who, expected) in [
        ("ATTR{vendor}==\"0x144d\", ATTR{device}==\"0xa80a\"".to_owned(), 4),
        ("ATTR{vendor}==\"0x10de\", ATTR{device}==\"0x0ffc\"".to_owned(), 2),
        ("ATTR{vendor}==\"0x144d\", ATTR{subsystem_device}==\"0x0001\"".to_owned(), 2),
        (here.to_owned(), 4),
        (here.replace("1a.0", "1b.0"), 2),
        (here.replace("/0000:02", "/0000:??:00.0/0000:02"), 2),
    ] {
        assert_eq!(of(&who), Some(expected), "{who}");
    }
}

#[test]
fn what_an_image_that_is_made_anew_takes_is_refused() {
    let conf = "options vfio-pci ids=144d:a80a\nsoftdep nvme pre: vfio-pci\n";
    let tree = host(
        "ubuntu-24.04",
        &[("/etc/modprobe.d/vfio.conf", Some(conf)), ("/etc/initramfs-tools/modules", Some("vfio_pci\n"))],
    );
    for playbook in [
        OTHER,
        "vfio_pci_ids { ids = { '144d:a80a' }, file = 'vfio.conf' }\ninitramfs_modules { modules = { 'vfio_pci' } }",
    ] {
        let (text, status) = run(&tree, "plan", playbook);
        assert_eq!(status, Some(4), "{text}");
        assert!(
            text.contains("0000:02:00.0 leaves nvme for vfio-pci, and / and /boot/efi are on it"),
            "{text}"
        );
        assert!(text.contains("/etc/modprobe.d/vfio.conf:2"), "{text}");
    }
    // With the images as they are the disk stays.
    let (text, status) = run(&tree, "plan", "kernel_cmdline { present = { 'mitigations=auto' } }");
    assert_eq!(status, Some(2), "{text}");
    assert!(!text.contains("refused"), "{text}");
}

#[test]
fn on_captured_hosts_no_guard_has_anything_to_say() {
    for name in ["centos-6", "centos-7", "centos-stream-9", "ubuntu-22.04", "ubuntu-24.04"] {
        let tree = host(name, &[]);
        for playbook in [OTHER, "kernel_cmdline { present = { 'mitigations=auto' } }"] {
            let (text, status) = run(&tree, "plan", playbook);
            assert_eq!(status, Some(2), "{name}: {text}");
            assert!(!text.contains("refused") && !text.contains("warning"), "{name}: {text}");
        }
    }
}

#[test]
fn no_guard_says_that_a_device_leaves_a_driver_that_keeps_it() {
    let ids = "vfio_pci_ids { ids = { '10de:0ffc' } }";
    let told = |playbook: &str| run(&host("ubuntu-24.04", &[]), "plan", playbook).0;
    let plan = told(ids);
    assert!(plan.contains("0000:01:00.0 will not be on vfio-pci after a boot"), "{plan}");
    assert!(plan.contains("0000:01:00.0 is to leave nouveau for vfio-pci, and 0000:01:00.1"), "{plan}");
    let plan = told(&format!("{ids}\nmodprobe_softdep {{ module = 'nouveau', pre = {{ 'vfio-pci' }} }}\n"));
    assert!(plan.contains("0000:01:00.0 leaves nouveau for vfio-pci, and 0000:01:00.1"), "{plan}");
}
