//! Which mechanisms hosts are found to have.

use expect_test::{Expect, expect};
use hoststate_core::formats::kernel_cmdline::CmdlineEdit;

use crate::detect;
use hoststate_testkit::tree::Tree;

use crate::testing::show_error;

mod loaders;
mod menus;
mod others;

const UBUNTU: (&str, &str) = ("/etc/os-release", "ID=ubuntu\nID_LIKE=debian\nVERSION_ID=\"24.04\"\n");
const DEBIAN: (&str, &str) = ("/etc/os-release", "ID=debian\nVERSION_ID=\"12\"\n");
const GRUB: (&str, &str) = ("/boot/grub/grub.cfg", "");
const MKINITRAMFS: (&str, &str) = ("/usr/sbin/mkinitramfs", "");
const KERNEL: (&str, &str) = ("/boot/vmlinuz-1", "");
const MODULES: (&str, &str) = ("/lib/modules/1/modules.dep", "");

/// An image of some kernel: the host has an initramfs, whoever makes it.
const IMAGE: (&str, &str) = ("/boot/initrd.img-0", "");

fn check(files: &[(&str, &str)], expect: Expect) {
    expect.assert_eq(&shown(files));
}

fn shown(files: &[(&str, &str)]) -> String {
    let tree = Tree::new(&[files, &[IMAGE]].concat());
    let view = tree.view();
    let shown = match detect(&view) {
        Err(err) => show_error(&err),
        Ok(distro) => {
            let boot = &distro.bootloader;
            let command =
                match boot.cmdline(&view, &CmdlineEdit::default()).and_then(|_| boot.regenerate(&view)) {
                    Ok(argv) => format!("{}\n", argv.join(" ")),
                    Err(err) => show_error(&err),
                };
            let initramfs = &distro.initramfs;
            let rebuild = initramfs.rebuild(&view, "1").map(|it| it.join(" "));
            let rebuild = rebuild.unwrap_or_else(|err| show_error(&err));
            format!(
                "{} {:?} {:?}: {}, {}\n{command}{rebuild}\n",
                distro.id,
                distro.version,
                distro.family,
                boot.name(),
                initramfs.name()
            )
        }
    };
    shown.replace(&tree.root().display().to_string(), "ROOT")
}

#[test]
fn a_host_without_images_and_without_a_generator_has_no_initramfs() {
    let tree = Tree::new(&[DEBIAN, GRUB, KERNEL, MODULES]);
    let distro = detect(&tree.view()).unwrap();
    assert_eq!(distro.initramfs.name(), "none");
}

