//! The entry of the next boot, where it is none that hoststate or the distribution's tool changes.

use expect_test::{Expect, expect};

use crate::after_boot::{PARAMETER, boot, converged};
use crate::support::Tree;

/// A host whose generated entries have all that is wanted, which has `head` above its menu and `tail` below.
fn host(head: &str, tail: &str) -> Tree {
    let tree = converged(PARAMETER);
    let generated = "### BEGIN /etc/grub.d/10_linux ###\nmenuentry 'New' --id new {\n linux /vmlinuz-2 ro intel_iommu=on\n \
                     initrd /initrd-2\n}\nmenuentry 'New (recovery mode)' --id repair {\n linux /vmlinuz-2 ro recovery \
                     nomodeset\n}\n### END /etc/grub.d/10_linux ###\n### BEGIN /etc/grub.d/40_custom ###\n";
    tree.write(
        "root/boot/grub/grub.cfg",
        &format!("{head}{generated}{tail}### END /etc/grub.d/40_custom ###\n"),
    );
    tree
}

/// What `plan`, `verify` and `converge` say of it.
fn check(tree: &Tree, expected: Expect) {
    let files = tree.files();
    let plan = tree.run("plan playbook.json --root root --detailed-exitcode");
    let converge = tree.run("converge playbook.json --root root --yes --detailed-exitcode");
    let verify = tree.run("verify playbook.json --root root");
    assert!(tree.files() == files, "a host with nothing to do was changed");
    assert_eq!((plan.status, converge.status), (verify.status, verify.status), "{plan}{converge}");
    expected.assert_eq(&verify.to_string());
}

const LAB: &str = "menuentry 'Lab' --id lab {\n linux /vmlinuz-2 ro\n}\n";

