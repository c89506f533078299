//! What kernels installed later get, and what tuned gives them.

use expect_test::{Expect, expect};
use hoststate_core::mechanism::distro::Bootloader;
use hoststate_testkit::tree::Tree;

use super::{ENTRY, ENV, NEWER, block, check, entry};
use crate::bootloader::bls::Bls;

const CMDLINE: &str = "/etc/kernel/cmdline";
const TUNED: &str = "/usr/lib/kernel/install.d/92-tuned.install";

fn later(files: &[(&str, &str)]) -> String {
    let bls = Bls { grubenv: ENV.into(), grub_cfg: "/boot/grub2/grub.cfg".into() };
    bls.later(&Tree::new(files).view()).unwrap().cmdline.to_string()
}

#[test]
fn later_kernels_get_what_kernel_install_reads() {
    let (old, new) = (entry("5.14.0-70", "options root=a ro\n"), entry("5.14.0-427", "options root=b ro\n"));
    let entries = [(ENTRY, old.as_str()), (NEWER, &new)];
    let with = |more: &[(&str, &str)]| later(&[&entries, more].concat());
    assert_eq!(with(&[]), "root=b ro");
    assert_eq!(with(&[("/usr/lib/kernel/cmdline", "root=v ro\n")]), "root=v ro");
    assert_eq!(
        with(&[(CMDLINE, "root=/dev/loop0p2\n ro\n"), ("/usr/lib/kernel/cmdline", "root=v\n")]),
        "root=/dev/loop0p2 ro"
    );
    let tuned = block(&[("tuned_params", "nohz_full=1")]);
    assert_eq!(with(&[(CMDLINE, "root=c\n"), (TUNED, ""), (ENV, &tuned)]), "root=c nohz_full=1");
    let kernelopts = block(&[("kernelopts", "root=k ro")]);
    let refers = entry("5.14.0-427", "options $kernelopts\n");
    assert_eq!(later(&[(NEWER, &refers), (ENV, &kernelopts), (CMDLINE, "root=c\n")]), "root=k ro");
}

fn source(names: &[(&str, &str)], expect: Expect) {
    let texts: Vec<(String, String)> = names
        .iter()
        .map(|(name, title)| {
            let options = format!("options root=a ro {}\n", title.replace(' ', "."));
            let text = entry("5.14.0-503.el9.x86_64", &options);
            (
                format!("/boot/loader/entries/{name}.conf"),
                text.replacen("title Linux", &format!("title {title}"), 1),
            )
        })
        .collect();
    let files: Vec<(&str, &str)> = texts.iter().map(|it| (it.0.as_str(), it.1.as_str())).collect();
    expect.assert_eq(&later(&files));
}

#[test]
fn an_entry_for_debugging_or_a_copy_is_no_source_for_later_kernels() {
    let kernel = "m-5.14.0-503.el9.x86_64";
    source(
        &[(kernel, "plain"), ("m-5.14.0-503.el9.x86_64~debug", "with debugging")],
        expect!["root=a ro plain"],
    );
    source(&[(kernel, "plain"), ("zz-admin", "a copy")], expect!["root=a ro plain"]);
    source(&[(kernel, "plain"), ("z-5.14.0-503.el9.x86_64", "with debugging")], expect!["root=a ro plain"]);
}