#[test]
fn debian_and_its_kin_use_generated_configuration() {
    let update = ("/usr/sbin/update-grub", "");
    check(
        &[UBUNTU, GRUB, update, MKINITRAMFS],
        expect![[r#"
        ubuntu "24.04" Debian: grub2, initramfs-tools
        update-grub
        update-initramfs -c -k 1
    "#]],
    );
    check(
        &[DEBIAN, GRUB, ("/usr/sbin/grub-mkconfig", ""), ("/usr/bin/dracut", "")],
        expect![[r#"
        debian "12" Debian: grub2, dracut
        grub-mkconfig -o /boot/grub/grub.cfg
        dracut --force /boot/initrd.img-1 1
    "#]],
    );
    let mint = ("/usr/lib/os-release", "ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n");
    check(
        &[mint, ("/etc/os-release -> ../usr/lib/os-release", ""), GRUB],
        expect![[r#"
        linuxmint "" Debian: grub2, initramfs-tools
        error: /boot/grub/grub.cfg is generated, and the host has no grub-mkconfig
        hint: Install the distribution's GRUB package (grub2-common, grub2-tools).
        update-initramfs -c -k 1
    "#]],
    );
    check(
        &[("/etc/debian_version", "12.1\n"), GRUB],
        expect![[r#"
        debian "12.1" Debian: grub2, initramfs-tools
        error: /boot/grub/grub.cfg is generated, and the host has no grub-mkconfig
        hint: Install the distribution's GRUB package (grub2-common, grub2-tools).
        update-initramfs -c -k 1
    "#]],
    );
}

#[test]
fn red_hats_mechanism_shows_in_its_files_not_its_release() {
    let centos = |version| format!("ID=\"centos\"\nID_LIKE=\"rhel fedora\"\nVERSION_ID=\"{version}\"\n");
    let (seven, nine) = (centos("7"), centos("9"));
    let (seven, nine) = (("/etc/os-release", seven.as_str()), ("/etc/os-release", nine.as_str()));
    let mkconfig = ("/usr/sbin/grub2-mkconfig", "");
    let plain = "### BEGIN /etc/grub.d/10_linux ###\nmenuentry 'x' {\nlinux16 /vmlinuz-1 ro\n}\n";
    check(
        &[seven, mkconfig, ("/boot/grub2/grub.cfg", plain), ("/etc/grub2.cfg -> ../boot/grub2/grub.cfg", "")],
        expect![[r#"
            centos "7" Redhat: grub2, dracut
            grub2-mkconfig -o /boot/grub2/grub.cfg
            dracut --force /boot/initramfs-1.img 1
        "#]],
    );
    check(
        &[seven, mkconfig, ("/boot/efi/EFI/centos/grub.cfg", plain), ("/sys/firmware/efi/", "")],
        expect![[r#"
            centos "7" Redhat: grub2, dracut
            grub2-mkconfig -o /boot/efi/EFI/centos/grub.cfg
            dracut --force /boot/initramfs-1.img 1
        "#]],
    );
    let stub = (
        "/boot/efi/EFI/centos/grub.cfg",
        "search --fs-uuid --set=dev 1\nset prefix=($dev)/grub2\nconfigfile $prefix/grub.cfg\n",
    );
    let bls = ("/boot/grub2/grub.cfg", "insmod blscfg\nblscfg\n");
    check(
        &[nine, stub, bls, ("/sys/firmware/efi/", "")],
        expect![[r#"
        centos "9" Redhat: grub2-bls, dracut
        error: boot entries of the Boot Loader Specification are not generated
        hint: Edit the files in /boot/loader/entries; a new kernel's entry is made by kernel-install.
        dracut --force /boot/initramfs-1.img 1
    "#]],
    );
    check(
        &[nine, stub, ("/boot/grub2/grub.cfg", plain), mkconfig, ("/sys/firmware/efi/", "")],
        expect![[r#"
            centos "9" Redhat: grub2, dracut
            grub2-mkconfig -o /boot/grub2/grub.cfg
            dracut --force /boot/initramfs-1.img 1
        "#]],
    );
    check(
        &[nine, ("/etc/default/grub", "GRUB_ENABLE_BLSCFG=true\n")],
        expect![[r#"
        centos "9" Redhat: grub2-bls, dracut
        error: boot entries of the Boot Loader Specification are not generated
        hint: Edit the files in /boot/loader/entries; a new kernel's entry is made by kernel-install.
        dracut --force /boot/initramfs-1.img 1
    "#]],
    );
    check(
        &[nine, ("/etc/default/grub", "GRUB_ENABLE_BLSCFG=\"false\"\n")],
        expect![[r#"
        centos "9" Redhat: grub2, dracut
        error: /boot/grub2/grub.cfg is generated, and the host has no grub-mkconfig
        hint: Install the distribution's GRUB package (grub2-common, grub2-tools).
        dracut --force /boot/initramfs-1.img 1
    "#]],
    );
    let six = ("/etc/redhat-release", "CentOS release 6.10 (Final)\n");
    let conf = ("/boot/grub/grub.conf", "title x\nkernel /vmlinuz-1 ro\n");
    check(
        &[six, conf, ("/etc/grub.conf -> ../boot/grub/grub.conf", "")],
        expect![[r#"
        centos "6.10" Redhat: grub-legacy, dracut
        error: /boot/grub/grub.conf is not generated
        hint: Edit its kernel lines.
        dracut --force /boot/initramfs-1.img 1
    "#]],
    );
    check(
        &[nine, conf, bls],
        expect![[r#"
        centos "9" Redhat: grub2-bls, dracut
        error: boot entries of the Boot Loader Specification are not generated
        hint: Edit the files in /boot/loader/entries; a new kernel's entry is made by kernel-install.
        dracut --force /boot/initramfs-1.img 1
    "#]],
    );
}

#[test]
fn hosts_of_other_tools_are_told_the_command_they_want() {
    let fedora = ("/etc/os-release", "ID=fedora\nVARIANT_ID=silverblue\nVERSION_ID=40\n");
    check(
        &[fedora, ("/run/ostree-booted", ""), ("/usr/bin/rpm-ostree", "")],
        expect![[r#"
        fedora "40" Redhat: ostree, ostree
        error: this host is deployed by ostree (/run/ostree-booted, ostree=), its boot entries belong to rpm-ostree
        hint: Run `rpm-ostree kargs --append-if-missing=…`; for the initramfs `rpm-ostree initramfs-etc --track=/etc/modprobe.d`.
        error: this host is deployed by ostree (/run/ostree-booted, ostree=), its boot entries belong to rpm-ostree
        hint: Run `rpm-ostree kargs --append-if-missing=…`; for the initramfs `rpm-ostree initramfs-etc --track=/etc/modprobe.d`.

    "#]],
    );
    check(
        &[fedora, ("/run/ostree-booted", ""), ("/usr/bin/bootc", "")],
        expect![[r#"
        fedora "40" Redhat: bootc, bootc
        error: this host is a bootc image (/usr/lib/bootc, ostree), its boot entries belong to bootc
        hint: Put `kargs = ["…"]` into /usr/lib/bootc/kargs.d/NAME.toml of the image and run `bootc upgrade`.
        error: this host is a bootc image (/usr/lib/bootc, ostree), its boot entries belong to bootc
        hint: Put `kargs = ["…"]` into /usr/lib/bootc/kargs.d/NAME.toml of the image and run `bootc upgrade`.

    "#]],
    );
    check(
        &[DEBIAN, GRUB, ("/etc/kernel/proxmox-boot-uuids", "AB-CD\n")],
        expect![[r#"
            debian "12" Debian: proxmox-boot-tool, initramfs-tools
            error: this host boots by proxmox-boot-tool (/etc/kernel/proxmox-boot-uuids), and nothing shows with which loader
            hint: See `proxmox-boot-tool status`. For grub add the kernel parameters to GRUB_CMDLINE_LINUX_DEFAULT in /etc/default/grub, for uefi (systemd-boot) to the one line of /etc/kernel/cmdline; then run `proxmox-boot-tool refresh`.
            update-initramfs -c -k 1
        "#]],
    );
    check(
        &[UBUNTU, KERNEL, MODULES, ("/etc/kernelstub/configuration", "{}")],
        expect![[r#"
            ubuntu "24.04" Debian: systemd-boot, initramfs-tools
            error: this host boots by systemd-boot and kernelstub (/etc/kernelstub/configuration is there)
            hint: Run `kernelstub --add-options "…"`.
            update-initramfs -c -k 1
        "#]],
    );
    check(
        &[DEBIAN, KERNEL, MODULES, ("/boot/efi/loader/loader.conf", "")],
        expect![[r#"
            debian "12" Debian: systemd-boot, initramfs-tools
            error: this host boots by systemd-boot (/boot/efi/loader/loader.conf is there)
            hint: Add the kernel parameters to /etc/kernel/cmdline and run `kernel-install add VERSION IMAGE` for each kernel; `bootctl list` shows the entries.
            update-initramfs -c -k 1
        "#]],
    );
    let loader = (
        "/sys/firmware/efi/efivars/LoaderInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f",
        "\u{6}\0\0\0s\0y\0s\0t\0e\0m\0d\0-\0b\0o\0o\0t\0",
    );
    check(
        &[UBUNTU, GRUB, loader, ("/etc/kernelstub/configuration", "{}")],
        expect![[r#"
            ubuntu "24.04" Debian: systemd-boot, initramfs-tools
            error: this host boots by systemd-boot and kernelstub (LoaderInfo is systemd-boot; /etc/kernelstub/configuration is there)
            hint: Run `kernelstub --add-options "…"`.
            update-initramfs -c -k 1
        "#]],
    );
    check(
        &[DEBIAN, GRUB, loader],
        expect![[r#"
            debian "12" Debian: systemd-boot, initramfs-tools
            error: this host boots by systemd-boot (LoaderInfo is systemd-boot)
            hint: Add the kernel parameters to /etc/kernel/cmdline and run `kernel-install add VERSION IMAGE` for each kernel; `bootctl list` shows the entries.
            update-initramfs -c -k 1
        "#]],
    );
    check(
        &[DEBIAN, KERNEL, MODULES, ("/boot/efi/EFI/Linux/x.efi", "")],
        expect![[r#"
            debian "12" Debian: uki, initramfs-tools
            error: this host boots a unified kernel image (/boot/efi/EFI/Linux/x.efi is there), which holds its kernel parameters
            hint: Build and sign the image again with the parameters, or boot an addon made by `ukify build --cmdline=…`.
            update-initramfs -c -k 1
        "#]],
    );
    check(
        &[("/etc/os-release", "ID=ubuntu-core\nVERSION_ID=22\n")],
        expect![[r#"
        ubuntu-core "22" Debian: snapd, snapd
        error: this host is Ubuntu Core, whose kernel, initramfs and command line come in snaps
        hint: Run `snap set system system.kernel.append="…"`, or change cmdline.extra in the gadget snap.
        error: this host is Ubuntu Core, whose kernel, initramfs and command line come in snaps
        hint: Run `snap set system system.kernel.append="…"`, or change cmdline.extra in the gadget snap.

    "#]],
    );
    check(
        &[DEBIAN, ("/run/.containerenv", "")],
        expect![[r#"
            debian "12" Debian: none, initramfs-tools
            error: this host has no kernel and no boot loader of its own; it looks like a container
            hint: Set kernel parameters on the machine that runs the kernel.
            update-initramfs -c -k 1
        "#]],
    );
    check(
        &[DEBIAN, KERNEL, MODULES],
        expect![[r#"
            debian "12" Debian: unknown, initramfs-tools
            error: this host shows no boot loader that hoststate knows: neither grub.cfg nor /etc/default/grub
            hint: Mount /boot if it is a partition of its own; otherwise set the kernel parameters with the host's own boot tool.
            update-initramfs -c -k 1
        "#]],
    );
}

#[test]
fn hosts_nobody_knows_are_refused_as_a_whole() {
    check(
        &[("/etc/os-release", "ID=nixos\n")],
        expect![[r#"
        error: this host is NixOS, which makes its files from its configuration
        hint: Set boot.kernelParams, boot.extraModprobeConfig and boot.initrd.kernelModules in configuration.nix and run `nixos-rebuild boot`.
    "#]],
    );
    check(
        &[
            ("/etc/os-release", "ID=\"opensuse-microos\"\nID_LIKE=\"suse opensuse\"\n"),
            ("/usr/sbin/transactional-update", ""),
        ],
        expect![[r#"
            error: Linux is a system with transactional updates, whose root is read-only, which hoststate does not operate
            hint: Edit /etc/default/grub, run `transactional-update grub.cfg initrd` and reboot into the new snapshot.
        "#]],
    );
    check(
        &[("/etc/os-release", "ID=arch\nPRETTY_NAME='Arch Linux'\n")],
        expect![[r#"
        error: Arch Linux (ID=arch) is not a distribution that hoststate knows
        hint: It knows Debian, Ubuntu, CentOS, RHEL, Fedora, and those that name one of them in ID_LIKE of /etc/os-release.
    "#]],
    );
    check(
        &[],
        expect![[r#"
            error: ROOT has no /etc/os-release
            hint: Give the root of a Linux host with --root; a partition that holds only /boot is not enough.
        "#]],
    );
}
