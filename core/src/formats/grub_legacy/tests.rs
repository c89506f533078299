//! Tests of grub.conf.

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;
use crate::formats::kernel_cmdline::Parameter;

fn edit() -> CmdlineEdit {
    CmdlineEdit { present: vec![Parameter::parse("intel_iommu=on").unwrap()], ..CmdlineEdit::default() }
}

fn check(text: &str, expect: Expect) {
    let conf = GrubLegacy::parse(text);
    assert_eq!(conf.to_string(), text);
    let mut lines = format!("{:?}\n", conf.default());
    for Stanza { number, title, line, module, linux } in conf.stanzas() {
        lines += &format!("{number} line {line} {title:?} module={module}\n");
        if let Some(it) = linux {
            lines += &format!("  line {} {} |{}|\n", it.line, it.image, it.cmdline);
        }
    }
    expect.assert_eq(&lines);
}

fn check_edit(text: &str, number: usize, expect: Expect) {
    let mut conf = GrubLegacy::parse(text);
    let linux = conf.edit(number, &edit());
    expect.assert_eq(&format!("{linux}\n{conf}").replace('\r', "<CR>"));
}

#[test]
fn stanzas_are_counted_with_those_that_boot_no_linux() {
    check(
        "# c \\\ndefault = 1\ntitle=Windy\n\tchainloader +1\n title a b \nroot (hd0,0)\n kernel (hd0,0)/vmlinuz-2.6 ro  quiet \ninitrd /i\ntitle memtest\nkernel --type=netbsd /elf-memtest x\n",
        expect![[r#"
            Some(Number(1))
            0 line 3 "Windy" module=false
            1 line 5 "a b" module=false
              line 7 (hd0,0)/vmlinuz-2.6 | ro  quiet |
            2 line 9 "memtest" module=false
        "#]],
    );
    check(
        "default=saved\ntitle a\nkernel --no-mem-option /boot/vmlinuz\n",
        expect![[r#"
            Some(Saved)
            0 line 2 "a" module=false
              line 3 /boot/vmlinuz ||
        "#]],
    );
    check(
        "default 0\n#title a\nkernel /vmlinuz global\n",
        expect![[r#"
        Some(Number(0))
    "#]],
    );
    check(
        "default x\n",
        expect![[r#"
        None
    "#]],
    );
}

#[test]
fn linux_is_a_module_under_xen() {
    let text = "title x\nkernel /xen.gz-3 dom0_mem=1G\nmodule /vmlinuz-2.6xen ro\nmodule /initrd.img\n";
    check(
        text,
        expect![[r#"
        Some(Number(0))
        0 line 1 "x" module=true
          line 3 /vmlinuz-2.6xen | ro|
    "#]],
    );
    check_edit(
        text,
        0,
        expect![[r#"
        true
        title x
        kernel /xen.gz-3 dom0_mem=1G
        module /vmlinuz-2.6xen ro intel_iommu=on
        module /initrd.img
    "#]],
    );
}

#[test]
fn joined_lines_are_one() {
    let text = "title a\nkernel /vmlinuz ro \\\n quiet\ninitrd /i\n";
    check(
        text,
        expect![[r#"
        Some(Number(0))
        0 line 1 "a" module=false
          line 2 /vmlinuz | ro   quiet|
    "#]],
    );
    check_edit(
        text,
        0,
        expect![[r#"
        true
        title a
        kernel /vmlinuz ro   quiet intel_iommu=on
        initrd /i
    "#]],
    );
    check_edit(
        "title a\nkernel /vmlinuz ro \\\n intel_iommu=on\n",
        0,
        expect![[r#"
            true
            title a
            kernel /vmlinuz ro \
             intel_iommu=on
        "#]],
    );
}

#[test]
fn an_edit_changes_one_stanza() {
    let text = "title a\n\tkernel /vmlinuz ro\r\n\ntitle b\nkernel=/vmlinuz";
    check_edit(
        text,
        0,
        expect![[r#"
            true
            title a
            	kernel /vmlinuz ro intel_iommu=on<CR>

            title b
            kernel=/vmlinuz"#]],
    );
    check_edit(
        text,
        1,
        expect![[r#"
            true
            title a
            	kernel /vmlinuz ro<CR>

            title b
            kernel=/vmlinuz intel_iommu=on"#]],
    );
    check_edit(
        text,
        2,
        expect![[r#"
            false
            title a
            	kernel /vmlinuz ro<CR>

            title b
            kernel=/vmlinuz"#]],
    );
    check_edit(
        "title a\nkernel /vmlinuz ro -- x\n",
        0,
        expect![[r#"
        true
        title a
        kernel /vmlinuz ro intel_iommu=on -- x
    "#]],
    );
    check_edit(
        "title a\nkernel /memtest86\n",
        0,
        expect![[r#"
        false
        title a
        kernel /memtest86
    "#]],
    );
}

proptest! {
    #[test]
    fn any_text_is_printed_as_it_was_read(text in "\\PC*|(title|kernel|module| /vmlinuz|--type=|[\\\\ \t\n\r#=é-])*") {
        let mut conf = GrubLegacy::parse(&text);
        prop_assert_eq!(conf.to_string(), text);
        for number in 0..conf.stanzas().len() {
            if conf.edit(number, &edit()) {
                let again = GrubLegacy::parse(&conf.to_string());
                let linux = again.stanzas()[number].linux.clone();
                prop_assert!(linux.is_some_and(|it| it.cmdline.satisfies(&edit())), "{:?}", conf.to_string());
            }
        }
    }
}
