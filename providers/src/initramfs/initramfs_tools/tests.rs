//! Images of initramfs-tools, compared by what is inside.

use expect_test::{Expect, expect};
use hoststate_abi::setting::Setting;
use hoststate_core::error::Result;
use hoststate_core::formats::modprobe_conf::ModuleName;
use hoststate_core::mechanism::distro::{ImageContent, ImageFile, Initramfs};

use super::InitramfsTools;
use hoststate_testkit::initramfs::image;
use hoststate_testkit::tree::Tree;

use crate::testing::{predict, show};

const OLD: &str = "6.1.0-9-amd64";
const NEW: &str = "6.1.0-50-amd64";
const TEXT: &str = "options vfio-pci ids=10de:0ffc\n";
const FILE: (&str, &str) = ("etc/modprobe.d/zz-hoststate.conf", TEXT);
const LOADED: (&str, &str) = ("conf/modules", "vfio-pci\n");

fn host(modules: &str, builtin: &str, images: &[(&str, Vec<u8>)]) -> Tree {
    let tree = Tree::new(&[
        ("/etc/initramfs-tools/modules", "# mine\nloop max_loop=8\n"),
        ("/etc/modprobe.d/zz-hoststate.conf", TEXT),
    ]);
    for kernel in [OLD, NEW] {
        tree.write(format!("/boot/vmlinuz-{kernel}"), "");
        tree.write(format!("/lib/modules/{kernel}/modules.dep"), modules.as_bytes());
        tree.write(format!("/lib/modules/{kernel}/modules.builtin"), builtin.as_bytes());
    }
    for (kernel, bytes) in images {
        tree.write(format!("/boot/initrd.img-{kernel}"), bytes);
    }
    tree
}

fn ko(kernel: &str) -> String {
    format!("usr/lib/modules/{kernel}/kernel/drivers/vfio/pci/vfio-pci.ko.zst")
}

fn check(
    tree: &Tree,
    inspect: impl Fn(&hoststate_abi::host_view::HostView) -> Result<Vec<Setting>>,
    expect: Expect,
) {
    let mut view = tree.view();
    let settings = inspect(&view);
    expect.assert_eq(&show(&view, &settings));
    predict(&mut view, &settings.unwrap());
    let again = show(&view, &inspect(&view));
    assert!(!again.contains("write "), "{again}");
}

const DEP: &str = "kernel/drivers/vfio/pci/vfio-pci.ko: kernel/drivers/vfio/vfio.ko\n";
const BUILTIN: &str = "kernel/drivers/vfio/pci/vfio-pci.ko\n";

