//! Tests of edits.

use expect_test::{Expect, expect};
use proptest::prelude::*;

use crate::formats::kernel_cmdline::*;

fn parameters(text: &[&str]) -> Vec<Parameter> {
    text.iter().map(|it| Parameter::parse(it).unwrap()).collect()
}

fn edit(present: &[&str], additional: &[&str], absent: &[&str]) -> CmdlineEdit {
    CmdlineEdit {
        present: parameters(present),
        additional: parameters(additional),
        absent: parameters(absent),
    }
}

fn check_edit(text: &str, edit: &CmdlineEdit, expect: Expect) {
    let mut cmdline = Cmdline::parse(text);
    let (missing, surplus) = (edit.missing(&cmdline), edit.surplus(&cmdline));
    let satisfied = cmdline.satisfies(edit);
    cmdline.edit(edit);
    let after = Cmdline::parse(&cmdline.to_string());
    assert!(after.satisfies(edit), "{after}");
    assert_eq!(satisfied, after.to_string() == text, "{after}");
    expect.assert_eq(&format!("{after} missing {missing:?} surplus {surplus:?}"));
}

#[test]
fn a_new_word_goes_to_the_end_but_before_the_dashes() {
    let on = edit(&["intel_iommu=on"], &[], &[]);
    check_edit(
        "ro  quiet\n",
        &on,
        expect![[r#"
        ro  quiet intel_iommu=on
         missing ["intel_iommu=on"] surplus []"#]],
    );
    check_edit(
        "quiet -- x",
        &on,
        expect![[r#"quiet intel_iommu=on -- x missing ["intel_iommu=on"] surplus []"#]],
    );
    check_edit("-- x", &on, expect![[r#"intel_iommu=on -- x missing ["intel_iommu=on"] surplus []"#]]);
    check_edit("", &on, expect![[r#"intel_iommu=on missing ["intel_iommu=on"] surplus []"#]]);
    check_edit(
        "\n",
        &on,
        expect![[r#"
        intel_iommu=on
         missing ["intel_iommu=on"] surplus []"#]],
    );
}

#[test]
fn another_value_is_replaced_where_it_stands() {
    let on = edit(&["intel_iommu=on"], &[], &[]);
    check_edit(
        "a intel-iommu=off b",
        &on,
        expect![[r#"a intel_iommu=on b missing ["intel_iommu=on"] surplus ["intel-iommu=off"]"#]],
    );
    check_edit(
        "a intel_iommu=on intel_iommu=off  b",
        &on,
        expect![[r#"a intel_iommu=on  b missing [] surplus ["intel_iommu=off"]"#]],
    );
    check_edit("a intel_iommu=\"on\" b", &on, expect![[r#"a intel_iommu="on" b missing [] surplus []"#]]);
    check_edit(
        "a intel_iommu=on.x b",
        &on,
        expect![[r#"a intel_iommu=on b missing ["intel_iommu=on"] surplus ["intel_iommu=on.x"]"#]],
    );
    check_edit(
        "quiet -- intel_iommu=on",
        &on,
        expect![[r#"quiet intel_iommu=on -- intel_iommu=on missing ["intel_iommu=on"] surplus []"#]],
    );
}

#[test]
fn repeated_words_keep_their_order() {
    let console = edit(&["console=tty0", "console=ttyS0"], &[], &[]);
    check_edit(
        "console=ttyS0 ro console=tty0",
        &console,
        expect![[r#"ro console=tty0 console=ttyS0 missing ["console=ttyS0"] surplus ["console=ttyS0"]"#]],
    );
    check_edit(
        "console=tty0 ro console=ttyS0",
        &console,
        expect!["console=tty0 ro console=ttyS0 missing [] surplus []"],
    );
    check_edit(
        "ro console=ttyS0 quiet",
        &console,
        expect![[r#"ro console=tty0 console=ttyS0 quiet missing ["console=tty0"] surplus []"#]],
    );
    check_edit(
        "console=tty1 ro console=tty2 console=tty3",
        &console,
        expect![[
            r#"console=tty0 ro console=ttyS0 missing ["console=tty0", "console=ttyS0"] surplus ["console=tty1", "console=tty2", "console=tty3"]"#
        ]],
    );
}

#[test]
fn pairs_keep_their_interleaving() {
    let pages = ["default_hugepagesz=1G", "hugepagesz=1G", "hugepages=16", "hugepagesz=2M", "hugepages=512"];
    let pages = edit(&pages, &[], &[]);
    check_edit(
        "hugepagesz=2M hugepages=512 hugepagesz=1G hugepages=16 default_hugepagesz=1G",
        &pages,
        expect![[
            r#"hugepagesz=1G hugepages=16 hugepagesz=2M hugepages=512 default_hugepagesz=1G missing ["hugepagesz=2M", "hugepages=512"] surplus ["hugepagesz=2M", "hugepages=512"]"#
        ]],
    );
    check_edit(
        "ro hugepages=512 quiet",
        &pages,
        expect![[
            r#"ro hugepagesz=1G hugepages=16 hugepagesz=2M hugepages=512 quiet default_hugepagesz=1G missing ["default_hugepagesz=1G", "hugepagesz=1G", "hugepages=16", "hugepagesz=2M"] surplus []"#
        ]],
    );
    check_edit(
        "hugepagesz=1G hugepages=16 x hugepagesz=2M hugepages=512 default_hugepagesz=1G",
        &pages,
        expect![
            "hugepagesz=1G hugepages=16 x hugepagesz=2M hugepages=512 default_hugepagesz=1G missing [] surplus []"
        ],
    );
    check_edit(
        "hugepages=4 hugepagesz=1G",
        &edit(&["hugepagesz=1G", "hugepages=4"], &[], &[]),
        expect![[r#"hugepagesz=1G hugepages=4 missing ["hugepages=4"] surplus ["hugepages=4"]"#]],
    );
}

#[test]
fn additional_words_leave_others_of_their_name() {
    let more = edit(&[], &["pci=realloc"], &[]);
    check_edit("pci=noari", &more, expect![[r#"pci=noari pci=realloc missing ["pci=realloc"] surplus []"#]]);
    check_edit("pci=realloc pci=noari", &more, expect!["pci=realloc pci=noari missing [] surplus []"]);
    check_edit(
        "a \"open quote",
        &more,
        expect![[r#"a pci=realloc "open quote missing ["pci=realloc"] surplus []"#]],
    );
}

#[test]
fn absent_takes_a_name_or_one_parameter() {
    check_edit(
        "nomodeset a b nomodeset=1 quiet",
        &edit(&[], &[], &["nomodeset"]),
        expect![[r#"a b quiet missing [] surplus ["nomodeset", "nomodeset=1"]"#]],
    );
    check_edit(
        "iommu=pt  iommu=soft quiet",
        &edit(&[], &[], &["iommu=soft"]),
        expect![[r#"iommu=pt quiet missing [] surplus ["iommu=soft"]"#]],
    );
    check_edit(
        "rd.driver.pre=x rdXdriver.pre=x",
        &edit(&[], &[], &["rd.driver.pre"]),
        expect![[r#"rdXdriver.pre=x missing [] surplus ["rd.driver.pre=x"]"#]],
    );
    check_edit("x -- x", &edit(&[], &[], &["x"]), expect![[r#"-- x missing [] surplus ["x"]"#]]);
}

#[test]
fn contradictions_are_named() {
    let conflicts = [
        edit(&["a=1"], &[], &["a"]),
        edit(&["a-b=1"], &[], &["a_b=1"]),
        edit(&["a=1"], &["a=2"], &[]),
        edit(&["a=1"], &["a=1"], &["a=2"]),
    ];
    let lines: Vec<String> =
        conflicts.iter().map(|it| it.conflict().unwrap_or_else(|| "none".to_owned())).collect();
    expect![[r#"
        `a=1` is wanted as present, and `a` as absent
        `a-b=1` is wanted as present, and `a_b=1` as absent
        `a=1` is wanted as the only value of `a`, and `a=2` in addition
        none"#]]
    .assert_eq(&lines.join("\n"));
}

prop_compose! {
    fn any_parameter()(name in "[ab][-_]?", value in proptest::option::of("=[12]|=\"1 2\"|=")) -> Parameter {
        Parameter::parse(&format!("{name}{}", value.unwrap_or_default())).unwrap()
    }
}

prop_compose! {
    fn any_edit()(
        present in proptest::collection::vec(any_parameter(), 0..5),
        additional in proptest::collection::vec(any_parameter(), 0..3),
        absent in proptest::collection::vec(any_parameter(), 0..3),
    ) -> CmdlineEdit {
        CmdlineEdit { present, additional, absent }
    }
}

proptest! {
    #[test]
    fn any_text_is_printed_as_it_was_read(text in "\\PC*|[ab \"=\t\n-]*") {
        prop_assert_eq!(Cmdline::parse(&text).to_string(), text);
    }

    #[test]
    fn an_edit_reaches_its_goal_and_then_changes_nothing(text in "[ab12=\" \t\n_-]{0,40}", edit in any_edit()) {
        prop_assume!(edit.conflict().is_none());
        let before = Cmdline::parse(&text);
        let mut cmdline = before.clone();
        cmdline.edit(&edit);
        let printed = cmdline.to_string();
        let mut again = Cmdline::parse(&printed);
        prop_assert!(again.satisfies(&edit), "{}", printed);
        prop_assert_eq!(before.satisfies(&edit), printed == text);
        again.edit(&edit);
        prop_assert_eq!(again.to_string(), printed);
        prop_assert!(before.init_parameters().eq(Cmdline::parse(&cmdline.to_string()).init_parameters()));
    }

    #[test]
    fn an_edit_leaves_other_words_alone(text in "[cd12=\" \t\n-]{0,40}", edit in any_edit()) {
        let before = Cmdline::parse(&text);
        let mut cmdline = before.clone();
        cmdline.edit(&edit);
        let ours = |it: &&Parameter| !it.name().starts_with(['a', 'b']);
        prop_assert!(before.parameters().filter(ours).eq(cmdline.parameters().filter(ours)), "{}", cmdline);
    }
}
