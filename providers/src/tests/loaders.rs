//! Who starts the kernel: what the running boot shows, and what files show.

use expect_test::expect;

use super::{DEBIAN, GRUB, KERNEL, MODULES, UBUNTU, check};

const DEFAULTS: (&str, &str) = ("/etc/default/grub", "GRUB_CMDLINE_LINUX_DEFAULT=quiet\n");
const UPDATE_GRUB: (&str, &str) = ("/usr/sbin/update-grub", "");
const EFI: (&str, &str) = ("/sys/firmware/efi/", "");
const BIOS: (&str, &str) = ("/sys/bus/", "");
const BY_GRUB: (&str, &str) = ("/proc/cmdline", "BOOT_IMAGE=/vmlinuz-1 root=UUID=1 ro\n");

#[test]
fn refind_is_told_beside_the_files_of_grub() {
    let conf = ("/boot/refind_linux.conf", "\"Boot\" \"root=UUID=1 ro\"\n");
    let bare = ("/proc/cmdline", "ro root=UUID=1 quiet initrd=boot\\initrd.img-1\n");
    check(
        &[DEBIAN, GRUB, DEFAULTS, UPDATE_GRUB, KERNEL, EFI, conf, bare],
        expect![[r#"
            debian "12" Debian: refind, initramfs-tools
            error: this host is booted by rEFInd, which starts the kernel as an EFI program (/proc/cmdline has initrd=boot\initrd.img-1 and no BOOT_IMAGE=, and /boot/refind_linux.conf is there)
            hint: Add the kernel parameters to the lines of /boot/refind_linux.conf.
            update-initramfs -c -k 1
        "#]],
    );
    let esp = ("/boot/efi/EFI/refind/refind.conf", "");
    let info = (
        "/sys/firmware/efi/efivars/LoaderInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f",
        "\u{6}\0\0\0r\0E\0F\0I\0n\0d\0",
    );
    check(
        &[UBUNTU, GRUB, KERNEL, EFI, esp, info, ("/proc/cmdline", "root=UUID=1 ro\n")],
        expect![[r#"
            ubuntu "24.04" Debian: refind, initramfs-tools
            error: this host is booted by rEFInd, which starts the kernel as an EFI program (LoaderInfo is rEFInd; /boot/efi/EFI/refind/refind.conf is there)
            hint: Add the kernel parameters to refind_linux.conf beside the kernel, or to `options` of its `menuentry` in EFI/refind/refind.conf.
            update-initramfs -c -k 1
        "#]],
    );
    // Its files alone are left over where GRUB shows that it booted.
    check(
        &[DEBIAN, GRUB, UPDATE_GRUB, EFI, conf, BY_GRUB],
        expect![[r#"
            debian "12" Debian: grub2, initramfs-tools
            update-grub
            update-initramfs -c -k 1
        "#]],
    );
}

#[test]
fn an_efi_host_that_grub_did_not_boot_is_refused() {
    check(
        &[DEBIAN, GRUB, UPDATE_GRUB, EFI, ("/proc/cmdline", "root=UUID=1 ro quiet\n")],
        expect![[r#"
            debian "12" Debian: unknown, initramfs-tools
            error: it is not GRUB 2 that booted this host (GRUB 2 always gives BOOT_IMAGE=, and /proc/cmdline has none), although /boot/grub/grub.cfg is there
            hint: See `efibootmgr --verbose` for what the firmware starts, and set the kernel parameters there.
            update-initramfs -c -k 1
        "#]],
    );
    check(
        &[DEBIAN, GRUB, EFI, ("/proc/cmdline", "initrd=\\initrd.img root=UUID=1 ro quiet\n")],
        expect![[r#"
            debian "12" Debian: efi-stub, initramfs-tools
            error: this host is booted by a loader that starts the kernel as an EFI program (/proc/cmdline has initrd=\initrd.img and no BOOT_IMAGE=)
            hint: See `bootctl status` and `efibootmgr --verbose` for which it is. systemd-boot takes the kernel parameters from /etc/kernel/cmdline by `kernel-install add VERSION IMAGE`, an entry of the firmware by `efibootmgr --create … --unicode "…"`.
            update-initramfs -c -k 1
        "#]],
    );
    // kexec, a virtual machine that is given its kernel, petitboot: no firmware that GRUB would be an entry of.
    check(
        &[DEBIAN, GRUB, UPDATE_GRUB, BIOS, ("/proc/cmdline", "root=/dev/vda ro quiet\n")],
        expect![[r#"
            debian "12" Debian: grub2, initramfs-tools
            update-grub
            update-initramfs -c -k 1
        "#]],
    );
}

#[test]
fn a_unified_image_is_told_by_its_stub() {
    let stub = (
        "/sys/firmware/efi/efivars/StubInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f",
        "\u{6}\0\0\0s\0y\0s\0t\0e\0m\0d\0-\0s\0t\0u\0b\0",
    );
    check(
        &[DEBIAN, GRUB, UPDATE_GRUB, EFI, stub, ("/proc/cmdline", "root=UUID=1 ro quiet\n")],
        expect![[r#"
            debian "12" Debian: uki, initramfs-tools
            error: this host boots a unified kernel image (StubInfo is systemd-stub), which holds its kernel parameters
            hint: Build and sign the image again with the parameters, or boot an addon made by `ukify build --cmdline=…`.
            update-initramfs -c -k 1
        "#]],
    );
}

#[test]
fn where_two_loaders_may_be_the_one_nothing_is_guessed() {
    let info = (
        "/sys/firmware/efi/efivars/LoaderInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f",
        "\u{6}\0\0\0s\0y\0s\0t\0e\0m\0d\0-\0b\0o\0o\0t\0",
    );
    check(
        &[DEBIAN, GRUB, EFI, info, BY_GRUB],
        expect![[r#"
            debian "12" Debian: unknown, initramfs-tools
            error: which loader boots this host cannot be told: GRUB 2 by BOOT_IMAGE= in /proc/cmdline, systemd-boot by LoaderInfo is systemd-boot
            hint: Remove what is left of the loader that is not used, or set the kernel parameters with the tool of the one that is; `efibootmgr --verbose` and `bootctl status` show it on EFI.
            update-initramfs -c -k 1
        "#]],
    );
    // An image that nothing runs.
    check(
        &[DEBIAN, GRUB, KERNEL, ("/boot/efi/loader/loader.conf", "")],
        expect![[r#"
            debian "12" Debian: unknown, initramfs-tools
            error: which loader boots this host cannot be told: GRUB 2 by /boot/grub/grub.cfg is there, systemd-boot by /boot/efi/loader/loader.conf is there
            hint: Remove what is left of the loader that is not used, or set the kernel parameters with the tool of the one that is; `efibootmgr --verbose` and `bootctl status` show it on EFI.
            update-initramfs -c -k 1
        "#]],
    );
    // syslinux gives BOOT_IMAGE=, too.
    let syslinux = ("/boot/syslinux/syslinux.cfg", "DEFAULT linux\n");
    check(
        &[DEBIAN, GRUB, BIOS, syslinux, BY_GRUB],
        expect![[r#"
            debian "12" Debian: unknown, initramfs-tools
            error: which loader boots this host cannot be told: GRUB 2 by BOOT_IMAGE= in /proc/cmdline, extlinux by /boot/syslinux/syslinux.cfg is there, and syslinux gives BOOT_IMAGE= as GRUB does
            hint: Remove what is left of the loader that is not used, or set the kernel parameters with the tool of the one that is; `efibootmgr --verbose` and `bootctl status` show it on EFI.
            update-initramfs -c -k 1
        "#]],
    );
}

#[test]
fn small_boards_are_told_the_file_to_edit() {
    let line = ("/proc/cmdline", "root=UUID=1 ro quiet\n");
    let extlinux = ("/boot/extlinux/extlinux.conf", "default l0\n");
    let tools = ("/etc/default/u-boot", "U_BOOT_PARAMETERS=\"ro quiet\"\n");
    check(
        &[DEBIAN, DEFAULTS, UPDATE_GRUB, KERNEL, MODULES, BIOS, line, extlinux, tools],
        expect![[r#"
            debian "12" Debian: extlinux, initramfs-tools
            error: this host is booted by U-Boot or syslinux, which reads /boot/extlinux/extlinux.conf (/boot/extlinux/extlinux.conf is there)
            hint: Add the kernel parameters to U_BOOT_PARAMETERS in /etc/default/u-boot and run `u-boot-update`.
            update-initramfs -c -k 1
        "#]],
    );
    // A menu of GRUB that lies beside it as well.
    check(
        &[DEBIAN, GRUB, DEFAULTS, UPDATE_GRUB, KERNEL, BIOS, line, extlinux],
        expect![[r#"
            debian "12" Debian: extlinux, initramfs-tools
            error: this host is booted by U-Boot or syslinux, which reads /boot/extlinux/extlinux.conf (/boot/extlinux/extlinux.conf is there)
            hint: Add the kernel parameters to the `append` lines of /boot/extlinux/extlinux.conf.
            update-initramfs -c -k 1
        "#]],
    );
    check(
        &[DEBIAN, DEFAULTS, UPDATE_GRUB, KERNEL, BIOS, line, ("/boot/armbianEnv.txt", "verbosity=1\n")],
        expect![[r#"
            debian "12" Debian: u-boot, initramfs-tools
            error: this host is booted by U-Boot, which reads /boot/armbianEnv.txt (/boot/armbianEnv.txt is there)
            hint: Add the kernel parameters to `extraargs=` in /boot/armbianEnv.txt.
            update-initramfs -c -k 1
        "#]],
    );
    check(
        &[UBUNTU, DEFAULTS, UPDATE_GRUB, KERNEL, BIOS, line, ("/boot/firmware/cmdline.txt", "root=x\n")],
        expect![[r#"
            ubuntu "24.04" Debian: raspberry-pi, initramfs-tools
            error: the firmware of this Raspberry Pi reads the kernel parameters from /boot/firmware/cmdline.txt (/boot/firmware/cmdline.txt is there)
            hint: Add the kernel parameters to the one line of /boot/firmware/cmdline.txt.
            update-initramfs -c -k 1
        "#]],
    );
}

#[test]
fn zipl_boots_ibm_z_whatever_else_lies_about() {
    let cpu = ("/proc/cpuinfo", "vendor_id       : IBM/S390\n");
    let line = ("/proc/cmdline", "root=/dev/dasda1 ro BOOT_IMAGE=0\n");
    check(
        &[DEBIAN, GRUB, UPDATE_GRUB, KERNEL, BIOS, cpu, line, ("/etc/zipl.conf", "")],
        expect![[r#"
            debian "12" Debian: zipl, initramfs-tools
            error: this host is booted by zipl, which keeps the kernel parameters in its record (/proc/cpuinfo has vendor_id IBM/S390; /etc/zipl.conf is there)
            hint: Add the kernel parameters to `parameters` in /etc/zipl.conf, then run `zipl`.
            update-initramfs -c -k 1
        "#]],
    );
    let rhel = ("/etc/os-release", "ID=rhel\nVERSION_ID=9.4\n");
    let entry = ("/boot/loader/entries/m-1.conf", "title x\n");
    check(
        &[rhel, ("/boot/grub2/grub.cfg", "blscfg\n"), entry, BIOS, cpu, line],
        expect![[r#"
            rhel "9.4" Redhat: zipl, dracut
            error: this host is booted by zipl, which keeps the kernel parameters in its record (/proc/cpuinfo has vendor_id IBM/S390)
            hint: Run `grubby --update-kernel=ALL --args="…"`, then `zipl`.
            dracut --force /boot/initramfs-1.img 1
        "#]],
    );
}

#[test]
fn proxmox_boot_tool_is_told_the_file_that_its_loader_reads() {
    let uuids = ("/etc/kernel/proxmox-boot-uuids", "AB-CD\n");
    let told = |signs: &[(&str, &str)], expect| check(&[&[DEBIAN, GRUB, uuids], signs].concat(), expect);
    told(
        &[BY_GRUB, EFI],
        expect![[r#"
            debian "12" Debian: proxmox-boot-tool, initramfs-tools
            error: this host boots by proxmox-boot-tool (/etc/kernel/proxmox-boot-uuids) with GRUB (BOOT_IMAGE=/vmlinuz-1 in /proc/cmdline)
            hint: Add the kernel parameters to GRUB_CMDLINE_LINUX_DEFAULT in /etc/default/grub and run `proxmox-boot-tool refresh`.
            update-initramfs -c -k 1
        "#]],
    );
    told(
        &[BIOS],
        expect![[r#"
            debian "12" Debian: proxmox-boot-tool, initramfs-tools
            error: this host boots by proxmox-boot-tool (/etc/kernel/proxmox-boot-uuids) with GRUB (no /sys/firmware/efi)
            hint: Add the kernel parameters to GRUB_CMDLINE_LINUX_DEFAULT in /etc/default/grub and run `proxmox-boot-tool refresh`.
            update-initramfs -c -k 1
        "#]],
    );
    told(
        &[
            EFI,
            ("/proc/cmdline", "initrd=\\EFI\\proxmox\\1\\initrd.img-1 root=ZFS=rpool/ROOT/pve-1 boot=zfs\n"),
        ],
        expect![[r#"
            debian "12" Debian: proxmox-boot-tool, initramfs-tools
            error: this host boots by proxmox-boot-tool (/etc/kernel/proxmox-boot-uuids) with systemd-boot (initrd=\EFI\proxmox\1\initrd.img-1 in /proc/cmdline)
            hint: Add the kernel parameters to the one line of /etc/kernel/cmdline and run `proxmox-boot-tool refresh`.
            update-initramfs -c -k 1
        "#]],
    );
}
