//! A `/boot` that does not take what the plan makes, and package managers at work.

#![expect(clippy::disallowed_methods, reason = "a file must be made large, and its inode be known")]

use std::os::unix::fs::MetadataExt;

use expect_test::expect;
use hoststate_testkit::tree::Tree;
use serde_json::{Value, json};

use crate::sysfs::host;
use crate::{check, harmless, plan};

/// What makes the image of the initramfs stale.
fn option() -> Value {
    json!([{ "type": "modprobe_options", "module": "kvm", "options": { "ignore_msrs": "1" } }])
}

fn mountinfo(tree: &Tree, rows: &[(&str, &str)]) {
    let row = |(point, options): &(&str, &str)| format!("22 1 8:1 / {point} {options} - ext4 /dev/sda1 rw\n");
    tree.write("/proc/self/mountinfo", rows.iter().map(row).collect::<String>());
}

#[test]
fn a_boot_that_is_not_mounted_is_refused() {
    let tree = host();
    tree.write("/etc/fstab", "UUID=1 / ext4 defaults 0 1\nUUID=2 /boot ext4 defaults 0 2\n");
    harmless(&tree, option());
    mountinfo(&tree, &[("/", "rw")]);
    check(
        &tree,
        option(),
        expect![[r#"
        refuse boot-not-ready-c2b2af: /boot is not mounted, so what is written there is not what the host boots from
            /etc/fstab mounts UUID=2 at /boot
            /proc/self/mountinfo does not have /boot
    "#]],
    );
    mountinfo(&tree, &[("/", "rw"), ("/boot", "rw")]);
    harmless(&tree, option());
}

#[test]
fn a_boot_that_is_not_mounted_tells_nothing_of_the_next_boot() {
    let wanted = json!([{ "type": "kernel_cmdline", "present": ["nosmt"] }]);
    let fstab = "UUID=1 / ext4 defaults 0 1\nUUID=2 /boot/efi vfat umask=0077 0 2\n";
    // Everything is in place, but for a reboot; then not even that is left.
    for line in ["root=/dev/sda1 ro\n", "root=/dev/sda1 ro nosmt\n"] {
        let tree = host();
        tree.write("/etc/words", "root=/dev/sda1 ro nosmt\n");
        tree.write("/boot/entry", "root=/dev/sda1 ro nosmt\n");
        tree.write("/proc/cmdline", line);
        tree.write("/sys/firmware/efi/fw_platform_size", "64\n");
        mountinfo(&tree, &[("/", "rw")]);
        tree.write("/etc/fstab", fstab.replace("umask=0077", "noauto"));
        check(&tree, wanted.clone(), expect![""]);
        tree.write("/etc/fstab", fstab);
        check(
            &tree,
            wanted.clone(),
            expect![[r#"
                refuse boot-not-ready-29c37c: /boot/efi is not mounted, so what is seen there is not what the host boots from
                    /etc/fstab mounts UUID=2 at /boot/efi
                    /proc/self/mountinfo does not have /boot/efi
            "#]],
        );
        mountinfo(&tree, &[("/", "rw"), ("/boot/efi", "ro")]);
        check(&tree, wanted.clone(), expect![""]);
    }
}

/// A host that wants `nosmt`, before that and when all of it is done.
fn before_and_after(root: &str) -> [Tree; 2] {
    ["", " nosmt"].map(|word| {
        let tree = host();
        for file in ["/etc/words", "/boot/entry", "/proc/cmdline"] {
            tree.write(file, format!("root={root} ro{word}\n"));
        }
        tree
    })
}

#[test]
fn a_root_that_only_later_kernels_get_is_warned_of() {
    let line = json!([{ "type": "kernel_cmdline", "present": ["nosmt"] }]);
    for tree in before_and_after("UUID=1") {
        tree.write("/etc/later", "root=UUID=1 ro\n");
        check(&tree, line.clone(), expect![""]);
        tree.write("/etc/later", "root=/dev/loop0p2 ro\n");
        harmless(&tree, option());
        check(
            &tree,
            line.clone(),
            expect![[r#"
                warn later-kernels-e7e257: /etc/later gives kernels installed later root=/dev/loop0p2, and the boot entries have root=UUID=1: the next kernel may not boot. Correct root= in that file
                    /etc/later has root=/dev/loop0p2
                    /boot/entry:1 has root=UUID=1
            "#]],
        );
    }
}

#[test]
fn what_a_line_of_hoststates_hides_is_said_then_and_later() {
    let line = json!([{ "type": "kernel_cmdline", "present": ["nosmt"] }]);
    for tree in before_and_after("/dev/sda1") {
        check(&tree, line.clone(), expect![""]);
        tree.write("/etc/hidden", "/etc/default/grub:3 gives quiet, hidden by zz-hoststate.cfg:2\n");
        check(
            &tree,
            line.clone(),
            expect![[r#"
                warn hidden-parameters-18787d: /etc/default/grub:3 gives quiet, hidden by zz-hoststate.cfg:2: it has no effect. Declare it
                    /etc/hidden
            "#]],
        );
    }
}

#[test]
fn a_dom0_of_xen_is_refused_what_waits_for_a_reboot_only() {
    let tree = host();
    for file in ["/etc/words", "/boot/entry"] {
        tree.write(file, "root=/dev/sda1 ro intel_iommu=on\n");
    }
    let line = json!([{ "type": "kernel_cmdline", "present": ["intel_iommu=on"] }]);
    harmless(&tree, line.clone());
    tree.write("/proc/xen/capabilities", "control_d\n");
    let found = plan(&tree, &line, &[]);
    assert!(found.guards.iter().any(|it| it.id.starts_with("xen-dom0-")), "{:#?}", found.guards);
    harmless(&tree, json!([{ "type": "kernel_cmdline", "present": ["nosmt"] }]));
}

#[test]
fn a_boot_that_is_read_only_is_refused() {
    let tree = host();
    mountinfo(&tree, &[("/", "rw"), ("/boot", "ro,relatime")]);
    check(
        &tree,
        option(),
        expect![[r#"
        refuse boot-not-ready-78da9b: /boot is mounted read-only, and some tools then report success and change nothing
            /proc/self/mountinfo: /boot is ro,relatime
    "#]],
    );
    mountinfo(&tree, &[("/", "rw"), ("/data", "ro")]);
    harmless(&tree, option());
    // Nothing is written to /boot without an image or a boot entry to make.
    mountinfo(&tree, &[("/", "ro")]);
    check(
        &tree,
        json!([{ "type": "kernel_cmdline", "present": ["iommu=pt"] }]),
        expect![[r#"
        refuse disk-not-ready-190133: /etc/words cannot be written: its file system is mounted read-only
            / is mounted with ro
    "#]],
    );
}

#[test]
fn a_boot_without_room_for_a_second_image_is_refused() {
    let tree = host();
    let image = std::fs::File::create(tree.real("/boot/initrd.img-6.8.0")).expect("an image");
    image.set_len(1 << 20).expect("a small image");
    harmless(&tree, option());
    image.set_len(1 << 42).expect("a file with a hole");
    let found: Vec<String> = plan(&tree, &option(), &[]).guards.into_iter().map(|it| it.message).collect();
    assert_eq!(found, ["/boot has no room for new initramfs images: they need 4613734 MiB"]);
}

#[test]
fn a_package_manager_at_work_is_refused() {
    let tree = host();
    let file = "/var/lib/dpkg/lock-frontend";
    tree.write(file, "");
    tree.write("/proc/77/comm", "apt-get\n");
    let found = std::fs::metadata(tree.real(file)).expect("a lock file");
    let device = found.dev();
    let row = |kind: &str, inode: u64| {
        let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
        format!("1: POSIX  ADVISORY  {kind} 77 {major:02x}:{minor:02x}:{inode} 0 EOF\n")
    };
    harmless(&tree, option());
    tree.write("/proc/locks", row("WRITE", found.ino() + 1));
    harmless(&tree, option());
    tree.write("/proc/locks", row("READ", found.ino()));
    harmless(&tree, option());
    tree.write("/proc/locks", row("WRITE", found.ino()));
    check(
        &tree,
        option(),
        expect![[r#"
            refuse package-manager-b322ff: apt-get is running and may write the same boot files; wait until it has finished
                /proc/locks: process 77 has a write lock on /var/lib/dpkg/lock-frontend
                process 77 is apt-get
        "#]],
    );
    harmless(&tree, json!([{ "type": "kernel_cmdline", "present": ["iommu=pt"] }]));
}

#[test]
fn yum_at_work_is_refused_and_what_it_left_behind_is_not() {
    let tree = host();
    tree.write("/run/yum.pid", "88");
    harmless(&tree, option());
    tree.write("/proc/88/comm", "yum\n");
    check(
        &tree,
        option(),
        expect![[r#"
            refuse package-manager-8d64e4: yum is running and may write the same boot files; wait until it has finished
                /run/yum.pid names process 88
                process 88 is yum
        "#]],
    );
}

#[test]
fn a_file_system_that_is_read_only_is_refused_before_anything_is_locked() {
    let tree = host();
    mountinfo(&tree, &[("/", "rw"), ("/etc", "ro"), ("/var", "ro,noatime")]);
    check(
        &tree,
        option(),
        expect![[r#"
        refuse disk-not-ready-3e0763: /etc/modprobe.d/zz-hoststate.conf cannot be written: its file system is mounted read-only
            /etc is mounted with ro
        refuse disk-not-ready-fa217e: /var/lib/hoststate/runs cannot be written: its file system is mounted read-only
            /var is mounted with ro,noatime
    "#]],
    );
    mountinfo(&tree, &[("/", "rw"), ("/etc", "rw")]);
    harmless(&tree, option());
}

#[test]
fn a_mount_whose_name_is_not_utf8_hides_no_disk_that_is_read_only() {
    let tree = host();
    let table: &[u8] =
        b"22 1 8:1 / / rw - ext4 /dev/sda1 rw\n23 22 8:2 / /media/caf\xe9 rw - ext4 /dev/sdb1 rw\n\
          24 22 8:3 / /etc ro - ext4 /dev/sda2 rw\n";
    tree.write("/proc/self/mountinfo", table);
    let found = plan(&tree, &option(), &[]).guards;
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(
        found[0].message.starts_with("/etc/modprobe.d/zz-hoststate.conf cannot be written"),
        "{found:#?}"
    );
}

#[test]
fn a_file_that_is_written_to_a_boot_that_is_read_only_is_refused_once() {
    let tree = host();
    mountinfo(&tree, &[("/", "rw"), ("/boot", "ro")]);
    let found = plan(&tree, &json!([{ "type": "write", "file": ["/boot/loader/x.conf", "x"] }]), &[]).guards;
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].id.starts_with("boot-not-ready-"), "{found:#?}");
}
