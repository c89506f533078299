//! The entries of a generated grub.cfg.

use expect_test::expect;
use hoststate_core::mechanism::distro::Bootloader;
use hoststate_testkit::tree::Tree;

use super::{MAIN, check_on, debian};

const CFG: &str = "### BEGIN /etc/grub.d/10_linux ###
menuentry 'Ubuntu' --class gnu $menuentry_id_option 'gnulinux-simple-1' {
\tlinux\t/boot/vmlinuz-6.8.0-1 root=UUID=1 ro iommu=pt memmap=4G\\$4G
\tinitrd\t/boot/initrd.img-6.8.0-1
}
submenu 'Advanced' {
\tmenuentry 'Ubuntu (recovery mode)' {
\t\tlinux /boot/vmlinuz-6.8.0-1 root=UUID=1 ro recovery nomodeset nouveau
\t}
}
### END /etc/grub.d/10_linux ###
### BEGIN /etc/grub.d/30_os-prober ###
menuentry 'Other' {
linux /boot/vmlinuz-5 root=UUID=2 ro
}
### END /etc/grub.d/30_os-prober ###
";

fn generated(kernels: &[&str], cfg: &str) -> Tree {
    let tree = Tree::new(&[
        (MAIN, "GRUB_CMDLINE_LINUX=\"\"\nGRUB_CMDLINE_LINUX_DEFAULT='iommu=pt memmap=4G\\$4G'\n"),
        ("/boot/grub/grub.cfg", cfg),
    ]);
    for kernel in kernels {
        tree.write(format!("/boot/vmlinuz-{kernel}"), "");
        tree.write(format!("/lib/modules/{kernel}/modules.dep"), "");
    }
    tree
}