#[test]
fn where_every_entry_is_for_repair_later_kernels_are_not() {
    let text = entry("5.14.0-427", "options root=a ro single systemd.log_level=debug $tuned_params\n");
    check(
        &[(NEWER, &text)],
        &["iommu=pt"],
        expect![[r#"
            /boot/loader/entries/m-5.14.0-427.el9.x86_64.conf: root=a ro single systemd.log_level=debug => root=a ro single systemd.log_level=debug iommu=pt
              write /boot/loader/entries/m-5.14.0-427.el9.x86_64.conf (154 bytes)
                -options root=a ro single systemd.log_level=debug $tuned_params
                +options root=a ro single systemd.log_level=debug $tuned_params iommu=pt
            /etc/kernel/cmdline: (nothing) => root=a ro $tuned_params iommu=pt
              write /etc/kernel/cmdline (33 bytes)
                +root=a ro $tuned_params iommu=pt
        "#]],
    );
    assert_eq!(later(&[(NEWER, &text), (ENV, &block(&[("tuned_params", "nohz=on")]))]), "root=a ro nohz=on");
}

#[test]
fn entries_are_the_kernels_own_by_whatever_token_they_are_named() {
    // kernel-install(8): /etc/kernel/entry-token in place of the machine's number.
    let kernel = "5.14.0-503.el9.x86_64";
    for token in ["el", "zz-Host_1"] {
        let (plain, copy) = (format!("{token}-{kernel}"), format!("{token}-{kernel}-old"));
        source(&[(&plain, "plain"), (&copy, "a copy"), ("zzz", "another")], expect!["root=a ro plain"]);
    }
}

#[test]
fn what_tuned_gives_is_nowhere_a_second_time() {
    let tuned = block(&[("tuned_params", "nohz_full=2-15 hugepagesz=1G hugepages=32")]);
    let options = "options root=a ro $tuned_params\n";
    let clean = entry("5.14.0-427", options);
    let words = ["nohz_full=2-15", "hugepagesz=1G", "hugepages=32"];
    let files = |entry: &'static str, main: &'static str, later: &'static str| {
        [(NEWER, entry), ("/etc/default/grub", main), (CMDLINE, later), (TUNED, "")]
    };
    let check = |files: &[(&str, &str)], expect| check(&[files, &[(ENV, &tuned)]].concat(), &words, expect);
    check(
        &[
            (NEWER, &clean),
            ("/etc/default/grub", "GRUB_CMDLINE_LINUX=\"\"\n"),
            (CMDLINE, "root=a ro\n"),
            (TUNED, ""),
        ],
        expect![[r#"
            /boot/loader/entries/m-5.14.0-427.el9.x86_64.conf: converged
            /etc/default/grub: converged
            /etc/kernel/cmdline: converged
        "#]],
    );
    check(
        &files(
            "title x\nversion 5.14.0-427\nlinux /vmlinuz-5.14.0-427\noptions root=a ro nohz_full=2-15 hugepagesz=1G hugepages=32 $tuned_params\n",
            "GRUB_CMDLINE_LINUX=\"quiet nohz_full=2-15\"\n",
            "root=a ro hugepagesz=1G hugepages=32\n",
        ),
        expect![[r#"
            /boot/loader/entries/m-5.14.0-427.el9.x86_64.conf: root=a ro nohz_full=2-15 hugepagesz=1G hugepages=32 nohz_full=2-15 hugepagesz=1G hugepages=32 => root=a ro nohz_full=2-15 hugepagesz=1G hugepages=32
              write /boot/loader/entries/m-5.14.0-427.el9.x86_64.conf (85 bytes)
                -options root=a ro nohz_full=2-15 hugepagesz=1G hugepages=32 $tuned_params
                +options root=a ro $tuned_params
            /etc/default/grub: quiet nohz_full=2-15 => quiet
              write /etc/default/grub (27 bytes)
                -GRUB_CMDLINE_LINUX="quiet nohz_full=2-15"
                +GRUB_CMDLINE_LINUX="quiet"
            /etc/kernel/cmdline: root=a ro hugepagesz=1G hugepages=32 => root=a ro
              write /etc/kernel/cmdline (10 bytes)
                -root=a ro hugepagesz=1G hugepages=32
                +root=a ro
        "#]],
    );
}

#[test]
fn a_second_options_line_stays() {
    let text = entry("5.14.0-427", "options root=a ro\noptions console=ttyS0\n");
    check(
        &[(NEWER, &text), (CMDLINE, "root=a ro\n")],
        &["iommu=pt"],
        expect![[r#"
        /boot/loader/entries/m-5.14.0-427.el9.x86_64.conf: root=a ro => root=a ro iommu=pt
          write /boot/loader/entries/m-5.14.0-427.el9.x86_64.conf (131 bytes)
            -options root=a ro
            +options root=a ro iommu=pt
        /etc/kernel/cmdline: root=a ro => root=a ro iommu=pt
          write /etc/kernel/cmdline (19 bytes)
            -root=a ro
            +root=a ro iommu=pt
    "#]],
    );
}
