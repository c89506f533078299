//! Boot entries, the environment block and what later kernels get.

use expect_test::{Expect, expect};
use hoststate_core::formats::grubenv::GrubEnv;
use hoststate_core::mechanism::distro::Bootloader;

use super::Bls;
use hoststate_testkit::tree::Tree;

use crate::testing::{edit, predict, show};

mod later;

const ENTRY: &str = "/boot/loader/entries/m-5.14.0-70.el9.x86_64.conf";
const NEWER: &str = "/boot/loader/entries/m-5.14.0-427.el9.x86_64.conf";
const RESCUE: &str = "/boot/loader/entries/m-0-rescue.conf";
const ENV: &str = "/boot/grub2/grubenv";

fn check(files: &[(&str, &str)], words: &[&str], expect: Expect) {
    let bls = Bls { grubenv: ENV.into(), grub_cfg: "/boot/grub2/grub.cfg".into() };
    let tree = Tree::new(files);
    let mut view = tree.view();
    let wanted = edit(words);
    let settings = bls.cmdline(&view, &wanted);
    let shown = show(&view, &settings);
    expect.assert_eq(&shown);
    let Ok(settings) = settings else { return };
    predict(&mut view, &settings);
    let again = show(&view, &bls.cmdline(&view, &wanted));
    assert!(shown.contains("blocked") || !again.contains("write "), "{again}");
    assert!(shown.contains("blocked") || bls.future(&view).unwrap().satisfies(&wanted));
    let entries = bls.entries(&view).unwrap();
    let lacking = |it: &&hoststate_core::mechanism::distro::BootEntry| {
        let line = hoststate_core::formats::kernel_cmdline::Cmdline::parse(&it.cmdline);
        !it.recovery && !line.satisfies(&wanted)
    };
    assert!(shown.contains("blocked") || entries.iter().find(lacking).is_none(), "{entries:?}");
}

fn block(variables: &[(&str, &str)]) -> String {
    let mut block = GrubEnv::parse("");
    for (name, value) in variables {
        block.set(name, value).unwrap();
    }
    block.to_block().unwrap()
}

fn entry(version: &str, options: &str) -> String {
    format!("title Linux {version}\nversion {version}\nlinux /vmlinuz-{version}\n{options}grub_class el\n")
}

