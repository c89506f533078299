//! What is there now, on the captured hosts.

use expect_test::{Expect, expect};

use crate::support::Tree;

fn check(words: &str, expected: Expect) {
    let tree = Tree::with("");
    let hosts = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/hosts");
    expected.assert_eq(&tree.run(&format!("{words} --root {hosts}/ubuntu-24.04")).to_string());
}

#[test]
fn words_of_the_command_line_stand_once_with_who_has_them_and_where_they_come_from() {
    check(
        "inspect cmdline",
        expect![[r#"
        Kernel command line
        WORD                                            RUNNING  A  B  LATER  FROM
        root=UUID=b3f1c9d2-5a77-4e08-9c41-2d6e8f90a1b7  *        *  *  -      the entry
        ro                                              *        *  *  -      the entry
        quiet                                           *        *  -  *      /etc/default/grub:7
        splash                                          *        *  -  *      /etc/default/grub:7
        ${vt_handoff}                                   ?        *  -  -      the boot loader: vt.handoff=7 or nothing
        recovery                                        -        -  *  -      the entry
        nomodeset                                       -        -  *  -      the entry
        dis_ucode_ldr                                   -        -  *  -      the entry
        vt.handoff=7                                    *        -  -  -      ${vt_handoff}

        RUNNING  6.8.0-45-generic, as Ubuntu in A
        A        Ubuntu (6.8.0-45-generic) [next boot], /boot/grub/grub.cfg:49
                 Ubuntu, with Linux 6.8.0-45-generic, /boot/grub/grub.cfg:62
                 Ubuntu, with Linux 6.8.0-41-generic, /boot/grub/grub.cfg:87
        B        Ubuntu, with Linux 6.8.0-45-generic (recovery mode) [recovery], /boot/grub/grub.cfg:74
                 Ubuntu, with Linux 6.8.0-41-generic (recovery mode) [recovery], /boot/grub/grub.cfg:99
        LATER    kernels installed later
        NEXT     Ubuntu: default=0 in /boot/grub/grub.cfg:10
        exit 0
    "#]],
    );
}

#[test]
fn a_word_that_nothing_configured_and_an_entry_that_is_gone_are_told() {
    let tree = Tree::with("");
    tree.write(
        "root/boot/grub/grub.cfg",
        "set default=\"${saved_entry}\"\nmenuentry 'New' --id new {\n linux /vmlinuz-2 ro $quick\n}\n\
         menuentry 'Old' --id old {\n linux /vmlinuz-1 ro quiet\n}\n",
    );
    tree.write("root/boot/grub/grubenv", "# GRUB Environment Block\nsaved_entry=old\n");
    tree.write("root/proc/cmdline", "BOOT_IMAGE=/vmlinuz-0 ro nomodeset\n");
    tree.write("root/proc/sys/kernel/osrelease", "0\n");
    expect![[r#"
        Kernel command line
        WORD       RUNNING  A  B  LATER  FROM
        ro         *        *  *  -      the entry
        ${quick}   ?        *  -  -      unknown: the boot loader's files set it nowhere
        quiet      -        -  *  -      the entry
        nomodeset  *        -  -  -      no entry: only /proc/cmdline

        RUNNING  0, which has no boot entry
        A        New (2), /boot/grub/grub.cfg:3
        B        Old (1) [next boot], /boot/grub/grub.cfg:6
        LATER    kernels installed later
        NEXT     Old: saved_entry=old in /boot/grub/grubenv
        exit 0
    "#]]
    .assert_eq(&tree.run("inspect cmdline --root root").to_string());
}
