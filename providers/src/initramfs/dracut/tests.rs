//! dracut's configuration and images.

use expect_test::{Expect, expect};
use hoststate_abi::host_view::HostView;
use hoststate_abi::setting::Setting;
use hoststate_core::error::Result;
use hoststate_core::formats::modprobe_conf::ModuleName;
use hoststate_core::mechanism::distro::{Family, ImageContent, ImageFile, Initramfs};

use super::Dracut;
use hoststate_testkit::initramfs::image;
use hoststate_testkit::tree::Tree;

use crate::testing::{predict, show};

const KERNEL: &str = "5.14.0-70.el9.x86_64";
const TEXT: &str = "options vfio-pci ids=10de:0ffc\n";
const INSIDE: (&str, &str) = ("etc/modprobe.d/zz-hoststate.conf", TEXT);
const KO: (&str, &str) = ("usr/lib/modules/5.14.0-70.el9.x86_64/kernel/drivers/vfio/pci/vfio-pci.ko.xz", "");
const PRE: (&str, &str) =
    ("etc/cmdline.d/20-force_drivers.conf", "rd.driver.pre=vfio\nrd.driver.pre=vfio_pci\n");
const DEP: &str = "kernel/drivers/vfio/pci/vfio-pci.ko.xz: kernel/drivers/vfio/vfio.ko.xz\n";
const OTHER: &str = "/etc/dracut.conf.d/vfio.conf";

fn host(files: &[(&str, &str)], dep: &str, inside: &[(&str, &str)]) -> Tree {
    let tree = Tree::new(files);
    tree.write("/etc/modprobe.d/zz-hoststate.conf", TEXT);
    tree.write(format!("/boot/vmlinuz-{KERNEL}"), "");
    tree.write(format!("/lib/modules/{KERNEL}/modules.dep"), dep.as_bytes());
    tree.write(format!("/boot/initramfs-{KERNEL}.img"), image(inside));
    tree
}

fn check(tree: &Tree, inspect: impl Fn(&HostView) -> Result<Vec<Setting>>, expect: Expect) {
    let mut view = tree.view();
    let settings = inspect(&view);
    expect.assert_eq(&show(&view, &settings));
    predict(&mut view, &settings.unwrap());
    let again = show(&view, &inspect(&view));
    assert!(!again.contains("write "), "{again}");
}

const DRACUT: Dracut = Dracut { family: Family::Redhat };