#[test]
fn an_image_must_have_the_very_text_and_the_modules() {
    let wanted = ImageContent {
        files: vec![ImageFile { path: "/etc/modprobe.d/zz-hoststate.conf".into(), is_edited: false }],
        modules: vec![ModuleName::parse("vfio-pci").unwrap()],
    };
    let contents = |view: &_| InitramfsTools.contents(view, &wanted);
    let (old, new) = (ko(OLD), ko(NEW));
    let good = vec![(OLD, image(&[FILE, (&old, "")])), (NEW, image(&[FILE, (&new, "")]))];
    check(
        &host(DEP, "", &good),
        contents,
        expect![[r#"
        /boot/initrd.img-6.1.0-50-amd64: converged
        /boot/initrd.img-6.1.0-9-amd64: converged
    "#]],
    );
    let stale = vec![
        (OLD, image(&[("etc/modprobe.d/zz-hoststate.conf", "options\n"), (&old, "")])),
        (NEW, image(&[])),
    ];
    check(
        &host(DEP, "", &stale),
        contents,
        expect![[r#"
            /boot/initrd.img-6.1.0-50-amd64: lacks etc/modprobe.d/zz-hoststate.conf; lacks the module vfio_pci => contains etc/modprobe.d/zz-hoststate.conf, vfio-pci
              then initramfs of 6.1.0-50-amd64
            /boot/initrd.img-6.1.0-9-amd64: has another etc/modprobe.d/zz-hoststate.conf => contains etc/modprobe.d/zz-hoststate.conf, vfio-pci
              then initramfs of 6.1.0-9-amd64
        "#]],
    );
    let mut cut = image(&[FILE, (&old, "")]);
    cut.truncate(180);
    check(
        &host(DEP, "", &[(OLD, cut)]),
        contents,
        expect![[r#"
            /boot/initrd.img-6.1.0-50-amd64: (nothing) => contains etc/modprobe.d/zz-hoststate.conf, vfio-pci
              then initramfs of 6.1.0-50-amd64
            /boot/initrd.img-6.1.0-9-amd64: the archive at byte 0 of the image is damaged: it ends too early => contains etc/modprobe.d/zz-hoststate.conf, vfio-pci
              then initramfs of 6.1.0-9-amd64
        "#]],
    );
    check(
        &host("", BUILTIN, &[(OLD, image(&[FILE])), (NEW, image(&[FILE]))]),
        contents,
        expect![[r#"
        /boot/initrd.img-6.1.0-50-amd64: converged
        /boot/initrd.img-6.1.0-9-amd64: converged
    "#]],
    );
    check(
        &host("", "", &good),
        contents,
        expect![[r#"
        /boot/initrd.img-6.1.0-50-amd64: (nothing) => contains vfio_pci
          blocked: kernel 6.1.0-50-amd64 has no module vfio_pci, neither built in nor below /lib/modules/6.1.0-50-amd64; install it, or leave it out
        /boot/initrd.img-6.1.0-9-amd64: (nothing) => contains vfio_pci
          blocked: kernel 6.1.0-9-amd64 has no module vfio_pci, neither built in nor below /lib/modules/6.1.0-9-amd64; install it, or leave it out
    "#]],
    );
}

#[test]
fn early_modules_are_listed_contained_and_loaded() {
    let wanted = [ModuleName::parse("vfio_pci").unwrap()];
    let early = |view: &_| InitramfsTools.early_modules(view, &wanted);
    let (old, new) = (ko(OLD), ko(NEW));
    let images = vec![(OLD, image(&[LOADED, (&old, "")])), (NEW, image(&[(&new, "")]))];
    check(
        &host(DEP, "", &images),
        early,
        expect![[r#"
        /etc/initramfs-tools/modules: loop => loop, vfio_pci
          write /etc/initramfs-tools/modules (32 bytes)
            +vfio_pci
        /boot/initrd.img-6.1.0-50-amd64: does not load vfio_pci => loads vfio_pci
          then initramfs of 6.1.0-50-amd64
        /boot/initrd.img-6.1.0-9-amd64: converged
    "#]],
    );
    check(
        &host("", BUILTIN, &[(OLD, image(&[])), (NEW, image(&[]))]),
        early,
        expect![[r#"
        /etc/initramfs-tools/modules: loop => loop, vfio_pci
          write /etc/initramfs-tools/modules (32 bytes)
            +vfio_pci
        /boot/initrd.img-6.1.0-50-amd64: converged
        /boot/initrd.img-6.1.0-9-amd64: converged
    "#]],
    );
    check(
        &host("kernel/loop.ko:\n", "", &images),
        early,
        expect![[r#"
        /etc/initramfs-tools/modules: loop => loop, vfio_pci
          write /etc/initramfs-tools/modules (32 bytes)
            +vfio_pci
        /boot/initrd.img-6.1.0-50-amd64: (nothing) => contains vfio_pci
          blocked: kernel 6.1.0-50-amd64 has no module vfio_pci, neither built in nor below /lib/modules/6.1.0-50-amd64; install it, or leave it out
        /boot/initrd.img-6.1.0-9-amd64: (nothing) => contains vfio_pci
          blocked: kernel 6.1.0-9-amd64 has no module vfio_pci, neither built in nor below /lib/modules/6.1.0-9-amd64; install it, or leave it out
    "#]],
    );
}

#[test]
fn update_initramfs_that_is_switched_off_blocks_what_it_would_have_to_do() {
    let wanted = ImageContent {
        files: vec![ImageFile { path: "/etc/modprobe.d/x.conf".into(), is_edited: false }],
        modules: Vec::new(),
    };
    let tree = host("", "", &[(OLD, image(&[]))]);
    tree.write("/etc/initramfs-tools/update-initramfs.conf", b"# all, yes, no\nupdate_initramfs=no\n");
    check(
        &tree,
        |view| InitramfsTools.contents(view, &wanted),
        expect![[r#"
        /boot/initrd.img-6.1.0-50-amd64: (nothing) => contains etc/modprobe.d/x.conf
          then initramfs of 6.1.0-50-amd64
        /boot/initrd.img-6.1.0-9-amd64: lacks etc/modprobe.d/x.conf => contains etc/modprobe.d/x.conf
          blocked by /etc/initramfs-tools/update-initramfs.conf:2: update_initramfs=no makes update-initramfs do nothing and report success; set it to yes
    "#]],
    );
}