#[test]
fn an_entry_that_no_step_touches_is_named_before_the_boot() {
    check(
        &host("set default=lab\n", LAB),
        expect![[r#"
        drift    kernel_cmdline "iommu" (playbook.json:1): /proc/cmdline: (absent) -> intel_iommu=on
        drift    kernel_cmdline "iommu" (playbook.json:1): the next boot, "Lab": lacks intel_iommu=on -> has everything that is wanted
        Not at the next boot: the next boot takes "Lab" (/boot/grub/grub.cfg:13; default=lab in /boot/grub/grub.cfg:1), which lacks intel_iommu=on, and hoststate does not change that entry; make another entry the default, or give it the parameters there.
        Not in the desired state: 2 of 4 settings differ.
        exit 2
    "#]],
    );
}

#[test]
fn so_it_is_where_the_running_kernel_has_what_is_wanted() {
    let tree = host("set default=lab\n", LAB);
    boot(&tree, "2", "2", "ro intel_iommu=on");
    check(
        &tree,
        expect![[r#"
        drift    kernel_cmdline "iommu" (playbook.json:1): the next boot, "Lab": lacks intel_iommu=on -> has everything that is wanted
        Not at the next boot: the next boot takes "Lab" (/boot/grub/grub.cfg:13; default=lab in /boot/grub/grub.cfg:1), which lacks intel_iommu=on, and hoststate does not change that entry; make another entry the default, or give it the parameters there.
        Not in the desired state: 1 of 4 settings differ.
        exit 2
    "#]],
    );
}

#[test]
fn an_entry_for_repair_is_one_that_lacks_it() {
    check(
        &host("set default=repair\n", ""),
        expect![[r#"
        drift    kernel_cmdline "iommu" (playbook.json:1): /proc/cmdline: (absent) -> intel_iommu=on
        drift    kernel_cmdline "iommu" (playbook.json:1): the next boot, "New (recovery mode)": lacks intel_iommu=on -> has everything that is wanted
        Not at the next boot: the next boot takes "New (recovery mode)" (/boot/grub/grub.cfg:8; default=repair in /boot/grub/grub.cfg:1), which lacks intel_iommu=on; make another entry the default, or give it the parameters there.
        Not in the desired state: 2 of 4 settings differ.
        exit 2
    "#]],
    );
}

#[test]
fn another_system_is_no_boot_of_this_host() {
    check(
        &host("set default=1\nmenuentry 'Windows' {\n chainloader +1\n}\n", ""),
        expect![[r#"
            reboot   kernel_cmdline "iommu" (playbook.json:1): /proc/cmdline: (absent) -> intel_iommu=on
            Not rebooted yet: the host has not been booted since run RUN.
            Nothing is left but a reboot, for 1 of 3 settings.
            exit 3
        "#]],
    );
    check(
        &host("set default=0\nmenuentry 'Windows' {\n chainloader +1\n}\n", ""),
        expect![[r#"
            drift    kernel_cmdline "iommu" (playbook.json:1): /proc/cmdline: (absent) -> intel_iommu=on
            drift    kernel_cmdline "iommu" (playbook.json:1): the next boot, "Windows": boots no Linux of this host -> has everything that is wanted
            Not at the next boot: default=0 in /boot/grub/grub.cfg:1 takes "Windows", which starts no kernel of this host; make an entry of this host the default.
            Not in the desired state: 2 of 4 settings differ.
            exit 2
        "#]],
    );
}

#[test]
fn an_entry_for_one_boot_is_told_as_such() {
    let head = "load_env\nif [ \"${next_entry}\" ] ; then\n set default=\"${next_entry}\"\n set next_entry=\n save_env next_entry\nelse\n set default=new\nfi\n";
    let tree = host(head, LAB);
    check(
        &tree,
        expect![[r#"
            reboot   kernel_cmdline "iommu" (playbook.json:1): /proc/cmdline: (absent) -> intel_iommu=on
            Not rebooted yet: the host has not been booted since run RUN.
            Nothing is left but a reboot, for 1 of 3 settings.
            exit 3
        "#]],
    );
    let block = format!("{:#<1024}", "# GRUB Environment Block\nnext_entry=lab\n");
    tree.write("root/boot/grub/grubenv", &block);
    check(
        &tree,
        expect![[r#"
            drift    kernel_cmdline "iommu" (playbook.json:1): /proc/cmdline: (absent) -> intel_iommu=on
            drift    kernel_cmdline "iommu" (playbook.json:1): the next boot, "Lab": lacks intel_iommu=on -> has everything that is wanted
            Not at the next boot: the next boot takes "Lab" (/boot/grub/grub.cfg:20; for one boot only, next_entry=lab in /boot/grub/grubenv), which lacks intel_iommu=on, and hoststate does not change that entry; make another entry the default, or give it the parameters there.
            Not in the desired state: 2 of 4 settings differ.
            exit 2
        "#]],
    );
}

#[test]
fn where_every_entry_would_do_it_does_not_matter_which_it_is() {
    let tree = host("if [ -f (hd1)/marker ]; then\n set default=lab\nfi\n", "");
    check(
        &tree,
        expect![[r#"
            reboot   kernel_cmdline "iommu" (playbook.json:1): /proc/cmdline: (absent) -> intel_iommu=on
            Not rebooted yet: the host has not been booted since run RUN.
            Nothing is left but a reboot, for 1 of 3 settings.
            exit 3
        "#]],
    );
    let tree = host("if [ -f (hd1)/marker ]; then\n set default=lab\nfi\n", LAB);
    check(
        &tree,
        expect![[r#"
            drift    kernel_cmdline "iommu" (playbook.json:1): /proc/cmdline: (absent) -> intel_iommu=on
            drift    kernel_cmdline "iommu" (playbook.json:1): the next boot: unknown: "Lab" lacks intel_iommu=on -> has everything that is wanted
            Not at the next boot: which entry boots next is unknown: which entry is taken depends on whether (hd1)/marker exists (/boot/grub/grub.cfg:1); "Lab" (/boot/grub/grub.cfg:15) lacks intel_iommu=on.
            Not in the desired state: 2 of 4 settings differ.
            exit 2
        "#]],
    );
}

#[test]
fn the_plan_says_what_the_next_boot_is() {
    let tree = host("set default=new\n", LAB);
    let json = tree.run("plan playbook.json --root root --format json");
    let plan: serde_json::Value = serde_json::from_str(&json.stdout).expect("JSON");
    expect![[r#"
        {
          "devices": [],
          "entry": {
            "decided_by": "default=new in /boot/grub/grub.cfg:1",
            "file": "/boot/grub/grub.cfg",
            "line": 4,
            "title": "New"
          },
          "image": "/initrd-2",
          "kernel": "2",
          "parameters": [
            {
              "origin": "/boot/grub/grub.cfg:4",
              "text": "ro"
            },
            {
              "origin": "/etc/default/grub.d/zz-hoststate.cfg:2",
              "text": "intel_iommu=on"
            }
          ]
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&plan["next_boot"]).expect("JSON"));
}

#[test]
fn a_driver_that_comes_too_late_is_promised_to_nobody() {
    let host = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/hosts/ubuntu-24.04.host");
    let ids = r#"{"type":"vfio_pci_ids","ids":["10de:0ffc"],"file":"00-gpu.conf"}"#;
    let softdep = r#"{"type":"modprobe_softdep","module":"nouveau","pre":["vfio-pci"]}"#;
    let modules = r#"{"type":"initramfs_modules","modules":["vfio_pci"]}"#;
    let mut out = String::new();
    for declarations in [ids.to_owned(), format!("{ids},{modules}"), format!("{ids},{modules},{softdep}")] {
        let tree = Tree::with(&declarations);
        let json = tree.run(&format!("plan playbook.json --capture {host} --format json"));
        let plan: serde_json::Value = serde_json::from_str(&json.stdout).expect("JSON");
        for device in plan["next_boot"]["devices"].as_array().expect("devices") {
            out.push_str(&format!("{device}\n"));
        }
        for finding in plan["after_boot"].as_array().into_iter().flatten() {
            out.push_str(&format!("  {}\n", finding["reason"]));
        }
        let why = tree.run(&format!("why 01:00.0 playbook.json --capture {host}"));
        out.push_str(why.stdout.lines().last().unwrap_or_default());
        out.push('\n');
        out.push('\n');
    }
    expect![[r#"
        {"address":"0000:01:00.0","because":["nouveau claims its ids","/etc/modprobe.d/00-gpu.conf:1 wants vfio-pci, which nothing loads"],"certainty":"certain","next":"nouveau","now":"nouveau","stage":"image_udev"}
          "0000:01:00.0 will not be on vfio-pci after a boot: nouveau takes it by udev in the initramfs image (nouveau claims its ids; /etc/modprobe.d/00-gpu.conf:1 wants vfio-pci, which nothing loads)"
        0000:01:00.0 is on nouveau, and nothing on this host gives it to vfio-pci yet: converge the playbook. Even so it will not be on vfio-pci after a boot: nouveau claims its ids; /etc/modprobe.d/00-gpu.conf:1 wants vfio-pci, which nothing loads.

        {"address":"0000:01:00.0","because":["nouveau claims its ids","/etc/modprobe.d/00-gpu.conf:1 wants vfio-pci, which comes later"],"certainty":"certain","next":"nouveau","now":"nouveau","stage":"image_udev"}
          "0000:01:00.0 will not be on vfio-pci after a boot: nouveau takes it by udev in the initramfs image (nouveau claims its ids; /etc/modprobe.d/00-gpu.conf:1 wants vfio-pci, which comes later)"
        0000:01:00.0 is on nouveau, and nothing on this host gives it to vfio-pci yet: converge the playbook. Even so it will not be on vfio-pci after a boot: nouveau claims its ids; /etc/modprobe.d/00-gpu.conf:1 wants vfio-pci, which comes later.

        {"address":"0000:01:00.0","because":["/etc/modprobe.d/01-hoststate.conf:1 in /boot/initrd.img-6.8.0-45-generic: softdep nouveau pre: vfio-pci","/etc/modprobe.d/00-gpu.conf:1 in /boot/initrd.img-6.8.0-45-generic gives 10de:0ffc to vfio-pci"],"certainty":"certain","next":"vfio-pci","now":"nouveau","stage":"image_udev"}
        0000:01:00.0 is on nouveau, and nothing on this host gives it to vfio-pci yet: converge the playbook.

    "#]].assert_eq(&out);
}
