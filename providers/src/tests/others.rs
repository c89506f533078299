//! Hosts that would be harmed, and are told what they want: by marks, not by a name alone.

use expect_test::expect;

use super::{DEBIAN, GRUB, KERNEL, MODULES, UBUNTU, check};

#[test]
fn live_systems_are_refused() {
    let live = |name: &str, signs: &[(&str, &str)]| {
        let files = [&[UBUNTU, GRUB, KERNEL, MODULES], signs].concat();
        let shown = super::shown(&files);
        assert!(shown.contains(name) && shown.starts_with("error: this host is a live system"), "{shown}");
    };
    live("boot=casper", &[("/proc/cmdline", "BOOT_IMAGE=/casper/vmlinuz boot=casper quiet ---\n")]);
    live("boot=live", &[("/proc/cmdline", "BOOT_IMAGE=/live/vmlinuz boot=live components\n")]);
    live("root=live:CDLABEL=F", &[("/proc/cmdline", "root=live:CDLABEL=F rd.live.image quiet\n")]);
    live("overlayroot=tmpfs", &[("/proc/cmdline", "BOOT_IMAGE=/vmlinuz root=UUID=1 overlayroot=tmpfs\n")]);
    live("/ is /cow", &[("/proc/mounts", "/cow / overlay rw,lowerdir=/m.squashfs,upperdir=/cow/u 0 0\n")]);
    live(
        "/ is overlayroot",
        &[(
            "/proc/self/mountinfo",
            "22 1 0:20 / / rw - overlay overlayroot rw,lowerdir=/media/root-ro,upperdir=/media/root-rw/o\n",
        )],
    );
    // A container, and an installed system with ZFS: `boot=zfs` is no live system.
    for signs in [
        ("/proc/mounts", "overlay / overlay rw,lowerdir=/var/lib/docker/l,upperdir=/var/lib/docker/u 0 0\n"),
        ("/proc/cmdline", "BOOT_IMAGE=/vmlinuz root=ZFS=rpool/ROOT boot=zfs overlayroot=disabled\n"),
    ] {
        let shown = super::shown(&[UBUNTU, GRUB, signs]);
        assert!(shown.starts_with("ubuntu \"24.04\" Debian: grub2"), "{shown}");
    }
}

