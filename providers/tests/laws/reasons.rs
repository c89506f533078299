//! Why a device will be on a driver: what the chain says, and what the next boot then makes of it.

use expect_test::{Expect, expect};
use hoststate_abi::host_view::HostView;
use hoststate_core::host::Host;
use hoststate_core::machine::pci_bus::{self, PciDevice};
use hoststate_core::why::chain::{self, Question};
use hoststate_testkit::tree::Tree;

use crate::lab::{Kind, Lab};

const SOFTDEP: (&str, &str) = ("/etc/modprobe.d/01-gpu.conf", "softdep nouveau pre: vfio-pci\n");
const IDS: (&str, &str) = ("/etc/modprobe.d/zz-gpu.conf", "options vfio-pci ids=10de:0ffc\n");
const HELD: (&str, &str) = ("/etc/dracut.conf.d/x.conf", "add_drivers+=\" nouveau vfio-pci \"\n");
const FORCED: (&str, &str) = ("/etc/dracut.conf.d/x.conf", "force_drivers+=\" vfio-pci \"\n");

/// A host whose images, made with `inside`, may lack what was written into the root file system `after` that.
fn host(inside: &[(&str, &str)], after: &[(&str, &str)]) -> Lab {
    let newest = "/lib/modules/6.1.0-3/modules.alias";
    let aliases = (newest, "alias pci:v000010DEd00000FFCsv*sd*bc*sc*i* nouveau\n");
    let lab = Lab::with(Kind::DebianDracut, &[&[aliases], inside].concat());
    for (path, text) in after {
        lab.host.tree().write(path, text);
    }
    lab
}

fn display(view: &HostView) -> PciDevice {
    let address = "0000:01:00.0".parse().expect("an address");
    pci_bus::device(view, address).expect("a readable tree").expect("the display")
}

/// Shows the links about loading and the conclusion, then the driver after a boot.
#[track_caller]
fn check(lab: &Lab, expected: Expect) {
    let view = lab.host.view();
    let device = display(&view);
    let question = Question { wanted: Some("vfio-pci".to_owned()), ..Question::default() };
    let chain = chain::chain(&view, &lab.distro, &device, question).expect("a chain");
    let mut text = String::new();
    for link in chain.links.iter().filter(|it| ["loaded first", "bound by"].contains(&it.what.as_str())) {
        text.push_str(&format!("{:?} {}: {}\n", link.standing, link.what, link.finding));
        link.evidence.iter().for_each(|it| text.push_str(&format!("    {it}\n")));
    }
    lab.host.reboot();
    let device = display(&lab.host.view());
    text.push_str(&format!("{}\nbooted: {}\n", chain.conclusion, device.driver.unwrap_or_default()));
    expected.assert_eq(&text);
}