#[test]
fn literal_options_are_edited_in_every_entry_but_the_rescue_one() {
    let (old, new) = (
        entry("5.14.0-70", "options root=a ro quiet\n"),
        entry("5.14.0-427", "options root=b ro $tuned_params\n"),
    );
    let rescue = entry("0-rescue-m", "options root=a ro\n");
    let files = [(ENTRY, old.as_str()), (NEWER, &new), (RESCUE, &rescue)];
    check(
        &files,
        &["intel_iommu=on", "iommu=pt"],
        expect![[r#"
        /boot/loader/entries/m-5.14.0-70.el9.x86_64.conf: root=a ro quiet => root=a ro quiet intel_iommu=on iommu=pt
          write /boot/loader/entries/m-5.14.0-70.el9.x86_64.conf (127 bytes)
            -options root=a ro quiet
            +options root=a ro quiet intel_iommu=on iommu=pt
        /boot/loader/entries/m-5.14.0-427.el9.x86_64.conf: root=b ro => root=b ro intel_iommu=on iommu=pt
          write /boot/loader/entries/m-5.14.0-427.el9.x86_64.conf (138 bytes)
            -options root=b ro $tuned_params
            +options root=b ro $tuned_params intel_iommu=on iommu=pt
        /etc/kernel/cmdline: (nothing) => root=b ro $tuned_params intel_iommu=on iommu=pt
          write /etc/kernel/cmdline (48 bytes)
            +root=b ro $tuned_params intel_iommu=on iommu=pt
    "#]],
    );
    let with = [
        files.as_slice(),
        &[
            ("/etc/kernel/cmdline", "root=a\nro quiet\n"),
            ("/etc/default/grub", "GRUB_CMDLINE_LINUX=\"rhgb quiet\"\n"),
        ],
    ]
    .concat();
    check(
        &with,
        &["intel_iommu=on", "root=a", "-quiet"],
        expect![[r#"
            /boot/loader/entries/m-5.14.0-70.el9.x86_64.conf: root=a ro quiet => root=a ro intel_iommu=on
              write /boot/loader/entries/m-5.14.0-70.el9.x86_64.conf (112 bytes)
                -options root=a ro quiet
                +options root=a ro intel_iommu=on
            /boot/loader/entries/m-5.14.0-427.el9.x86_64.conf: root=b ro => root=a ro intel_iommu=on
              write /boot/loader/entries/m-5.14.0-427.el9.x86_64.conf (129 bytes)
                -options root=b ro $tuned_params
                +options root=a ro $tuned_params intel_iommu=on
            /etc/default/grub: rhgb quiet => rhgb intel_iommu=on
              write /etc/default/grub (41 bytes)
                -GRUB_CMDLINE_LINUX="rhgb quiet"
                +GRUB_CMDLINE_LINUX="rhgb intel_iommu=on"
            /etc/kernel/cmdline: root=a ro quiet => root=a ro intel_iommu=on
              write /etc/kernel/cmdline (25 bytes)
                -ro quiet
                +ro intel_iommu=on
        "#]],
    );
}

#[test]
fn kernelopts_is_edited_where_entries_refer_to_it() {
    let both = (
        entry("4.18.0-1", "options $kernelopts $tuned_params\n"),
        entry("4.18.0-2", "options $kernelopts iommu=pt\n"),
    );
    let env =
        block(&[("saved_entry", "x"), ("kernelopts", "root=a ro quiet "), ("tuned_params", "isolcpus=1")]);
    let files = [(ENTRY, both.0.as_str()), (NEWER, &both.1), (ENV, &env)];
    check(
        &files,
        &["iommu=pt"],
        expect![[r#"
            /boot/grub2/grubenv: root=a ro quiet => root=a ro quiet iommu=pt
              write /boot/grub2/grubenv (1024 bytes)
                -kernelopts=root=a ro quiet 
                -
                +kernelopts=root=a ro quiet iommu=pt 
                +
            /boot/loader/entries/m-5.14.0-70.el9.x86_64.conf: converged
            /boot/loader/entries/m-5.14.0-427.el9.x86_64.conf: root=a ro quiet iommu=pt => root=a ro quiet iommu=pt
              write /boot/loader/entries/m-5.14.0-427.el9.x86_64.conf (96 bytes)
                -options $kernelopts iommu=pt
                +options $kernelopts
        "#]],
    );
    check(
        &files,
        &["-quiet"],
        expect![[r#"
            /boot/grub2/grubenv: root=a ro quiet => root=a ro
              write /boot/grub2/grubenv (1024 bytes)
                -kernelopts=root=a ro quiet 
                -
                +kernelopts=root=a ro 
                +
            /boot/loader/entries/m-5.14.0-70.el9.x86_64.conf: converged
            /boot/loader/entries/m-5.14.0-427.el9.x86_64.conf: converged
        "#]],
    );
    check(
        &files[1..],
        &["iommu=pt"],
        expect![[r#"
            /boot/grub2/grubenv: root=a ro quiet => root=a ro quiet iommu=pt
              write /boot/grub2/grubenv (1024 bytes)
                -kernelopts=root=a ro quiet 
                -
                +kernelopts=root=a ro quiet iommu=pt 
                +
            /boot/loader/entries/m-5.14.0-427.el9.x86_64.conf: root=a ro quiet iommu=pt => root=a ro quiet iommu=pt
              write /boot/loader/entries/m-5.14.0-427.el9.x86_64.conf (96 bytes)
                -options $kernelopts iommu=pt
                +options $kernelopts
        "#]],
    );
    check(
        &files,
        &["isolcpus=1"],
        expect![[r#"
            /boot/grub2/grubenv: root=a ro quiet => root=a ro quiet isolcpus=1
              write /boot/grub2/grubenv (1024 bytes)
                -kernelopts=root=a ro quiet 
                -
                +kernelopts=root=a ro quiet isolcpus=1 
                +
            /boot/loader/entries/m-5.14.0-70.el9.x86_64.conf: root=a ro quiet isolcpus=1 => isolcpus=1
              blocked by /boot/grub2/grubenv: `$tuned_params` in the environment block holds parameters that would have to change
            /boot/loader/entries/m-5.14.0-427.el9.x86_64.conf: converged
        "#]],
    );
    check(
        &files,
        &["-isolcpus"],
        expect![[r#"
            /boot/loader/entries/m-5.14.0-70.el9.x86_64.conf: root=a ro quiet isolcpus=1 => without isolcpus
              blocked by /boot/grub2/grubenv: `$tuned_params` in the environment block holds parameters that would have to change
            /boot/loader/entries/m-5.14.0-427.el9.x86_64.conf: converged
        "#]],
    );
}

#[test]
fn a_linked_environment_block_and_the_fallback_in_grub_cfg_are_found() {
    let one = entry("4.18.0-1", "options $kernelopts\n");
    let env = block(&[("kernelopts", "root=a ro")]);
    let linked = [
        (ENTRY, one.as_str()),
        ("/boot/grub2/grubenv -> ../efi/EFI/centos/grubenv", ""),
        ("/boot/efi/EFI/centos/grubenv", &env),
    ];
    check(
        &linked,
        &["iommu=pt"],
        expect![[r#"
        /boot/grub2/grubenv: root=a ro => root=a ro iommu=pt
          write /boot/grub2/grubenv (1024 bytes)
            -kernelopts=root=a ro
            -
            +kernelopts=root=a ro iommu=pt
            +
        /boot/loader/entries/m-5.14.0-70.el9.x86_64.conf: converged
    "#]],
    );
    let cfg = "if [ -z \"${kernelopts}\" ]; then\n  set kernelopts=\"root=c ro \"\nfi\nblscfg\n";
    check(
        &[(ENTRY, &one), ("/boot/grub2/grub.cfg", cfg)],
        &["iommu=pt"],
        expect![[r#"
            /boot/grub2/grubenv: root=c ro => root=c ro iommu=pt
              write /boot/grub2/grubenv (1024 bytes)
                +# GRUB Environment Block
                +kernelopts=root=c ro iommu=pt 
                +
            /boot/loader/entries/m-5.14.0-70.el9.x86_64.conf: converged
        "#]],
    );
    let none = entry("4.18.0-1", "");
    check(
        &[(ENTRY, &none), (ENV, &env)],
        &["iommu=pt"],
        expect![[r#"
        /boot/grub2/grubenv: root=a ro => root=a ro iommu=pt
          write /boot/grub2/grubenv (1024 bytes)
            -kernelopts=root=a ro
            -
            +kernelopts=root=a ro iommu=pt
            +
        /boot/loader/entries/m-5.14.0-70.el9.x86_64.conf: converged
    "#]],
    );
}

#[test]
fn entries_that_grub_reads_differently_are_made_clear() {
    let tab = entry("1", "options\troot=x quiet\n");
    check(
        &[(ENTRY, &tab), ("/etc/kernel/cmdline", "iommu=pt")],
        &["iommu=pt"],
        expect![[r#"
        /boot/loader/entries/m-5.14.0-70.el9.x86_64.conf: root=x quiet => root=x quiet iommu=pt
          write /boot/loader/entries/m-5.14.0-70.el9.x86_64.conf (85 bytes)
            -options	root=x quiet
            +options root=x quiet iommu=pt
        /etc/kernel/cmdline: converged
    "#]],
    );
    let two = entry("1", "\noptions root=x\noptions quiet\n");
    check(
        &[(ENTRY, &two), ("/etc/kernel/cmdline", "iommu=pt")],
        &["iommu=pt"],
        expect![[r#"
        /boot/loader/entries/m-5.14.0-70.el9.x86_64.conf: root=x quiet => root=x quiet iommu=pt
          write /boot/loader/entries/m-5.14.0-70.el9.x86_64.conf (86 bytes)
            -options root=x
            -options quiet
            +options root=x quiet iommu=pt
        /etc/kernel/cmdline: converged
    "#]],
    );
}

#[test]
fn what_does_not_fit_or_cannot_be_written_is_an_error() {
    let one = entry("4.18.0-1", "options $kernelopts\n");
    let env = block(&[("kernelopts", "root=a ro"), ("x", &"y".repeat(900))]);
    check(
        &[(ENTRY, &one), (ENV, &env)],
        &[&format!("z={}", "z".repeat(100))],
        expect![[r#"
        error: /boot/grub2/grubenv: the environment block needs 1052 bytes and has 1024
        hint: Shorten kernelopts, or unset variables nobody uses with `grub2-editenv - unset NAME`.
    "#]],
    );
    let literal = entry("1", "options root=a\n");
    check(
        &[(ENTRY, &literal)],
        &["memmap=4G$4G"],
        expect![[r#"
        error: the kernel parameter `memmap=4G$4G` cannot be given through GRUB: boot entries have no way to write a dollar sign
        hint: Write the parameter without quotes, backslashes and dollar signs, if its meaning allows.
    "#]],
    );
    check(
        &[(ENTRY, &literal)],
        &[&format!("z={}", "z".repeat(2040))],
        expect![[r#"
        error: the command line of `/boot/loader/entries/m-5.14.0-70.el9.x86_64.conf` would have 2072 bytes, the kernel keeps 2048
        hint: Shorten it: the kernel cuts off the end without a message, and that is where new parameters are.
    "#]],
    );
    check(
        &[(RESCUE, &literal)],
        &["iommu=pt"],
        expect![[r#"
        /boot/loader/entries: (nothing) => iommu=pt
          blocked: there is no boot entry except for rescue; reinstall the kernel package
    "#]],
    );
}

#[test]
fn the_next_boot_is_the_saved_entry_or_the_newest() {
    let bls = Bls { grubenv: ENV.into(), grub_cfg: "/boot/grub2/grub.cfg".into() };
    let cfg = "if [ -s $prefix/grubenv ]; then\n load_env\nfi\nif [ \"${next_entry}\" ]; then\n set \
               default=\"${next_entry}\"\n set next_entry=\n save_env next_entry\nelse\n set \
               default=\"${saved_entry}\"\nfi\nsearch --fs-uuid --set=boot \
               1\ninsmod blscfg\nblscfg\nmenuentry 'Other system' {\n chainloader \
               /EFI/other.efi\n}\n";
    let files = [
        (ENTRY, entry("5.14.0-70", "")),
        (NEWER, entry("5.14.0-427", "")),
        (RESCUE, entry("0-rescue-m", "")),
    ];
    let mut shown = String::new();
    for variables in [
        &[][..],
        &[("saved_entry", "m-5.14.0-70.el9.x86_64")],
        &[("saved_entry", "Linux 5.14.0-70")],
        &[("saved_entry", "2")],
        &[("saved_entry", "m-gone")],
        &[("saved_entry", "Other system")],
        &[("saved_entry", "3")],
        &[("saved_entry", "m-5.14.0-427.el9.x86_64"), ("next_entry", "m-0-rescue")],
    ] {
        let tree = Tree::new(&[("/boot/grub2/grub.cfg", cfg), (ENV, &block(variables))]);
        for (path, text) in &files {
            tree.write(path, text);
        }
        let view = tree.view();
        let entries = bls.entries(&view).unwrap();
        let next = bls.next_boot(&view, &entries).unwrap();
        let title = next.entry.map(|it| entries[it].title.clone());
        shown += &format!("{title:?} once {}: {}\n", next.once, next.because);
    }
    expect![[r#"
        Some("Linux 5.14.0-427") once false: `default` is empty in /boot/grub2/grub.cfg:9, so the first entry is taken
        Some("Linux 5.14.0-70") once false: saved_entry=m-5.14.0-70.el9.x86_64 in /boot/grub2/grubenv
        Some("Linux 5.14.0-70") once false: saved_entry=Linux 5.14.0-70 in /boot/grub2/grubenv
        Some("Linux 0-rescue-m") once false: saved_entry=2 in /boot/grub2/grubenv
        Some("Linux 5.14.0-427") once false: saved_entry=m-gone in /boot/grub2/grubenv names no entry, so the first is taken
        None once false: saved_entry=Other system in /boot/grub2/grubenv takes "Other system", which starts no kernel of this host
        None once false: saved_entry=3 in /boot/grub2/grubenv takes "Other system", which starts no kernel of this host
        Some("Linux 0-rescue-m") once true: next_entry=m-0-rescue in /boot/grub2/grubenv
    "#]].assert_eq(&shown);
}
