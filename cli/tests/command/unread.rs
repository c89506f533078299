//! Whoever may not read the boot menu, the images or the records is told so, and everything else as always.

#![expect(clippy::disallowed_methods, reason = "tests build the trees and start the binary")]
#![expect(clippy::unwrap_used, reason = "a test without its tree cannot go on")]

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use expect_test::expect;
use hoststate_testkit::program::Answer;
use serde_json::Value;

use crate::support::Tree;

const IOMMU: &str = r#"{"type":"kernel_cmdline","present":["iommu=pt"]}"#;

const MENU: &str = "root/boot/grub/grub.cfg";

/// Makes what is at `path` unreadable, even for its owner.
fn close(tree: &Tree, path: &str) {
    std::fs::set_permissions(tree.path(path), PermissionsExt::from_mode(0o000)).unwrap();
}

fn open(tree: &Tree, path: &str) {
    std::fs::set_permissions(tree.path(path), PermissionsExt::from_mode(0o755)).unwrap();
}

/// Runs the binary as somebody for whom modes hold; those of root's files hold for root without its capabilities.
fn looks(tree: &Tree, words: &str) -> Answer {
    let plain = tree.command(words);
    if !rustix::process::geteuid().is_root() {
        return tree.answer(plain);
    }
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set=-dac_override,-dac_read_search", "--"]).arg(plain.get_program());
    command.args(plain.get_args()).current_dir(tree.path("")).env("TZ", "UTC");
    tree.answer(command)
}

#[test]
fn a_plan_goes_on_without_the_boot_menu() {
    let tree = Tree::with(IOMMU);
    close(&tree, MENU);
    expect![[r#"
        ubuntu 24.04, grub2

        ~ kernel_cmdline "iommu=pt"  playbook.json:1
            /etc/default/grub.d/zz-hoststate.cfg:  -> iommu=pt

        --- /dev/null
        +++ b/etc/default/grub.d/zz-hoststate.cfg
        @@ -0,0 +1,2 @@
        +# Kernel arguments that hoststate was told to add. Sourced by update-grub after the others.
        +GRUB_CMDLINE_LINUX_DEFAULT="iommu=pt"

        Then run this yourself, in this order (see --activate):
            update-grub
                /boot/grub/grub.cfg: not read: permission denied

        Not read, because permission is denied; root can see what they say:
            /boot/grub/grub.cfg

        Plan: 1 file, 1 command left to you.
        exit 0
    "#]]
    .assert_eq(&looks(&tree, "plan playbook.json --root root").to_string());
    let json = looks(&tree, "plan playbook.json --root root --format json");
    let plan: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(plan["unread"], serde_json::json!([{"path": "/boot/grub/grub.cfg", "resources": []}]));
}

#[test]
fn a_check_says_what_it_does_not_know_and_is_no_success() {
    let tree = Tree::with(IOMMU);
    tree.write("root/etc/default/grub", "GRUB_CMDLINE_LINUX=\"iommu=pt\"\n");
    tree.write("root/proc/cmdline", "root=/dev/vda1 iommu=pt\n");
    assert_eq!(looks(&tree, "verify playbook.json --root root").status, Some(0));
    close(&tree, MENU);
    expect![[r#"
        not read /boot/grub/grub.cfg, for kernel_cmdline "iommu=pt"
        Not known: 2 settings as wanted; root can see what could not be read.
        exit 1
    "#]]
    .assert_eq(&looks(&tree, "verify playbook.json --root root").to_string());
}

#[test]
fn a_closed_directory_is_named_and_not_what_may_be_in_it() {
    let tree = Tree::with(IOMMU);
    close(&tree, "root/boot/grub");
    tree.write("root/var/lib/hoststate/runs/20250101T000000Z.json", "{}");
    close(&tree, "root/var/lib/hoststate");
    let said = looks(&tree, "plan playbook.json --root root -q").to_string();
    for path in ["root/boot/grub", "root/var/lib/hoststate"] {
        open(&tree, path);
    }
    expect![[r#"
        ~ kernel_cmdline "iommu=pt"  playbook.json:1
            /etc/default/grub.d/zz-hoststate.cfg:  -> iommu=pt

        Then run this yourself, in this order (see --activate):
            update-grub
                /boot/grub/grub.cfg: not read: permission denied

        Not read, because permission is denied; root can see what they say:
            /boot/grub
            /var/lib/hoststate

        Plan: 1 file, 1 command left to you.
        exit 0
    "#]]
    .assert_eq(&said);
}

#[test]
fn what_changes_the_host_does_not_go_on() {
    let tree = Tree::with(IOMMU);
    close(&tree, MENU);
    expect![[r#"
        error: TREE/root/boot/grub/grub.cfg: Permission denied (os error 13)
        hint: Run as root; if you are root, look for an immutable file (`lsattr`) or a security module.
        exit 1
    "#]]
    .assert_eq(&looks(&tree, "converge playbook.json --root root --yes").to_string());
    assert_eq!(tree.read("root/etc/default/grub").as_deref(), Some("GRUB_CMDLINE_LINUX=\"\"\n"));
}

#[test]
fn the_next_boot_is_not_known_without_the_menu() {
    let tree = Tree::with(IOMMU);
    tree.write("root/proc/cmdline", "root=/dev/vda1 quiet\n");
    close(&tree, MENU);
    expect![[r#"
        ubuntu 24.04, grub2 (/boot/grub/grub.cfg is there), initramfs-tools

        Kernel command line
        PARAMETER       RUNNING  LATER  FROM
        root=/dev/vda1  *        -      not known
        quiet           *        -      not known

        RUNNING  a kernel of unknown release, from an entry that this user may not read
        LATER    kernels installed later
        NEXT     not known: /boot/grub, where the boot menu is, cannot be read: permission denied
        exit 0
    "#]]
    .assert_eq(&looks(&tree, "inspect cmdline --root root").to_string());
}