#[test]
fn a_softdep_of_the_root_file_system_is_none_for_what_the_image_loads() {
    check(
        &host(&[HELD, IDS], &[SOFTDEP]),
        expect![[r#"
            Blocks loaded first: nouveau loads before vfio-pci, and vfio-pci takes no device that has a driver; rebuild the image with `dracut --force /boot/initrd.img-6.1.0-3 6.1.0-3`
                /boot/initrd.img-6.1.0-3 holds nouveau, and lacks what the root file system has: /etc/modprobe.d/01-gpu.conf:1: softdep nouveau pre: vfio-pci
            Ok bound by: the next boot gives it to vfio-pci
                /etc/modprobe.d/zz-gpu.conf:1 gives 10de:0ffc to vfio-pci
            0000:01:00.0 will not be on vfio-pci: loaded first: nouveau loads before vfio-pci, and vfio-pci takes no device that has a driver; rebuild the image with `dracut --force /boot/initrd.img-6.1.0-3 6.1.0-3`.
            booted: nouveau
        "#]],
    );
}

#[test]
fn no_line_reaches_a_vfio_pci_that_is_built_in() {
    let builtin = ("/lib/modules/6.1.0-3/modules.builtin", "kernel/drivers/vfio/pci/vfio-pci.ko\n");
    check(
        &host(&[HELD], &[builtin, IDS]),
        expect![[r#"
            Ok loaded first: vfio-pci is loaded before nouveau
                vfio-pci is built in
                nothing loads nouveau before udev
            Blocks bound by: vfio-pci is built in, and no line of modprobe.d reaches it; vfio-pci.ids= on the kernel command line does
                /etc/modprobe.d/zz-gpu.conf:1 gives 10de:0ffc to vfio-pci
            0000:01:00.0 will not be on vfio-pci: bound by: vfio-pci is built in, and no line of modprobe.d reaches it; vfio-pci.ids= on the kernel command line does.
            booted: nouveau
        "#]],
    );
}

#[test]
fn a_softdep_in_the_image_counts_for_what_the_image_loads() {
    check(
        &host(&[HELD, IDS, SOFTDEP], &[]),
        expect![[r#"
        Ok loaded first: vfio-pci is loaded before nouveau
            /etc/modprobe.d/01-gpu.conf:1 in /boot/initrd.img-6.1.0-3: softdep nouveau pre: vfio-pci
        Ok bound by: the next boot gives it to vfio-pci
            /etc/modprobe.d/zz-gpu.conf:1 gives 10de:0ffc to vfio-pci
        0000:01:00.0 is on vfio-pci, as wanted.
        booted: vfio-pci
    "#]],
    );
}

#[test]
fn a_softdep_in_an_image_without_the_wanted_module_loads_nothing() {
    let only_rival = (HELD.0, "add_drivers+=\" nouveau \"\n");
    check(
        &host(&[only_rival, IDS, SOFTDEP], &[]),
        expect![[r#"
            Blocks loaded first: nouveau loads before vfio-pci, and vfio-pci takes no device that has a driver; declare initramfs_modules { modules = { "vfio-pci" } }
                /etc/modprobe.d/01-gpu.conf:1 in /boot/initrd.img-6.1.0-3: softdep nouveau pre: vfio-pci, and /boot/initrd.img-6.1.0-3 lacks vfio-pci
            Ok bound by: the next boot gives it to vfio-pci
                /etc/modprobe.d/zz-gpu.conf:1 gives 10de:0ffc to vfio-pci
            0000:01:00.0 will not be on vfio-pci: loaded first: nouveau loads before vfio-pci, and vfio-pci takes no device that has a driver; declare initramfs_modules { modules = { "vfio-pci" } }.
            booted: nouveau
        "#]],
    );
}

#[test]
fn a_softdep_of_the_root_file_system_counts_for_what_the_image_lacks() {
    check(
        &host(&[], &[SOFTDEP, IDS]),
        expect![[r#"
        Ok loaded first: vfio-pci is loaded before nouveau
            /etc/modprobe.d/01-gpu.conf:1: softdep nouveau pre: vfio-pci
        Ok bound by: the next boot gives it to vfio-pci
            /etc/modprobe.d/zz-gpu.conf:1 gives 10de:0ffc to vfio-pci
        0000:01:00.0 is on nouveau, and will be on vfio-pci after a boot.
        booted: vfio-pci
    "#]],
    );
}

#[test]
fn ids_of_the_root_file_system_are_none_for_a_module_that_the_image_loads() {
    check(
        &host(&[FORCED], &[IDS]),
        expect![[r#"
        Ok loaded first: vfio-pci is loaded before nouveau
            /boot/initrd.img-6.1.0-3 loads vfio-pci before udev
            nothing loads nouveau before udev
        Blocks bound by: /boot/initrd.img-6.1.0-3 loads vfio-pci without these ids; rebuild the image with `dracut --force /boot/initrd.img-6.1.0-3 6.1.0-3`
            /etc/modprobe.d/zz-gpu.conf:1 gives 10de:0ffc to vfio-pci
        0000:01:00.0 will not be on vfio-pci: bound by: /boot/initrd.img-6.1.0-3 loads vfio-pci without these ids; rebuild the image with `dracut --force /boot/initrd.img-6.1.0-3 6.1.0-3`.
        booted: nouveau
    "#]],
    );
}

#[test]
fn ids_in_the_image_count_for_a_module_that_the_image_loads() {
    check(
        &host(&[FORCED, IDS], &[]),
        expect![[r#"
        Ok loaded first: vfio-pci is loaded before nouveau
            /boot/initrd.img-6.1.0-3 loads vfio-pci before udev
            nothing loads nouveau before udev
        Ok bound by: the next boot gives it to vfio-pci
            /etc/modprobe.d/zz-gpu.conf:1 gives 10de:0ffc to vfio-pci
        0000:01:00.0 is on vfio-pci, as wanted.
        booted: vfio-pci
    "#]],
    );
}

#[test]
fn a_command_that_loads_nothing_keeps_a_module_away_and_another_may_do_what_it_likes() {
    let install = |command| [("/etc/modprobe.d/x.conf", command), IDS];
    check(
        &host(&[], &install("install nouveau /bin/false\n")),
        expect![[r#"
            Blocks loaded first: nouveau is held back, and nothing loads vfio-pci; declare modules_load { modules = { "vfio-pci" } }
                /etc/modprobe.d/x.conf:1: install nouveau /bin/false
            Ok bound by: the next boot gives it to vfio-pci
                /etc/modprobe.d/zz-gpu.conf:1 gives 10de:0ffc to vfio-pci
            0000:01:00.0 will not be on vfio-pci: loaded first: nouveau is held back, and nothing loads vfio-pci; declare modules_load { modules = { "vfio-pci" } }.
            booted: 
        "#]],
    );
    check(
        &host(&[], &install("install nouveau /bin/true; modprobe -i nouveau\n")),
        expect![[r#"
            Unknown loaded first: whether nouveau loads before vfio-pci is not known
                /etc/modprobe.d/x.conf:1: install nouveau /bin/true; modprobe -i nouveau, which may load what it likes
            Ok bound by: the next boot gives it to vfio-pci
                /etc/modprobe.d/zz-gpu.conf:1 gives 10de:0ffc to vfio-pci
            0000:01:00.0 will not be on vfio-pci after a boot: /etc/modprobe.d/x.conf:1: install nouveau /bin/true; modprobe -i nouveau; nouveau claims its ids; /etc/modprobe.d/zz-gpu.conf:1 wants vfio-pci, which nothing loads.
            booted: nouveau
        "#]],
    );
}

#[test]
fn a_blacklisted_rival_is_not_loaded_by_the_ids_of_the_device() {
    check(
        &host(&[], &[("/etc/modprobe.d/x.conf", "blacklist nouveau\n"), IDS]),
        expect![[r#"
            Blocks loaded first: nouveau is held back, and nothing loads vfio-pci; declare modules_load { modules = { "vfio-pci" } }
                /etc/modprobe.d/x.conf:1: blacklist nouveau
            Ok bound by: the next boot gives it to vfio-pci
                /etc/modprobe.d/zz-gpu.conf:1 gives 10de:0ffc to vfio-pci
            0000:01:00.0 will not be on vfio-pci: loaded first: nouveau is held back, and nothing loads vfio-pci; declare modules_load { modules = { "vfio-pci" } }.
            booted: 
        "#]],
    );
}

#[test]
fn an_image_that_cannot_be_read_says_nothing() {
    let lab = host(&[], &[SOFTDEP, IDS]);
    let tree: &Tree = lab.host.tree();
    tree.write("/boot/initrd.img-6.1.0-3", "no archive");
    let view = lab.host.view();
    let device = display(&view);
    let chain = chain::chain(&view, &lab.distro, &device, Question::default()).expect("a chain");
    let link = chain.links.iter().find(|it| it.what == "loaded first").expect("the link");
    expect![[r#"
        Unknown whether nouveau loads before vfio-pci is not known
        /boot/initrd.img-6.1.0-3, which may hold nouveau, cannot be read: unknown data at byte 0 of the image, neither a cpio archive nor a known compression
    "#]].assert_eq(&format!("{:?} {}\n{}\n", link.standing, link.finding, link.evidence.join("\n")));
}
