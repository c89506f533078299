//! Which menu GRUB reads: through the stub on the EFI system partition, and whoever wrote it.

use expect_test::{Expect, expect};
use hoststate_testkit::tree::Tree;

use super::UBUNTU;
use crate::detect;
use crate::testing::{edit, show};

const EFI: (&str, &str) = ("/sys/firmware/efi/", "");
const BIOS: (&str, &str) = ("/sys/bus/", "");
const BOOTED: (&str, &str) = ("/proc/cmdline", "BOOT_IMAGE=/vmlinuz-1 root=UUID=aa-1 ro\n");
const DEFAULTS: (&str, &str) = ("/etc/default/grub", "GRUB_CMDLINE_LINUX_DEFAULT=\"iommu=pt\"\n");
const KERNEL: (&str, &str) = ("/boot/vmlinuz-1", "");
const MODULES: (&str, &str) = ("/lib/modules/1/modules.dep", "");
const FSTAB: (&str, &str) =
    ("/etc/fstab", "UUID=aa-1 / ext4 defaults 0 1\nUUID=44FB-ACAE /boot/efi vfat umask=0077 0 0\n");

const WITH: &str = "### BEGIN /etc/grub.d/10_linux ###\nmenuentry 'Linux' {\n\tlinux /boot/vmlinuz-1 root=UUID=aa-1 ro iommu=pt\n}\n";
const WITHOUT: &str = "menuentry 'Linux' {\n\tlinux /vmlinuz-1 root=UUID=aa-1 ro\n}\n";
const MENU: (&str, &str) = ("/boot/grub/grub.cfg", WITH);

/// Shows how the menu that is read compares with `iommu=pt`, and what its entries are.
fn check(files: &[(&str, &str)], expect: Expect) {
    let common = [UBUNTU, BOOTED, DEFAULTS, KERNEL, MODULES];
    let tree = Tree::new(&[&common[..], files].concat());
    let view = tree.view();
    let boot = detect(&view).unwrap().bootloader;
    let mut shown = show(&view, &boot.cmdline(&view, &edit(&["iommu=pt"])));
    for entry in boot.entries(&view).unwrap() {
        shown.push_str(&format!("{}: {} ({})\n", entry.place, entry.title, entry.cmdline));
    }
    expect.assert_eq(&format!(
        "{shown}next: {}\n",
        boot.next_boot(&view, &boot.entries(&view).unwrap()).unwrap().because
    ));
}

fn stub(text: &str) -> (&str, &str) {
    ("/boot/efi/EFI/ubuntu/grub.cfg", text)
}

