//! Stanzas of grub.conf.

use expect_test::{Expect, expect};
use hoststate_core::mechanism::distro::Bootloader;

use super::GrubLegacy;
use hoststate_testkit::tree::Tree;

use crate::testing::{edit, predict, show};

const CONF: &str = "default=1\ntimeout=5\ntitle Xen\n\troot (hd0,0)\n\tkernel /xen.gz dom0_mem=1G\n\tmodule /vmlinuz-2.6.32-1 ro root=/dev/sda1\n\
    title CentOS (2.6.32-2)\n\tkernel /vmlinuz-2.6.32-2 ro root=/dev/sda1 rhgb quiet\n\tinitrd /initramfs-2.6.32-2.img\n\
    title Other\n\trootnoverify (hd0,1)\n\tchainloader +1\n";

fn check(text: &str, words: &[&str], expect: Expect) {
    let tree = Tree::new(&[("/boot/grub/grub.conf", text)]);
    let mut view = tree.view();
    let grub = GrubLegacy { conf: "/boot/grub/grub.conf".into() };
    let wanted = edit(words);
    let settings = grub.cmdline(&view, &wanted);
    expect.assert_eq(&show(&view, &settings));
    if let Ok(settings) = settings {
        predict(&mut view, &settings);
        let again = show(&view, &grub.cmdline(&view, &wanted));
        assert!(!again.contains("write "), "{again}");
        assert!(again.contains("blocked") || grub.future(&view).unwrap().satisfies(&wanted));
    }
}

#[test]
fn every_stanza_that_boots_linux_is_edited() {
    check(
        CONF,
        &["intel_iommu=on"],
        expect![[r#"
        /boot/grub/grub.conf: ro root=/dev/sda1 rhgb quiet => ro root=/dev/sda1 rhgb quiet intel_iommu=on
          write /boot/grub/grub.conf (307 bytes)
            -	module /vmlinuz-2.6.32-1 ro root=/dev/sda1
            -	kernel /vmlinuz-2.6.32-2 ro root=/dev/sda1 rhgb quiet
            +	module /vmlinuz-2.6.32-1 ro root=/dev/sda1 intel_iommu=on
            +	kernel /vmlinuz-2.6.32-2 ro root=/dev/sda1 rhgb quiet intel_iommu=on
    "#]],
    );
    check(
        CONF,
        &["ro", "-dom0_mem"],
        expect![[r#"
        /boot/grub/grub.conf: converged
    "#]],
    );
}

#[test]
fn what_legacy_grub_cannot_pass_is_refused() {
    check(
        CONF,
        &["a=\"b c\""],
        expect![[r#"
        error: the kernel parameter `a="b c"` cannot be given through GRUB legacy, which does not know quotes
        hint: Write it without blanks, quotes and backslashes.
    "#]],
    );
    check(
        "title Other\nchainloader +1\n",
        &["iommu=pt"],
        expect![[r#"
        /boot/grub/grub.conf: (nothing) => iommu=pt
          blocked by /boot/grub/grub.conf: no stanza boots Linux
    "#]],
    );
}

#[test]
fn the_next_boot_is_the_default_stanza() {
    let grub = GrubLegacy { conf: "/boot/grub/grub.conf".into() };
    let mut shown = String::new();
    for (default, saved) in
        [("default=1", ""), ("default=2", ""), ("", ""), ("default saved", "1\n#\n"), ("default saved", "")]
    {
        let tree = Tree::new(&[
            ("/boot/grub/grub.conf", &CONF.replace("default=1", default)),
            ("/boot/grub/default", saved),
        ]);
        let view = tree.view();
        let next = grub.next_boot(&view, &[]).unwrap();
        let title = next.entry.map(|it| grub.entries(&view).unwrap()[it].title.clone());
        shown += &format!("{title:?}: {}\n", next.because);
    }
    expect![[r#"
        Some("CentOS (2.6.32-2)"): default=1 in /boot/grub/grub.conf
        None: default=2 in /boot/grub/grub.conf, which boots no Linux
        Some("Xen"): first in /boot/grub/grub.conf, which sets no default
        Some("CentOS (2.6.32-2)"): 1 in /boot/grub/default, by default=saved in /boot/grub/grub.conf
        None: default=saved in /boot/grub/grub.conf, and /boot/grub/default holds no number
    "#]]
    .assert_eq(&shown);
}