#[test]
fn every_normal_entry_of_every_kernel_is_compared() {
    let check = |kernels: &[&str], cfg: &str, words: &[&str], expect| {
        check_on(&debian(), &generated(kernels, cfg), words, expect);
    };
    check(
        &["6.8.0-1"],
        CFG,
        &["iommu=pt", "memmap=4G$4G"],
        expect![[r#"
        /etc/default/grub: converged
        /boot/grub/grub.cfg: converged
    "#]],
    );
    check(
        &["6.8.0-1"],
        &CFG.replace('\\', ""),
        &["memmap=4G$4G"],
        expect![[r#"
        /etc/default/grub: converged
        /boot/grub/grub.cfg: line 3 (Ubuntu) lacks memmap=4G$4G, has memmap=4GG => every entry: memmap=4G$4G
          then boot configuration
    "#]],
    );
    check(
        &["6.8.0-1", "6.8.0-2"],
        CFG,
        &["iommu=pt"],
        expect![[r#"
        /etc/default/grub: converged
        /boot/grub/grub.cfg: no entry for 6.8.0-2 => every entry: iommu=pt
          then boot configuration
    "#]],
    );
    check(
        &["6.8.0-1"],
        CFG,
        &["-nouveau", "-nomodeset"],
        expect![[r#"
        /etc/default/grub: converged
        /boot/grub/grub.cfg: line 8 (Ubuntu (recovery mode)) has nouveau => every entry: without nouveau nomodeset
          then boot configuration
    "#]],
    );
    check(
        &["6.8.0-1"],
        "menuentry 'cut",
        &["iommu=pt"],
        expect![[r#"
        /etc/default/grub: converged
        /boot/grub/grub.cfg: line 1 is not GRUB script => every entry: iommu=pt
          then boot configuration
    "#]],
    );
}

#[test]
fn entries_tell_their_words_and_where_these_come_from() {
    let tree = generated(&[], CFG);
    let view = tree.view();
    expect![[r#"
        [
            BootEntry {
                title: "Ubuntu",
                kernel: Some(
                    "6.8.0-1",
                ),
                recovery: false,
                cmdline: "root=UUID=1 ro iommu=pt memmap=4G$4G",
                place: Place {
                    file: "/boot/grub/grub.cfg",
                    line: Some(
                        3,
                    ),
                },
                sources: [
                    ParameterSource {
                        parameter: "iommu=pt",
                        place: Place {
                            file: "/etc/default/grub",
                            line: Some(
                                2,
                            ),
                        },
                    },
                    ParameterSource {
                        parameter: "memmap=4G$4G",
                        place: Place {
                            file: "/etc/default/grub",
                            line: Some(
                                2,
                            ),
                        },
                    },
                ],
                variables: [],
                images: [
                    "/boot/initrd.img-6.8.0-1",
                ],
                generated: true,
            },
            BootEntry {
                title: "Ubuntu (recovery mode)",
                kernel: Some(
                    "6.8.0-1",
                ),
                recovery: true,
                cmdline: "root=UUID=1 ro recovery nomodeset nouveau",
                place: Place {
                    file: "/boot/grub/grub.cfg",
                    line: Some(
                        8,
                    ),
                },
                sources: [],
                variables: [],
                images: [],
                generated: true,
            },
            BootEntry {
                title: "Other",
                kernel: Some(
                    "5",
                ),
                recovery: false,
                cmdline: "root=UUID=2 ro",
                place: Place {
                    file: "/boot/grub/grub.cfg",
                    line: Some(
                        14,
                    ),
                },
                sources: [],
                variables: [],
                images: [],
                generated: false,
            },
        ]
    "#]]
    .assert_debug_eq(&debian().entries(&view).unwrap());
    expect![[r#"
        "iommu=pt memmap=4G$4G"
    "#]]
    .assert_debug_eq(&debian().future(&view).unwrap().to_string());
}

#[test]
fn the_next_boot_and_the_values_of_variables_are_told_as_far_as_the_files_go() {
    let cfg = "load_env\nset default=\"${saved_entry}\"\nif [ x ]; then\n set v=1\nelse\n set v=\nfi\n\
               menuentry A --id a {\n linux /vmlinuz-1 q $v $w\n}\nmenuentry B --id b {\n linux /vmlinuz-2\n}\n";
    let block = |variables: &str| format!("{:#<1024}", format!("# GRUB Environment Block\n{variables}"));
    let mut shown = String::new();
    for variables in ["", "saved_entry=b\nw=2\n", "saved_entry=c\n"] {
        let tree = generated(&[], cfg);
        tree.write("/boot/grub/grubenv", block(variables));
        let view = tree.view();
        shown += &format!(
            "{:?}\n{:?}\n",
            debian().next_boot(&view, &debian().entries(&view).unwrap()).unwrap(),
            debian().entries(&view).unwrap()[0].variables
        );
    }
    expect![[r#"
        EntryChoice { entry: Some(0), other: None, because: "`default` is empty in /boot/grub/grub.cfg:2, so the first entry is taken", once: false }
        [BootVariable { name: "v", values: ["1", ""] }, BootVariable { name: "w", values: [] }]
        EntryChoice { entry: Some(1), other: None, because: "saved_entry=b in /boot/grub/grubenv", once: false }
        [BootVariable { name: "v", values: ["1", ""] }, BootVariable { name: "w", values: ["2"] }]
        EntryChoice { entry: Some(0), other: None, because: "saved_entry=c in /boot/grub/grubenv names no entry, so the first is taken", once: false }
        [BootVariable { name: "v", values: ["1", ""] }, BootVariable { name: "w", values: [] }]
    "#]].assert_eq(&shown);
}

#[test]
fn entries_of_custom_cfg_stand_in_the_menu_where_grub_reads_them() {
    let reads = "### BEGIN /etc/grub.d/41_custom ###\nif [ -f  ${config_directory}/custom.cfg ]; then\n  \
                 source ${config_directory}/custom.cfg\nelif [ -f  $prefix/custom.cfg ]; then\n  \
                 source $prefix/custom.cfg\nfi\n### END /etc/grub.d/41_custom ###\n";
    let behind = "menuentry Behind {\n linux /vmlinuz-6\n}\n";
    let custom = "set default=By-hand\nmenuentry By-hand {\n linux /vmlinuz-6.8.0-1 iommu=pt\n}\n\n";
    let menu = |cfg: &str, custom: &str| {
        let tree = generated(&[], cfg);
        tree.write("/boot/grub/custom.cfg", custom);
        let view = tree.view();
        let entries = debian().entries(&view).unwrap();
        let next = debian().next_boot(&view, &debian().entries(&view).unwrap()).unwrap();
        let lines: Vec<String> = entries
            .iter()
            .enumerate()
            .map(|(index, it)| {
                let mark = if next.entry == Some(index) { "*" } else { " " };
                format!("{mark} {} {} {} sources\n", it.title, it.place, it.sources.len())
            })
            .collect();
        format!("{}{}\n", lines.concat(), next.because)
    };
    expect![[r#"
          Ubuntu /boot/grub/grub.cfg:3 2 sources
          Ubuntu (recovery mode) /boot/grub/grub.cfg:8 0 sources
          Other /boot/grub/grub.cfg:14 0 sources
        * By-hand /boot/grub/custom.cfg:3 0 sources
          Behind /boot/grub/grub.cfg:25 0 sources
        default=By-hand in /boot/grub/custom.cfg:1
    "#]]
    .assert_eq(&menu(&format!("{CFG}{reads}{behind}"), custom));
    expect![[r#"
        * Ubuntu /boot/grub/grub.cfg:3 2 sources
          Ubuntu (recovery mode) /boot/grub/grub.cfg:8 0 sources
          Other /boot/grub/grub.cfg:14 0 sources
        first in /boot/grub/grub.cfg, and no other is set as default
    "#]]
    .assert_eq(&menu(CFG, custom));
    expect![[r#"
        * Ubuntu /boot/grub/grub.cfg:3 2 sources
          Ubuntu (recovery mode) /boot/grub/grub.cfg:8 0 sources
          Other /boot/grub/grub.cfg:14 0 sources
        first in /boot/grub/grub.cfg, and no other is set as default
    "#]]
    .assert_eq(&menu(&format!("{CFG}{reads}"), "menuentry 'cut"));
}
