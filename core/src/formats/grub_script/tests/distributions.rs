//! Tests of menus as distributions write them.

use expect_test::expect;

use super::*;
use crate::formats::rpm_order;

/// Plays a boot and the one after it.
fn twice(start: &Start, disk: &TestDisk, expect: Expect) {
    let first = play(start, disk);
    let mut lines = all(&first);
    let next = first.worlds[0].next(start);
    lines += &format!("-- then\n{}", all(&play(&next, disk)));
    expect.assert_eq(&lines);
}

fn host(config: &str, variables: &str, kernels: &[&str]) -> TestDisk {
    let environment = block(variables);
    let mut disk = TestDisk::new(&[("(hd0)/grub/grub.cfg", config), ("(hd0)/grub/grubenv", &environment)]);
    for kernel in kernels {
        disk.0.insert(format!("(hd0,gpt2){kernel}"), "x".to_owned());
    }
    disk
}

const DEBIAN: &str = include_str!("menus/debian-12.cfg");

#[test]
fn debian_boots_its_first_entry_until_another_is_saved() {
    let kernels = ["/boot/vmlinuz-6.1.0-25-amd64", "/boot/initrd.img-6.1.0-25-amd64"];
    twice(
        &start(Family::Upstream),
        &host(DEBIAN, "", &kernels),
        expect![[r#"
        "Debian GNU/Linux" :77 by first for "" of :11
        :85 linux [/boot/vmlinuz-6.1.0-25-amd64] [root=UUID=3c5e1f0a-0b1d-4f6e-9a77-0f3f2d1c5b6a] [ro] [quiet] [intel_iommu=on]
        :87 initrd [/boot/initrd.img-6.1.0-25-amd64]
        -- then
        "Debian GNU/Linux" :77 by first for "" of :11
        :85 linux [/boot/vmlinuz-6.1.0-25-amd64] [root=UUID=3c5e1f0a-0b1d-4f6e-9a77-0f3f2d1c5b6a] [ro] [quiet] [intel_iommu=on]
        :87 initrd [/boot/initrd.img-6.1.0-25-amd64]
    "#]],
    );
    let saved = "saved_entry=gnulinux-advanced-3c5e1f0a-0b1d-4f6e-9a77-0f3f2d1c5b6a>gnulinux-6.1.0-25-amd64-recovery-3c5e1f0a\nnext_entry=2\n";
    let mut disk = host(DEBIAN, saved, &kernels);
    disk.0.insert("(hd0,gpt1)/EFI/Microsoft/Boot/bootmgfw.efi".to_owned(), "x".to_owned());
    twice(
        &start(Family::Upstream),
        &disk,
        expect![[r#"
        "Windows Boot Manager (on /dev/nvme0n1p1)" :103 by default "2" of (hd0)/grub/grubenv:3 next_entry
        :107 chainloader [/EFI/Microsoft/Boot/bootmgfw.efi]
        (hd0)/grub/grubenv Some("saved_entry=gnulinux-advanced-3c5e1f0a-0b1d-4f6e-9a77-0f3f2d1c5b6a>gnulinux-6.1.0-25-amd64-recovery-3c5e1f0a\nnext_entry=\n")
        -- then
        "Advanced options for Debian GNU/Linux" :89 by default "gnulinux-advanced-3c5e1f0a-0b1d-4f6e-9a77-0f3f2d1c5b6a>gnulinux-6.1.0-25-amd64-recovery-3c5e1f0a" of (hd0)/grub/grubenv:2 saved_entry
        "Debian GNU/Linux, with Linux 6.1.0-25-amd64 (recovery mode)" :96 by default "gnulinux-6.1.0-25-amd64-recovery-3c5e1f0a" of (hd0)/grub/grubenv:2 saved_entry
        :99 linux [/boot/vmlinuz-6.1.0-25-amd64] [root=UUID=3c5e1f0a-0b1d-4f6e-9a77-0f3f2d1c5b6a] [ro] [single]
        :100 initrd [/boot/initrd.img-6.1.0-25-amd64]
    "#]],
    );
}

#[test]
fn debian_reads_custom_cfg_last() {
    let kernels = ["/boot/vmlinuz-6.1.0-25-amd64", "/boot/initrd.img-6.1.0-25-amd64"];
    let mut disk = host(DEBIAN, "saved_entry=0\n", &kernels);
    let custom = "set default=mine\nmenuentry Mine --id mine { linux /k mine=1\n}\n";
    disk.0.insert("(hd0)/grub/custom.cfg".to_owned(), custom.to_owned());
    twice(
        &start(Family::Upstream),
        &disk,
        expect![[r#"
        "Mine" (hd0)/grub/custom.cfg:2 by default "mine" of (hd0)/grub/custom.cfg:1
        (hd0)/grub/custom.cfg:2 linux [/k] [mine=1]
        -- then
        "Mine" (hd0)/grub/custom.cfg:2 by default "mine" of (hd0)/grub/custom.cfg:1
        (hd0)/grub/custom.cfg:2 linux [/k] [mine=1]
    "#]],
    );
}

#[test]
fn ubuntu_boots_without_initramfs_first_and_with_it_after_a_failure() {
    let kernels = ["/boot/vmlinuz-5.15.0-119-generic", "/boot/initrd.img-5.15.0-119-generic"];
    let disk = host(include_str!("menus/ubuntu-22.04.cfg"), "", &kernels);
    twice(
        &start(Family::Upstream),
        &disk,
        expect![[r#"
            "Ubuntu" :113 by default "0" of :21
            :128 linux [/boot/vmlinuz-5.15.0-119-generic] [root=PARTUUID=5d0f-02] [ro] [quiet] [splash] [vt.handoff=7] [panic=-1]
            (hd0)/grub/grubenv Some("recordfail=1\ninitrdfail=1\n")
            -- then
            "Ubuntu" :113 by default "0" of :21
            :124 linux [/boot/vmlinuz-5.15.0-119-generic] [root=PARTUUID=5d0f-02] [ro] [quiet] [splash]
            :125 initrd [/boot/initrd.img-5.15.0-119-generic]
            (hd0)/grub/grubenv Some("recordfail=1\ninitrdfail=1\nprev_entry=\ninitrdless_boot_fallback_triggered=1\n")
        "#]],
    );
}

#[test]
fn ubuntu_on_bios_may_know_the_graphics_card() {
    let kernels = ["/boot/vmlinuz-5.15.0-119-generic"];
    let mut disk = host(include_str!("menus/ubuntu-22.04.cfg"), "", &kernels);
    disk.0.insert("(hd0)/grub/gfxblacklist.txt".to_owned(), "v15add\n".to_owned());
    let mut start = start(Family::Upstream);
    start.platform = "pc".to_owned();
    let played = play(&start, &disk);
    assert!(played.certain().is_none());
    let divide = played.divide().map(|it| (it.what.as_str(), place(&it.place)));
    expect![[r#"Some(("`[ $match = 0 ]` succeeds", ":97"))"#]].assert_eq(&format!("{divide:?}"));
    let line = |it: &World| match &it.end {
        End::Boot(boot) => boot.command_line(),
        _ => String::new(),
    };
    let lines: Vec<String> = played.worlds.iter().map(line).collect();
    expect![[r#"
        root=PARTUUID=5d0f-02 ro quiet splash vt.handoff=7 panic=-1
        root=PARTUUID=5d0f-02 ro quiet splash panic=-1"#]]
    .assert_eq(&lines.join("\n"));
}

#[test]
fn centos_7_boots_with_what_tuned_adds() {
    let disk = host(
        include_str!("menus/centos-7.cfg"),
        "saved_entry=CentOS Linux (3.10.0-1160.el7.x86_64) 7 (Core)\n",
        &[],
    );
    twice(
        &start(Family::Upstream),
        &disk,
        expect![[r#"
        "CentOS Linux (3.10.0-1160.el7.x86_64) 7 (Core)" :48 by default "CentOS Linux (3.10.0-1160.el7.x86_64) 7 (Core)" of (hd0)/grub/grubenv:2 saved_entry
        :60 linux16 [/k-3.10.0-1160.el7.x86_64] [root=/dev/mapper/centos-root] [ro] [crashkernel=auto] [rhgb] [quiet] [skew_tick=1] [isolcpus=2] [LANG=en_US.UTF-8]
        :61 initrd16 [/i-3.10.0-1160.el7.x86_64.img]
        -- then
        "CentOS Linux (3.10.0-1160.el7.x86_64) 7 (Core)" :48 by default "CentOS Linux (3.10.0-1160.el7.x86_64) 7 (Core)" of (hd0)/grub/grubenv:2 saved_entry
        :60 linux16 [/k-3.10.0-1160.el7.x86_64] [root=/dev/mapper/centos-root] [ro] [crashkernel=auto] [rhgb] [quiet] [skew_tick=1] [isolcpus=2] [LANG=en_US.UTF-8]
        :61 initrd16 [/i-3.10.0-1160.el7.x86_64.img]
    "#]],
    );
}

const EL_9: &str = include_str!("menus/el-9.cfg");

fn boot_entry(version: &str, options: &str) -> String {
    format!(
        "title Rocky Linux ({version}) 9.4\nversion {version}\nlinux /k-{version}\ninitrd /i-{version}.img $tuned_initrd\noptions {options}\ngrub_users $grub_users\ngrub_arg --unrestricted\ngrub_class rocky\n"
    )
}

fn el_9(variables: &str, entries: &[(&str, &str)]) -> TestDisk {
    let mut disk = host(EL_9, variables, &[]);
    for (name, text) in entries {
        disk.0.insert(format!("(hd0,gpt3)/boot/loader/entries/{name}.conf"), (*text).to_owned());
    }
    disk
}

const MACHINE: &str = "36a4c1d2e3f405162738495a6b7c8d9e";

#[test]
fn el_9_boots_the_saved_entry_though_its_id_begins_with_a_number() {
    let old = boot_entry("5.14.0-362.el9.x86_64", "root=/dev/mapper/rl-root ro $tuned_params");
    let new = boot_entry("5.14.0-427.el9.x86_64", "root=/dev/mapper/rl-root ro $kernelopts $unset quiet");
    let rescue = boot_entry("0-rescue", "root=/dev/mapper/rl-root ro");
    let id = |version: &str| format!("{MACHINE}-{version}");
    let (old_id, new_id, rescue_id) =
        (id("5.14.0-362.el9.x86_64"), id("5.14.0-427.el9.x86_64"), id("0-rescue"));
    let entries = [(old_id.as_str(), old.as_str()), (&new_id, &new), (&rescue_id, &rescue)];
    let disk = el_9(&format!("saved_entry={old_id}\nboot_success=1\n"), &entries);
    let played = play(&start(Family::RedHat), &disk);
    let titles: Vec<&str> = played.worlds[0].menus[0].entries.iter().map(|it| it.title.as_str()).collect();
    expect![[r#"
        [
            "Rocky Linux (5.14.0-427.el9.x86_64) 9.4",
            "Rocky Linux (5.14.0-362.el9.x86_64) 9.4",
            "Rocky Linux (0-rescue) 9.4",
            "UEFI Firmware Settings",
        ]"#]]
    .assert_eq(&format!("{titles:#?}"));
    twice(
        &start(Family::RedHat),
        &disk,
        expect![[r#"
        "Rocky Linux (5.14.0-362.el9.x86_64) 9.4" (hd0,gpt3)/boot/loader/entries/36a4c1d2e3f405162738495a6b7c8d9e-5.14.0-362.el9.x86_64.conf:3 by default "36a4c1d2e3f405162738495a6b7c8d9e-5.14.0-362.el9.x86_64" of (hd0)/grub/grubenv:2 saved_entry
        (hd0,gpt3)/boot/loader/entries/36a4c1d2e3f405162738495a6b7c8d9e-5.14.0-362.el9.x86_64.conf:3 linux [(hd0,gpt3)/k-5.14.0-362.el9.x86_64] [root=/dev/mapper/rl-root] [ro] [skew_tick=1] [isolcpus=2-7]
        (hd0,gpt3)/boot/loader/entries/36a4c1d2e3f405162738495a6b7c8d9e-5.14.0-362.el9.x86_64.conf:3 initrd [(hd0,gpt3)/i-5.14.0-362.el9.x86_64.img]
        (hd0)/grub/grubenv Some("saved_entry=36a4c1d2e3f405162738495a6b7c8d9e-5.14.0-362.el9.x86_64\nboot_success=0\nboot_indeterminate=0\n")
        -- then
        "Rocky Linux (5.14.0-362.el9.x86_64) 9.4" (hd0,gpt3)/boot/loader/entries/36a4c1d2e3f405162738495a6b7c8d9e-5.14.0-362.el9.x86_64.conf:3 by default "36a4c1d2e3f405162738495a6b7c8d9e-5.14.0-362.el9.x86_64" of (hd0)/grub/grubenv:2 saved_entry
        (hd0,gpt3)/boot/loader/entries/36a4c1d2e3f405162738495a6b7c8d9e-5.14.0-362.el9.x86_64.conf:3 linux [(hd0,gpt3)/k-5.14.0-362.el9.x86_64] [root=/dev/mapper/rl-root] [ro] [skew_tick=1] [isolcpus=2-7]
        (hd0,gpt3)/boot/loader/entries/36a4c1d2e3f405162738495a6b7c8d9e-5.14.0-362.el9.x86_64.conf:3 initrd [(hd0,gpt3)/i-5.14.0-362.el9.x86_64.img]
        (hd0)/grub/grubenv Some("saved_entry=36a4c1d2e3f405162738495a6b7c8d9e-5.14.0-362.el9.x86_64\nboot_success=0\nboot_indeterminate=0\n")
    "#]],
    );
    let disk = el_9("boot_indeterminate=1\nkernelopts=rhgb \"x y\"\nnext_entry=2\n", &entries);
    twice(
        &start(Family::RedHat),
        &disk,
        expect![[r#"
        "Rocky Linux (0-rescue) 9.4" (hd0,gpt3)/boot/loader/entries/36a4c1d2e3f405162738495a6b7c8d9e-0-rescue.conf:3 by default "2" of (hd0)/grub/grubenv:4 next_entry
        (hd0,gpt3)/boot/loader/entries/36a4c1d2e3f405162738495a6b7c8d9e-0-rescue.conf:3 linux [(hd0,gpt3)/k-0-rescue] [root=/dev/mapper/rl-root] [ro]
        (hd0,gpt3)/boot/loader/entries/36a4c1d2e3f405162738495a6b7c8d9e-0-rescue.conf:3 initrd [(hd0,gpt3)/i-0-rescue.img]
        (hd0)/grub/grubenv Some("boot_indeterminate=2\nkernelopts=rhgb \"x y\"\nnext_entry=\nboot_success=0\n")
        -- then
        "Rocky Linux (5.14.0-427.el9.x86_64) 9.4" (hd0,gpt3)/boot/loader/entries/36a4c1d2e3f405162738495a6b7c8d9e-5.14.0-427.el9.x86_64.conf:3 by first for "" of :14
        (hd0,gpt3)/boot/loader/entries/36a4c1d2e3f405162738495a6b7c8d9e-5.14.0-427.el9.x86_64.conf:3 linux [(hd0,gpt3)/k-5.14.0-427.el9.x86_64] [root=/dev/mapper/rl-root] [ro] [rhgb] [x y] [quiet]
        (hd0,gpt3)/boot/loader/entries/36a4c1d2e3f405162738495a6b7c8d9e-5.14.0-427.el9.x86_64.conf:3 initrd [(hd0,gpt3)/i-5.14.0-427.el9.x86_64.img]
        (hd0)/grub/grubenv Some("boot_indeterminate=2\nkernelopts=rhgb \"x y\"\nnext_entry=\nboot_success=0\n")
    "#]],
    );
}

#[test]
fn el_9_counts_boots_that_did_not_succeed() {
    let entry = boot_entry("5.14.0-427.el9.x86_64", "ro");
    let disk = el_9("boot_counter=1\nboot_success=0\n", &[("a-1-2", &entry), ("a-1-1", &entry)]);
    twice(
        &start(Family::RedHat),
        &disk,
        expect![[r#"
        "Rocky Linux (5.14.0-427.el9.x86_64) 9.4" (hd0,gpt3)/boot/loader/entries/a-1-2.conf:3 by first for "" of :14
        (hd0,gpt3)/boot/loader/entries/a-1-2.conf:3 linux [(hd0,gpt3)/k-5.14.0-427.el9.x86_64] [ro]
        (hd0,gpt3)/boot/loader/entries/a-1-2.conf:3 initrd [(hd0,gpt3)/i-5.14.0-427.el9.x86_64.img]
        (hd0)/grub/grubenv Some("boot_counter=0\nboot_success=0\n")
        -- then
        "Rocky Linux (5.14.0-427.el9.x86_64) 9.4" (hd0,gpt3)/boot/loader/entries/a-1-1.conf:3 by default "1" of :49
        (hd0,gpt3)/boot/loader/entries/a-1-1.conf:3 linux [(hd0,gpt3)/k-5.14.0-427.el9.x86_64] [ro]
        (hd0,gpt3)/boot/loader/entries/a-1-1.conf:3 initrd [(hd0,gpt3)/i-5.14.0-427.el9.x86_64.img]
        (hd0)/grub/grubenv Some("boot_counter=-1\nboot_success=0\n")
    "#]],
    );
}

#[test]
fn boot_entries_stop_at_an_empty_line_and_take_default_kernelopts() {
    let files = [
        ("(hd0)/loader/entries/a.conf", "# c\ntitle A\n  linux /k-a\n\noptions lost\n"),
        ("(hd0)/loader/entries/b.conf", "title B\nlinux /k-b\noptions\tlost quiet\n"),
        ("(hd0)/loader/entries/c~debug.conf", "title C~\nlinux /k-c\noptions x=1;y 'a b'\noptions second\n"),
        ("(hd0)/loader/entries/c.conf", "linux /k-c\ninitrd /i-1\ninitrd /i-2\n"),
        ("(hd0)/loader/entries/.hidden.conf", "linux /k-h\n"),
        ("(hd0)/loader/entries/none.conf", "title no kernel\n"),
    ];
    let config = |default: &str| {
        format!("set timeout=0\nset default_kernelopts=\"from default\"\nblscfg\nset default='{default}'\n")
    };
    let mut shown = String::new();
    for default in ["a", "b", "c", "C~"] {
        let mut disk = TestDisk::new(&files);
        disk.0.insert("(hd0)/grub/grub.cfg".to_owned(), config(default));
        shown += &all(&play(&start(Family::RedHat), &disk));
    }
    expect![[r#"
        "A" (hd0)/loader/entries/a.conf:3 by default "a" of :4
        (hd0)/loader/entries/a.conf:3 linux [(hd0)/k-a] [from] [default]
        "B" (hd0)/loader/entries/b.conf:2 by default "b" of :4
        (hd0)/loader/entries/b.conf:2 linux [(hd0)/k-b] [from] [default]
        "/k-c" (hd0)/loader/entries/c.conf:1 by default "c" of :4
        (hd0)/loader/entries/c.conf:1 linux [(hd0)/k-c] [from] [default]
        (hd0)/loader/entries/c.conf:1 initrd [(hd0)/i-1] [(hd0)/i-2]
        "C~" (hd0)/loader/entries/c~debug.conf:2 by default "C~" of :4
        (hd0)/loader/entries/c~debug.conf:2 linux [(hd0)/k-c] [x=1]
    "#]]
    .assert_eq(&shown);
}

#[test]
fn entries_are_sorted_as_packages_are() {
    let newer = [
        ("m-5.14.0-427.el9.x86_64", "m-5.14.0-70.el9.x86_64"),
        ("m-6.10.1-100.fc40.x86_64", "m-6.9.12-200.fc40.x86_64"),
        ("m-5.14.0-427.13.1.el9_4.x86_64", "m-5.14.0-427.el9.x86_64"),
        ("m-5.14.0-1", "m-5.14.0-1~debug"),
        ("m-5.14.0-1", "m-0-rescue"),
        ("b-1-1", "a-9-9"),
        ("m-1-1a", "m-1-1"),
        ("m-1-10", "m-1-a"),
        ("m-1-010", "m-1-9"),
    ];
    for (left, right) in newer {
        assert_eq!(rpm_order::entries(left, right), std::cmp::Ordering::Greater, "{left} {right}");
        assert_eq!(rpm_order::entries(right, left), std::cmp::Ordering::Less, "{right} {left}");
    }
    assert_eq!(rpm_order::entries("a-1-1", "a-1-01"), std::cmp::Ordering::Equal);
}