#[test]
fn truenas_is_told_the_calls_of_its_middleware() {
    let midclt = ("/usr/bin/midclt", "");
    let pool = ("/proc/mounts", "boot-pool/ROOT/24.04 / zfs rw 0 0\n");
    for mark in [("/data/manifest.json", "{}"), pool] {
        let shown = super::shown(&[DEBIAN, GRUB, KERNEL, MODULES, midclt, mark]);
        assert!(shown.starts_with("error: this host is TrueNAS SCALE (/usr/bin/midclt and "), "{shown}");
        assert!(shown.contains("`midclt call system.advanced.update '{\"kernel_extra_options\""), "{shown}");
    }
    check(
        &[DEBIAN, GRUB, KERNEL, MODULES, midclt, ("/usr/sbin/update-grub", "")],
        expect![[r#"
            debian "12" Debian: grub2, initramfs-tools
            update-grub
            update-initramfs -c -k 1
        "#]],
    );
}

#[test]
fn xcp_ng_and_xenserver_are_told_xen_cmdline() {
    let release = ("/etc/redhat-release", "XCP-ng release 8.2.1 (xenenterprise)\n");
    let tool = ("/opt/xensource/libexec/xen-cmdline", "");
    check(
        &[release, tool, ("/boot/efi/EFI/xenserver/grub.cfg", "menuentry 'XCP-ng' {\n}\n")],
        expect![[r#"
            error: XCP-ng release 8.2.1 (xenenterprise) is the dom0 of XCP-ng or XenServer (/opt/xensource/libexec/xen-cmdline is there), whose boot menu is written by its own tools
            hint: Run `/opt/xensource/libexec/xen-cmdline --set-dom0 "xen-pciback.hide=(0000:01:00.0)"` to keep a device for virtual machines, `--set-dom0` with other parameters for the kernel, `--set-xen` for Xen; then reboot.
        "#]],
    );
    let named = "ID=\"xenenterprise\"\nID_LIKE=\"centos rhel fedora\"\nPRETTY_NAME=\"XenServer 8\"\n";
    for files in [
        &[("/etc/os-release", named)][..],
        &[("/etc/os-release", "ID=centos\nVERSION_ID=7\n"), ("/etc/xensource-inventory", "")],
    ] {
        let shown = super::shown(files);
        assert!(shown.contains("is the dom0 of XCP-ng or XenServer"), "{shown}");
    }
}

#[test]
fn kin_of_fedora_boot_the_image_that_the_entry_names() {
    let mageia = ("/etc/os-release", "ID=mageia\nID_LIKE=\"mandriva fedora\"\nVERSION_ID=9\n");
    let menu = |initrd: &str| {
        format!(
            "### BEGIN /etc/grub.d/10_linux ###\nmenuentry 'x' {{\nlinux /boot/vmlinuz-1 ro\ninitrd {initrd}\n}}\n"
        )
    };
    let rebuild = |files: &[(&str, &str)]| {
        let shown = super::shown(&[&[mageia, KERNEL, MODULES], files].concat());
        shown.lines().last().unwrap_or_default().to_owned()
    };
    let whole = menu("/boot/initrd-1.img");
    assert_eq!(rebuild(&[("/boot/grub2/grub.cfg", &whole)]), "dracut --force /boot/initrd-1.img 1");
    // Behind microcode, on a partition of its own.
    let own = menu("/ucode.img /initrd-1.img");
    assert_eq!(rebuild(&[("/boot/grub2/grub.cfg", &own)]), "dracut --force /boot/initrd-1.img 1");
    // An entry without one, and no menu at all.
    let none = "menuentry 'x' {\nlinux /boot/vmlinuz-1 ro\n}\n";
    for files in [&[("/boot/grub2/grub.cfg", none)][..], &[]] {
        assert_eq!(rebuild(files), "dracut --force /boot/initramfs-1.img 1");
    }
}

#[test]
fn suse_is_told_the_tool_of_its_loader() {
    let eleven =
        ("/etc/SuSE-release", "SUSE Linux Enterprise Server 11 (x86_64)\nVERSION = 11\nPATCHLEVEL = 1\n");
    check(
        &[eleven, ("/boot/grub/menu.lst", "title x\n")],
        expect![[r#"
            error: SUSE Linux Enterprise Server 11 (x86_64) is a system of the SUSE family with GRUB legacy, which hoststate does not operate
            hint: Add the kernel parameters to the `kernel` lines of /boot/grub/menu.lst, and for later kernels to DEFAULT_APPEND in /etc/sysconfig/bootloader; modules of the initramfs are listed in INITRD_MODULES of /etc/sysconfig/kernel, run `mkinitrd` after a change.
        "#]],
    );
    let tumbleweed = (
        "/etc/os-release",
        "ID=opensuse-tumbleweed\nID_LIKE=\"opensuse suse\"\nPRETTY_NAME=\"openSUSE Tumbleweed\"\n",
    );
    let tool = ("/usr/bin/sdbootutil", "");
    check(
        &[tumbleweed, tool, ("/etc/sysconfig/bootloader", "LOADER_TYPE=\"systemd-boot\"\n")],
        expect![[r#"
            error: openSUSE Tumbleweed is a system of the SUSE family that boots by entries of sdbootutil (LOADER_TYPE=systemd-boot in /etc/sysconfig/bootloader), which hoststate does not operate
            hint: Add the kernel parameters to /etc/kernel/cmdline and run `sdbootutil update-all-entries`, which also rebuilds the initramfs.
        "#]],
    );
    let classic = ("/etc/sysconfig/bootloader", "LOADER_TYPE=\"grub2-efi\"\n");
    check(
        &[tumbleweed, tool, classic],
        expect![[r#"
            error: openSUSE Tumbleweed is a system of the SUSE family, which hoststate does not operate
            hint: Edit /etc/default/grub and run `update-bootloader --refresh`; then `dracut --force --regenerate-all`.
        "#]],
    );
}