#[test]
fn a_stub_that_leads_to_the_generated_menu_is_as_it_should_be() {
    for text in [
        "search.fs_uuid aa-1 root hd0,gpt2 \nset prefix=($root)'/boot/grub'\nconfigfile $prefix/grub.cfg\n",
        "search --no-floppy --root-dev-only --fs-uuid --set=dev aa-1\nset prefix=($dev)/boot/grub\nexport $prefix\nconfigfile $prefix/grub.cfg\n",
        "search --fs-uuid --set dev AA-1\nconfigfile ($dev)/boot/grub/grub.cfg\n",
        // Nothing tells where these lead.
        "search --file /boot/grub/grub.cfg --set=root\nconfigfile /boot/grub/grub.cfg\n",
        "configfile $prefix/x86_64-efi/grub.cfg\n",
        "",
    ] {
        check(
            &[EFI, FSTAB, MENU, stub(text)],
            expect![[r#"
                /etc/default/grub: converged
                /boot/grub/grub.cfg: converged
                /boot/grub/grub.cfg:3: Linux (root=UUID=aa-1 ro iommu=pt)
                next: first in /boot/grub/grub.cfg, and no other is set as default
            "#]],
        );
    }
}

#[test]
fn a_boot_partition_a_subvolume_and_a_device_by_its_uuid_are_found() {
    let prefix = |path: &str| {
        format!("search.fs_uuid bb root\nset prefix=($root)'{path}'\nconfigfile $prefix/grub.cfg\n")
    };
    let converged = || {
        expect![[r#"
            /etc/default/grub: converged
            /boot/grub/grub.cfg: converged
            /boot/grub/grub.cfg:3: Linux (root=UUID=aa-1 ro iommu=pt)
            next: first in /boot/grub/grub.cfg, and no other is set as default
        "#]]
    };
    let partition = ("/etc/fstab", "UUID=aa-1 / ext4 defaults 0 1\nUUID=\"bb\" /boot ext4 defaults 0 2\n");
    check(&[EFI, partition, MENU, stub(&prefix("/grub"))], converged());
    let subvolume = ("/etc/fstab", "UUID=bb / btrfs subvol=@,compress=zstd 0 0\n");
    check(&[EFI, subvolume, MENU, stub(&prefix("/@/boot/grub"))], converged());
    let mapped = [
        ("/etc/fstab", "/dev/mapper/vg-root / ext4 defaults 0 1\n"),
        ("/proc/self/mountinfo", "22 1 8:2 / / rw - ext4 /dev/sda2 rw\n"),
        ("/dev/disk/by-uuid/bb -> ../../sda2", ""),
    ];
    check(&[&[EFI, MENU, stub(&prefix("/boot/grub"))], &mapped[..]].concat(), converged());
    // A pool of ZFS has a number in place of a UUID, and a file system by its mapper tells none.
    check(
        &[
            EFI,
            ("/etc/fstab", "/dev/mapper/vg-root / ext4 defaults 0 1\n"),
            MENU,
            stub(&prefix("/boot/grub")),
        ],
        converged(),
    );
}

#[test]
fn the_menu_that_is_read_is_judged_and_not_the_one_that_is_written() {
    let leads = "search.fs_uuid 44FB-ACAE root hd0,gpt1 \nset prefix=($root)'/EFI/ubuntu/grub'\nconfigfile $prefix/grub.cfg\n";
    let other = "/boot/efi/EFI/ubuntu/grub/grub.cfg";
    check(
        &[EFI, FSTAB, MENU, stub(leads), (other, WITHOUT)],
        expect![[r#"
            /boot/efi/EFI/ubuntu/grub/grub.cfg: root=UUID=aa-1 ro (Linux) => iommu=pt
              blocked by /boot/efi/EFI/ubuntu/grub.cfg:3: GRUB reads /boot/efi/EFI/ubuntu/grub/grub.cfg (configfile in /boot/efi/EFI/ubuntu/grub.cfg:3), but update-grub writes /boot/grub/grub.cfg. Have the stub lead to /boot/grub/grub.cfg again (`grub-install` writes it), or add the kernel parameters to the menu that is read
            /boot/efi/EFI/ubuntu/grub/grub.cfg:2: Linux (root=UUID=aa-1 ro)
            next: first in /boot/efi/EFI/ubuntu/grub/grub.cfg, and no other is set as default
        "#]],
    );
    check(
        &[EFI, FSTAB, MENU, stub(leads), (other, WITH)],
        expect![[r#"
            /boot/efi/EFI/ubuntu/grub/grub.cfg: converged
            /boot/efi/EFI/ubuntu/grub/grub.cfg:3: Linux (root=UUID=aa-1 ro iommu=pt)
            next: first in /boot/efi/EFI/ubuntu/grub/grub.cfg, and no other is set as default
        "#]],
    );
    // A whole menu in the place of the stub.
    check(
        &[EFI, FSTAB, MENU, stub(WITHOUT)],
        expect![[r#"
            /boot/efi/EFI/ubuntu/grub.cfg: root=UUID=aa-1 ro (Linux) => iommu=pt
              blocked by /boot/efi/EFI/ubuntu/grub.cfg: GRUB reads /boot/efi/EFI/ubuntu/grub.cfg, but update-grub writes /boot/grub/grub.cfg. Have the stub lead to /boot/grub/grub.cfg again (`grub-install` writes it), or add the kernel parameters to the menu that is read
            /boot/efi/EFI/ubuntu/grub.cfg:2: Linux (root=UUID=aa-1 ro)
            next: first in /boot/efi/EFI/ubuntu/grub.cfg, and no other is set as default
        "#]],
    );
}

#[test]
fn the_menu_of_another_system_is_named_by_its_file_system() {
    let leads = "search.fs_uuid 9999-8888 root hd0,gpt5 \nset prefix=($root)'/boot/grub'\nconfigfile $prefix/grub.cfg\n";
    check(
        &[EFI, FSTAB, MENU, stub(leads)],
        expect![[r#"
            /boot/grub/grub.cfg of the file system with the UUID 9999-8888, which is none of this host's: (nothing) => iommu=pt
              blocked by /boot/efi/EFI/ubuntu/grub.cfg:3: GRUB reads /boot/grub/grub.cfg of the file system with the UUID 9999-8888, which is none of this host's (configfile in /boot/efi/EFI/ubuntu/grub.cfg:3), but update-grub writes /boot/grub/grub.cfg. Have the stub lead to /boot/grub/grub.cfg again (`grub-install` writes it), or add the kernel parameters to the menu that is read
            next: GRUB reads /boot/grub/grub.cfg of the file system with the UUID 9999-8888, which is none of this host's (configfile in /boot/efi/EFI/ubuntu/grub.cfg:3), but update-grub writes /boot/grub/grub.cfg
        "#]],
    );
    // On a BIOS nobody reads a stub.
    check(
        &[BIOS, FSTAB, MENU, stub(leads)],
        expect![[r#"
            /etc/default/grub: converged
            /boot/grub/grub.cfg: converged
            /boot/grub/grub.cfg:3: Linux (root=UUID=aa-1 ro iommu=pt)
            next: first in /boot/grub/grub.cfg, and no other is set as default
        "#]],
    );
}

#[test]
fn the_stub_beside_the_program_that_the_firmware_started_counts() {
    let ours = "search.fs_uuid aa-1 root\nset prefix=($root)'/boot/grub'\nconfigfile $prefix/grub.cfg\n";
    let leads =
        "search.fs_uuid 9999-8888 root\nset prefix=($root)'/boot/grub'\nconfigfile $prefix/grub.cfg\n";
    let global = "8be4df61-93ca-11d2-aa0d-00e098032b8c";
    let wide = |text: &str| text.chars().flat_map(|it| [it, '\0']).collect::<String>();
    let path = wide("\\EFI\\debian\\grubx64.efi\0");
    let length = char::from(u8::try_from(path.len() + 4).unwrap());
    let node = format!("\u{4}\u{4}{length}\0{path}\u{7f}\u{7f}\u{4}\0");
    let paths = char::from(u8::try_from(node.len()).unwrap());
    let entry = format!("\u{7}\0\0\0\u{1}\0\0\0{paths}\0{}{node}", wide("debian\0"));
    let tree = |current: &str| {
        let current = format!("/sys/firmware/efi/efivars/BootCurrent-{global}\0{current}");
        let (name, value) = current.split_once('\0').unwrap();
        let boot = format!("/sys/firmware/efi/efivars/Boot0003-{global}");
        let debian = ("/boot/efi/EFI/debian/grub.cfg", leads);
        let files = [UBUNTU, BOOTED, KERNEL, MODULES, EFI, FSTAB, MENU, stub(ours), debian];
        let tree = Tree::new(&[&files[..], &[(name, value), (&boot, &entry)]].concat());
        let view = tree.view();
        let boot = detect(&view).unwrap().bootloader;
        boot.next_boot(&view, &boot.entries(&view).unwrap()).unwrap().because
    };
    assert_eq!(tree("\u{6}\0\0\0\u{2}\0"), "first in /boot/grub/grub.cfg, and no other is set as default");
    let because = tree("\u{6}\0\0\0\u{3}\0");
    assert!(because.contains("(configfile in /boot/efi/EFI/debian/grub.cfg:3)"), "{because}");
}

#[test]
fn a_menu_that_somebody_wrote_is_never_generated() {
    check(
        &[BIOS, FSTAB, ("/boot/grub/grub.cfg", WITHOUT)],
        expect![[r#"
            /boot/grub/grub.cfg: root=UUID=aa-1 ro (Linux) => iommu=pt
              blocked by /boot/grub/grub.cfg: /boot/grub/grub.cfg was not generated: it has no line `### BEGIN /etc/grub.d/…`. Add the kernel parameters to its lines; or move it away, and have it generated
            /boot/grub/grub.cfg:2: Linux (root=UUID=aa-1 ro)
            next: first in /boot/grub/grub.cfg, and no other is set as default
        "#]],
    );
    // One that starts Xen has no `linux` line at all.
    let xen = "menuentry 'Xen' {\n\tmultiboot2 /boot/xen.gz\n\tmodule2 /boot/vmlinuz-1 root=UUID=aa-1\n}\n";
    check(
        &[BIOS, FSTAB, ("/boot/grub/grub.cfg", xen)],
        expect![[r#"
            /boot/grub/grub.cfg: (nothing) => iommu=pt
              blocked by /boot/grub/grub.cfg: /boot/grub/grub.cfg was not generated: it has no line `### BEGIN /etc/grub.d/…`. Add the kernel parameters to its lines; or move it away, and have it generated
            next: first in /boot/grub/grub.cfg, and no other is set as default takes "Xen", which starts no kernel of this host
        "#]],
    );
}

#[test]
fn entries_count_by_the_kernel_they_load_and_not_by_the_script_that_made_them() {
    let converged = || {
        expect![[r#"
            /etc/default/grub: converged
            /boot/grub/grub.cfg: converged
        "#]]
    };
    let shown = |script: &str, kernel: &str, expect: Expect| {
        let menu = format!(
            "### BEGIN /etc/grub.d/{script} ###\nmenuentry 'Linux' {{\n\tlinux /boot/{kernel} ro iommu=pt\n}}\n"
        );
        let tree =
            Tree::new(&[UBUNTU, BOOTED, DEFAULTS, KERNEL, MODULES, BIOS, ("/boot/grub/grub.cfg", &menu)]);
        let view = tree.view();
        let boot = detect(&view).unwrap().bootloader;
        expect.assert_eq(&show(&view, &boot.cmdline(&view, &edit(&["iommu=pt"]))));
    };
    for script in
        ["10_linux", "50_linux", "25_linux", "31_linux_proxy", "10_linux_zfs", "40_custom", "07_mine"]
    {
        shown(script, "vmlinuz-1", converged());
    }
    for kernel in ["vmlinuz-1.efi.signed", "vmlinuz-1.signed"] {
        shown("10_linux", kernel, converged());
    }
    shown(
        "10_linux",
        "vmlinuz-2",
        expect![[r#"
            /etc/default/grub: converged
            /boot/grub/grub.cfg: no entry for 1 => every entry: iommu=pt
              then boot configuration
        "#]],
    );
}