#[test]
fn files_and_modules_are_named_in_the_configuration_and_looked_for_in_the_image() {
    let wanted = ImageContent {
        files: vec![ImageFile { path: "/etc/modprobe.d/zz-hoststate.conf".into(), is_edited: false }],
        modules: vec![ModuleName::parse("vfio-pci").unwrap()],
    };
    let contents = |view: &HostView| DRACUT.contents(view, &wanted);
    check(
        &host(&[], DEP, &[]),
        contents,
        expect![[r#"
            /etc/dracut.conf.d/zz-hoststate.conf: (nothing) => install_items: /etc/modprobe.d/zz-hoststate.conf; add_drivers: vfio-pci
              write /etc/dracut.conf.d/zz-hoststate.conf (79 bytes)
                +install_items+=" /etc/modprobe.d/zz-hoststate.conf "
                +add_drivers+=" vfio-pci "
            /boot/initramfs-5.14.0-70.el9.x86_64.img: lacks etc/modprobe.d/zz-hoststate.conf; lacks the module vfio_pci => contains etc/modprobe.d/zz-hoststate.conf, vfio-pci
              then initramfs of 5.14.0-70.el9.x86_64
        "#]],
    );
    let own =
        ("/etc/dracut.conf.d/zz-hoststate.conf", "install_items+=\" /etc/modprobe.d/zz-hoststate.conf \"\n");
    check(
        &host(&[own], DEP, &[INSIDE, KO]),
        contents,
        expect![[r#"
        /etc/dracut.conf.d/zz-hoststate.conf: converged
        /boot/initramfs-5.14.0-70.el9.x86_64.img: converged
    "#]],
    );
}

#[test]
fn early_modules_are_forced_and_loaded_before_udev() {
    let wanted = ["vfio", "vfio_pci"].map(|it| ModuleName::parse(it).unwrap());
    let dep = format!("{DEP}kernel/drivers/vfio/vfio.ko.xz:\n");
    let early = |view: &HostView| DRACUT.early_modules(view, &wanted);
    check(
        &host(&[], &dep, &[KO]),
        early,
        expect![[r#"
            /etc/dracut.conf.d/zz-hoststate.conf: (nothing) => force_drivers: vfio vfio_pci
              write /etc/dracut.conf.d/zz-hoststate.conf (33 bytes)
                +force_drivers+=" vfio vfio_pci "
            /boot/initramfs-5.14.0-70.el9.x86_64.img: lacks the module vfio; does not load vfio, vfio_pci => loads vfio, vfio_pci
              then initramfs of 5.14.0-70.el9.x86_64
        "#]],
    );
    let ko = ("lib/modules/5.14.0-70.el9.x86_64/vfio.ko", "");
    let forced = (OTHER, "force_drivers+=\" vfio vfio-pci \"\n");
    check(
        &host(&[forced], &dep, &[KO, ko, PRE]),
        early,
        expect![[r#"
            /etc/dracut.conf.d/zz-hoststate.conf: converged
            /boot/initramfs-5.14.0-70.el9.x86_64.img: converged
        "#]],
    );
    let glued = [
        (OTHER, "force_drivers+=\"drm\"\n"),
        ("/etc/dracut.conf.d/x.conf", "force_drivers+=\"vfio vfio_pci\"\n"),
    ];
    check(
        &host(&glued, &dep, &[KO, ko, PRE]),
        early,
        expect![[r#"
            /etc/dracut.conf.d/zz-hoststate.conf: force_drivers: drmvfio vfio_pci => force_drivers: drmvfio vfio_pci vfio
              write /etc/dracut.conf.d/zz-hoststate.conf (24 bytes)
                +force_drivers+=" vfio "
            /boot/initramfs-5.14.0-70.el9.x86_64.img: converged
        "#]],
    );
    let later = ("/etc/dracut.conf.d/zzz.conf", "force_drivers=\"drm\"\n");
    check(
        &host(&[later], &dep, &[KO, ko, PRE]),
        early,
        expect![[r#"
            /etc/dracut.conf.d/zz-hoststate.conf: (nothing) => force_drivers: vfio vfio_pci
              blocked by /etc/dracut.conf.d/zzz.conf:1: `vfio` does not stay in `force_drivers`, which is set again, or added to without a blank
            /boot/initramfs-5.14.0-70.el9.x86_64.img: converged
        "#]],
    );
    check(
        &host(&[], DEP, &[KO]),
        early,
        expect![[r#"
        /boot/initramfs-5.14.0-70.el9.x86_64.img: (nothing) => contains vfio
          blocked: kernel 5.14.0-70.el9.x86_64 has no module vfio, neither built in nor below /lib/modules/5.14.0-70.el9.x86_64; install it, or leave it out
    "#]],
    );
}

#[test]
fn the_image_is_the_one_that_the_boot_entry_names() {
    let named = |initrd: &str, directories: &[&str]| {
        let tree = Tree::new(&[]);
        let entry = format!("title Linux\nversion {KERNEL}\nlinux /vmlinuz\noptions ro\n{initrd}");
        tree.write(format!("/boot/loader/entries/m-{KERNEL}.conf"), entry);
        directories.iter().for_each(|it| tree.write(format!("{it}/linux"), ""));
        let rebuild = DRACUT.rebuild(&tree.view(), KERNEL).unwrap();
        assert_eq!(rebuild[2], DRACUT.image(&tree.view(), KERNEL).unwrap().display().to_string());
        rebuild[2].replace(KERNEL, "RELEASE")
    };
    let usual = "/boot/initramfs-RELEASE.img";
    let own = format!("initrd /m/{KERNEL}/initrd\n");
    let (in_boot, in_root) = (format!("/boot/m/{KERNEL}"), format!("/m/{KERNEL}"));
    assert_eq!(named(&own, &[&in_boot, &in_root]), "/boot/m/RELEASE/initrd");
    assert_eq!(named(&own, &[&in_root]), "/m/RELEASE/initrd");
    assert_eq!(named(&own, &[]), usual);
    assert_eq!(named("", &[]), usual);
    assert_eq!(named(&format!("initrd /initramfs-{KERNEL}.img $tuned_initrd\n"), &[]), usual);
    assert_eq!(named(&format!("initrd /boot/initramfs-{KERNEL}.img\n"), &[]), usual);
    assert_eq!(named(&format!("initrd /ucode.img\n{own}"), &[&in_boot]), "/boot/m/RELEASE/initrd");
    assert_eq!(named("initrd /one.img /two.img\n", &[]), usual);
}
