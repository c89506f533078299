//! What GRUB passes on, and how it is edited.

use expect_test::{Expect, expect};
use hoststate_core::formats::kernel_cmdline::{CmdlineEdit, Parameter};

use super::{Level, edit, kernel_line};

fn check(text: &str, present: &[&str], absent: &[&str], expect: Expect) {
    let words = |it: &[&str]| it.iter().map(|it| Parameter::parse(it).unwrap()).collect();
    let wanted = CmdlineEdit { present: words(present), additional: Vec::new(), absent: words(absent) };
    let shown = match edit(text, &wanted, Level::Script) {
        Ok(Ok(edited)) => {
            let again = edit(&edited, &wanted, Level::Script).unwrap().unwrap();
            assert_eq!(again, edited, "a second edit changes nothing");
            assert!(kernel_line(&edited.replace('\n', " ")).satisfies(&wanted));
            format!("{edited}\n{}", kernel_line(&edited))
        }
        Ok(Err(unclear)) => format!("unclear: {}", unclear.why),
        Err(err) => format!("error: {err}"),
    };
    expect.assert_eq(&shown);
}

#[test]
fn plain_words_are_edited_as_the_kernel_reads_them() {
    check(
        "quiet  splash",
        &["iommu=pt"],
        &["splash"],
        expect![[r#"
        quiet iommu=pt
        quiet iommu=pt"#]],
    );
    check(
        "",
        &["iommu=pt"],
        &[],
        expect![[r#"
        iommu=pt
        iommu=pt"#]],
    );
    check(
        "a=1 -- init",
        &["iommu=pt"],
        &[],
        expect![[r#"
        a=1 iommu=pt -- init
        a=1 iommu=pt -- init"#]],
    );
}

#[test]
fn a_dollar_sign_is_escaped_and_a_badly_escaped_one_is_replaced() {
    check(
        "quiet",
        &["memmap=4G$4G"],
        &[],
        expect![[r#"
        quiet memmap=4G\$4G
        quiet memmap=4G$4G"#]],
    );
    check(
        "memmap=4G$4G quiet",
        &["memmap=4G$4G"],
        &[],
        expect![[r#"
        memmap=4G\$4G quiet
        memmap=4G$4G quiet"#]],
    );
    check(
        r"memmap=4G\$4G quiet",
        &["memmap=4G$4G"],
        &[],
        expect![[r#"
        memmap=4G\$4G quiet
        memmap=4G$4G quiet"#]],
    );
}

#[test]
fn quoted_values_and_special_characters_reach_the_kernel() {
    check(
        "",
        &[r#"dyndbg="file a.c +p""#],
        &[],
        expect![[r#"
        dyndbg=file\ a.c\ +p
        "dyndbg=file a.c +p""#]],
    );
    check(
        "",
        &["pci=disable_acs_redir=1:2;3:4"],
        &[],
        expect![[r#"
        pci=disable_acs_redir=1:2\;3:4
        pci=disable_acs_redir=1:2;3:4"#]],
    );
    check(
        "",
        &[r"a=b\c"],
        &[],
        expect![[r#"error: the kernel parameter `a=b\c` cannot be given through GRUB: GRUB changes it"#]],
    );
    check(
        "",
        &["a='b'"],
        &[],
        expect!["error: the kernel parameter `a='b'` cannot be given through GRUB: GRUB changes it"],
    );
}

#[test]
fn words_of_others_keep_their_spelling() {
    check(
        r#"a='x y' "b=z w" $tuned_params b\ c"#,
        &["iommu=pt"],
        &[],
        expect![[r#"
        a='x y' "b=z w" $tuned_params b\ c iommu=pt
        "a=x y" "b=z w" ${tuned_params} "b c" iommu=pt"#]],
    );
}

#[test]
fn a_line_that_grub_cuts_is_not_edited() {
    check(
        "pci=a;b quiet",
        &["iommu=pt"],
        &[],
        expect!["unclear: GRUB passes only `pci=a` of `pci=a;b quiet` to the kernel"],
    );
    check(
        "a #b quiet",
        &["iommu=pt"],
        &[],
        expect!["unclear: GRUB passes only `a` of `a #b quiet` to the kernel"],
    );
}
